"""Try the installed package, outside of its source tree: imports, types, a crawl."""  # noqa: INP001

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points, version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy import Spider
from scrapy.crawler import CrawlerProcess

import scrapy_onecaptcha

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy.http import Response

SANDBOX = [
    *(sys.executable, "-m", "scrapy_onecaptcha.sandbox"),
    *("--json", "--until-eof", "--latency", "0.2", "--site", "wall"),
]
PAGES = 3


class PagesSpider(Spider):
    """Crawls some pages of a site that gates each of them."""

    name = "pages"

    def parse(self, response: Response, **_: Any) -> Iterator[dict[str, str | None]]:
        """Read one page."""
        yield {"title": response.css("h1.content::text").get()}


def check(what: str, holds: bool) -> None:
    """Say *what* holds, or end here."""
    sys.stdout.write(f"{'ok' if holds else 'FAILED'}: {what}\n")
    sys.stdout.flush()
    if not holds:
        sys.exit(1)


def main(tree: Path) -> None:
    """Try it; *tree* is where it must not come from."""
    package = Path(scrapy_onecaptcha.__file__)
    check("it is the installed one", not package.is_relative_to(tree))
    check("its version", version("scrapy-onecaptcha") == scrapy_onecaptcha.__version__)
    check("py.typed", files("scrapy_onecaptcha").joinpath("py.typed").is_file())
    names = scrapy_onecaptcha.__all__
    (command,) = entry_points(group="scrapy.commands", name="onecaptcha")
    check("its command", command.load().__module__.startswith("scrapy_onecaptcha."))
    check("its API", all(hasattr(scrapy_onecaptcha, name) for name in names))
    with subprocess.Popen(  # noqa: S603
        SANDBOX, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as sandbox:
        assert sandbox.stdin is not None  # noqa: S101
        assert sandbox.stdout is not None  # noqa: S101
        served = json.loads(sandbox.stdout.readline())
        stats = crawl(served["sites"]["wall"], served["settings"])
        sandbox.stdin.close()
    check("every page was delivered", stats.get("item_scraped_count") == PAGES)
    check("each for one token", stats.get("onecaptcha/tokens/accepted") == PAGES)
    check("no error was logged", not stats.get("log_count/ERROR"))


def crawl(site: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Crawl *site*; return the stats."""
    process = CrawlerProcess(
        {
            **settings,
            "ADDONS": {"scrapy_onecaptcha.Addon": 500},
            "ONECAPTCHA_MAX_TASKS": 2 * PAGES,
            "LOG_LEVEL": "INFO",
        }
    )
    crawler = process.create_crawler(PagesSpider)
    urls = [f"{site}/page/{number}" for number in range(1, PAGES + 1)]
    process.crawl(crawler, start_urls=urls, allowed_domains=["127.0.0.1"])
    process.start()
    assert crawler.stats is not None  # noqa: S101
    return crawler.stats.get_stats()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
