"""Runs one worker of several that read one queue; see `crawl_runner`.

The plan names no requests: they come from a list in Redis, as JSON, by way of the
queue and the dupefilter of scrapy-redis.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from crawl_runner import PlanSpider, main
from scrapy_redis.spiders import RedisMixin

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.crawler import Crawler
    from typing_extensions import Self


class QueueSpider(RedisMixin, PlanSpider):  # type: ignore[misc,unused-ignore]
    """Asks for what the list says."""

    redis_key = "plan"
    max_idle_time = 5

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        spider = super().from_crawler(crawler, *args, **kwargs)
        # How many of the list go into the queue at once; by default few.
        spider.redis_batch_size = crawler.settings.getint("QUEUE_BATCH") or None
        spider.setup_redis(crawler)
        return spider

    def make_request_from_data(self, data: bytes) -> list[Request]:
        wanted = json.loads(data)
        return [self.request(wanted["number"], wanted)]


if __name__ == "__main__":
    sys.exit(main(QueueSpider))
