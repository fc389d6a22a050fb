"""Pages as a crawl would see them: fetched by Scrapy's engine, and only looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scrapy import Request, Spider, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy.utils.datatypes import SequenceExclude
from scrapy.utils.misc import load_object
from twisted.internet.defer import CancelledError

from scrapy_onecaptcha.addon import ORDER
from scrapy_onecaptcha.crawl.engine import Engine
from scrapy_onecaptcha.crawl.page_scripts import PageScripts
from scrapy_onecaptcha.crawl.reader import Reader
from scrapy_onecaptcha.crawl.request_rules import is_robots
from scrapy_onecaptcha.crawl.shutdown import shielded
from scrapy_onecaptcha.middleware import OneCaptchaMiddleware
from scrapy_onecaptcha.request_options import UNSET, RequestOptions
from scrapy_onecaptcha.scripts.pool import ScriptPool
from scrapy_onecaptcha.service.transport import running_clock
from scrapy_onecaptcha.settings import script_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from scrapy.settings import Settings
    from twisted.python.failure import Failure

    from scrapy_onecaptcha.cli.runner import Stage
    from scrapy_onecaptcha.models import Challenge

__all__ = ["Look", "fetch"]

# Items, feeds, job directory and consoles of the project are off here.
_SETTINGS: dict[str, Any] = {
    "FEEDS": {},
    "ITEM_PIPELINES": {},
    "JOBDIR": None,
    "LOGSTATS_INTERVAL": 0,
    "ONECAPTCHA_ENABLED": False,  # should the project wrap the middleware in its own
    "REMOTE_CONTROL_ENABLED": False,
    "TELNETCONSOLE_ENABLED": False,
}


# After RobotsTxtMiddleware (100), which asks for the file, and before the retry (550).
MISSING_ROBOTS_ORDER = 101


@dataclass(slots=True, eq=False)
class Look:
    """One page that is looked at.

    Attributes:
        target: as it was named.
        response: what came, if it did.
        challenge: what was detected in it.
        error: why nothing came.
    """

    target: str
    response: Response | None = None
    challenge: Challenge | None = None
    error: str | None = None


async def fetch(
    stage: Stage,
    settings: Settings,
    looks: Sequence[Look],
    options: RequestOptions = UNSET,
    *,
    fresh: bool = False,
) -> None:
    """Fetch the targets of *looks*, and note in them what came.

    Args:
        stage: what it runs on.
        settings: the project's.
        looks: to be filled in.
        options: what the user says of the pages.
        fresh: whether Scrapy's HTTP cache is left out.
    """
    settings = settings.copy()
    settings.setdict(_SETTINGS, priority="cmdline")
    try:
        put_in_place(settings)
        # With the reactor that runs already.
        crawler = Crawler(LookSpider, settings)
        crawl = stage.process.crawl(crawler, looks=looks, options=options, fresh=fresh)
        await shielded(crawl)
    except CancelledError:
        raise
    except Exception as error:  # noqa: BLE001 - the project's own; told for each page
        for look in looks:
            if look.response is None and look.error is None:
                look.error = f"Scrapy could not start: {_told(error)}"


def put_in_place(settings: Settings) -> None:
    """Replace the middleware by a `Looker`."""
    middlewares = settings.getdict("DOWNLOADER_MIDDLEWARES")
    for name in middlewares:
        cls = load_object(name)
        if isinstance(cls, type) and issubclass(cls, OneCaptchaMiddleware):
            middlewares[name] = None
    # An add-on leaves alone what has a place already, or none.
    if not any(load_object(name) is OneCaptchaMiddleware for name in middlewares):
        middlewares[OneCaptchaMiddleware] = None
    added = {Looker: ORDER, MissingRobots: MISSING_ROBOTS_ORDER}
    settings.set("DOWNLOADER_MIDDLEWARES", middlewares | added, "cmdline")


class MissingRobots:
    """Answers for a robots.txt that cannot be fetched: it forbids nothing.

    To Scrapy that means the same, but it logs a traceback. The page, which cannot be
    fetched either, tells why in a sentence.
    """

    def process_exception(
        self,
        request: Request,
        exception: Exception,
        spider: Spider | None = None,  # noqa: ARG002  (passed up to Scrapy 2.13)
    ) -> Response | None:
        """Return an empty robots.txt."""
        if not is_robots(request) or isinstance(exception, IgnoreRequest):
            return None
        request.meta["dont_cache"] = True  # nobody has said that there is none
        return Response(request.url, status=404, request=request)


class Looker:
    """Detects in the middleware's place, and lets a gate lead nowhere else.

    Args:
        crawler: the crawl.
    """

    def __init__(self, crawler: Crawler) -> None:
        self._engine = Engine(crawler)
        is_on, hosts = script_settings(crawler.settings)
        self._scripts = PageScripts(self._engine, ScriptPool(), on=is_on, hosts=hosts)
        self._reader = Reader(self._scripts, running_clock())

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Looker:
        """Make one for *crawler*; its child process ends with it."""
        looker = cls(crawler)
        crawler.signals.connect(looker.spider_closed, signals.spider_closed)
        return looker

    def spider_closed(self) -> None:
        """End the process that runs scripts."""
        self._scripts.close()

    async def process_response(
        self, request: Request, response: Response, spider: Spider | None = None
    ) -> Response:
        """Note what the middleware would see."""
        if spider is not None and not isinstance(spider, LookSpider):
            return response
        look: Look | None = request.cb_kwargs.get("look")
        if look is not None:
            response.request = request
            reading = self._reader.read(response, request.cb_kwargs["options"])
            challenge = await self._engine.as_scrapy(reading)
            look.response, look.challenge = response, challenge
            if challenge is not None and challenge.kind == "gate":
                # A crawl would solve it before a <meta> refresh is followed.
                request.meta["dont_redirect"] = True
        return response


class LookSpider(Spider):
    """Asks once for each page."""

    name = "onecaptcha-detect"

    def __init__(
        self, looks: Sequence[Look], options: RequestOptions, *, fresh: bool
    ) -> None:
        super().__init__()
        self._looks = looks
        self._options = options
        self._fresh = fresh

    async def start(self) -> AsyncIterator[Any]:
        """Ask for all."""
        for look in self._looks:
            try:
                yield self.ask(look)
            except ValueError as error:
                look.error = str(error)

    def ask(self, look: Look) -> Request:
        """Return the request for one page."""
        return Request(
            look.target,
            callback=self.parse,
            errback=self.failed,
            cb_kwargs={"look": look, "options": self._options},
            # A 503 is as good as any: it may well be the gate.
            meta={
                "dont_cache": self._fresh,
                "dont_retry": True,
                "handle_httpstatus_list": SequenceExclude(range(300, 400)),
            },
            dont_filter=True,
        )

    def parse(self, response: Response, **_: Any) -> None:
        """Leave the page at that: it was looked at on its way."""

    def failed(self, failure: Failure) -> None:
        """Note why a page did not come."""
        request: Any = failure.request  # type: ignore[attr-defined]
        look: Look = request.cb_kwargs["look"]
        error: Any = failure.value
        look.error = _told(error)
        look.response = look.challenge = None


def _told(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
