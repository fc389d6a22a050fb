"""Scrapy downloader middleware that passes hCaptcha gates through 1captcha."""
