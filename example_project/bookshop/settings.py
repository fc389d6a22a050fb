"""The project's settings; https://docs.scrapy.org/en/latest/topics/settings.html."""

BOT_NAME = "bookshop"
SPIDER_MODULES = ["bookshop.spiders"]
FEEDS = {"books.jsonl": {"format": "jsonlines", "encoding": "utf8", "overwrite": True}}
LOG_LEVEL = "INFO"

# A guest's manners.
USER_AGENT = "bookshop (+https://example.com/bot)"
ROBOTSTXT_OBEY = True
DOWNLOAD_DELAY = 0.5
CONCURRENT_REQUESTS_PER_DOMAIN = 8

# hCaptcha gates are passed: this line, and the key in the environment variable
# ONECAPTCHA_API_KEY. Solving is bound to the spider's allowed_domains, and to a budget.
ADDONS = {"scrapy_onecaptcha.Addon": 500}
ONECAPTCHA_MAX_TASKS = 20

# What was paid, and what it brought: scrapy onecaptcha report captchas.jsonl
ONECAPTCHA_LEDGER = "captchas.jsonl"

# Only for this example: without a key, it brings its own bookshop and service.
EXTENSIONS = {"bookshop.sandbox.SandboxExtension": 0}
