"""Settings of the project: those of the test, from the environment."""

import json
import os

import scrapy.downloadermiddlewares.cookies as scrapy_cookies
import tldextract

SPIDER_MODULES = ["crawl_project.spiders"]
TELNETCONSOLE_ENABLED = False

# The list of public suffixes would be fetched at the first cookie.
scrapy_cookies._split_domain = tldextract.TLDExtract(  # type: ignore[attr-defined,unused-ignore]
    suffix_list_urls=(), cache_dir=None
)
globals().update(json.loads(os.environ["CRAWL_SETTINGS"]))
