"""Runs the scripts of pages in a crawl, and gets them what they need from the site.

The child process has no network. Scripts and data that a page names are fetched here,
by the crawl's own downloader: with its proxy, cookies, User-Agent and robots.txt.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from scrapy_onecaptcha._logging import get_logger, printable, quoted
from scrapy_onecaptcha._redact import any_spelling
from scrapy_onecaptcha._values import is_within
from scrapy_onecaptcha.crawl.cookie_headers import pair_of
from scrapy_onecaptcha.crawl.queue_priority import is_paid
from scrapy_onecaptcha.crawl.script_files import ScriptFiles, answer_of
from scrapy_onecaptcha.crawl.session_key import site_of
from scrapy_onecaptcha.pages.scripted import Scripts, cookies_of, decides, visit_of
from scrapy_onecaptcha.scripts.child import NoEngine

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scrapy.http import Response, TextResponse

    from scrapy_onecaptcha.crawl.engine import Engine
    from scrapy_onecaptcha.models import Solution
    from scrapy_onecaptcha.scripts.models import Pairs, Reading, Visit
    from scrapy_onecaptcha.scripts.pool import Pool

__all__ = ["PageChanged", "PageScripts"]

logger = get_logger(__name__)

#: GETs of one page that are made for its scripts.
MAX_NEEDS = 3
# Visits of one page; each brings more of what the page needs.
MAX_ROUNDS = 6

SCRIPTS_OFF = Scripts(
    reason="scripts_off",
    sentence='ONECAPTCHA_SCRIPTS is "off": its scripts were not run.',
)


class PageChanged(Exception):
    """The page would not send its token as it was planned; nothing was sent."""

    def told(self, url: str) -> str:
        """Return a sentence for a person."""
        return f"The token for {url} was not sent, because its page changed: {self}"


class PageScripts:
    """Runs the scripts of the crawl's pages.

    Args:
        engine: the crawl's.
        pool: visits pages in a child process.
        on: whether scripts are run at all.
        hosts: where external scripts may come from, as the setting has it.
    """

    def __init__(
        self,
        engine: Engine,
        pool: Pool,
        *,
        on: bool = True,
        hosts: tuple[str, ...] | None = None,
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._on = on
        self._files = ScriptFiles(engine, hosts)
        self._told = False
        self._useless: set[tuple[str, tuple[str, ...]]] = set()

    def close(self) -> None:
        """End the child process, if there is one."""
        self._pool.close()

    async def run(self, response: TextResponse) -> Scripts:
        """Run the scripts of *response*, with all that they need."""
        if not self._on:
            return SCRIPTS_OFF
        try:
            _, reading = await self._visit(response, self._visit_of(response))
        except NoEngine as error:
            if not self._told:
                logger.warning("Scripts of pages are not run. %s", error)
                self._told = True
            return Scripts(reason="no_engine", sentence=f"{printable(str(error))}.")
        return Scripts(reading=reading)

    async def act(
        self, response: TextResponse, shape: tuple[str, ...], solution: Solution
    ) -> tuple[Visit, Reading]:
        """Have the page send its token: run its scripts with the real one.

        Args:
            response: the page.
            shape: of the request that was planned.
            solution: the token.

        Raises:
            PageChanged: what it would send now is something else.
        """
        visit = replace(
            self._visit_of(response),
            token=solution.token,
            resp_key=solution.resp_key or "",
            user_agent=solution.user_agent or "",
            paid=True,
        )
        try:
            visit, reading = await self._visit(response, visit)
        except NoEngine as error:
            raise PageChanged(f"its scripts cannot be run ({error})") from error
        sending = reading.sending
        if sending is None or not decides(reading):
            said = (reading.stopped, *reading.errors, *reading.needs, "no error")
            why = _told(next(each for each in said if each), solution.token)
            raise PageChanged(f"its scripts send no token any longer ({why})")
        if sending.shape != shape:
            difference = _told(_difference(shape, sending.shape), solution.token)
            raise PageChanged(f"it would send its token otherwise ({difference})")
        return visit, reading

    async def after(self, visit: Visit, answer: Response) -> Reading | None:
        """Return what the page makes of the *answer* to its token."""
        try:
            reading = await self._pool.visit(replace(visit, answer=answer_of(answer)))
        except NoEngine:
            return None
        return None if reading.stopped else reading

    def may_try(self, site: str, cookies: tuple[str, ...]) -> bool:
        """Tell whether these cookies, set by a script, were not tried for nothing."""
        return (site, _names(cookies)) not in self._useless

    def was_useless(self, site: str, cookies: tuple[str, ...]) -> None:
        """Note that a page stays gated with these cookies."""
        self._useless.add((site, _names(cookies)))

    def _visit_of(self, response: TextResponse) -> Visit:
        visit = visit_of(response, self._cookies(response))
        request = response.request
        return replace(visit, paid=request is not None and is_paid(request))

    def _cookies(self, response: TextResponse) -> Pairs:
        """Return the cookies that a script of *response* may see."""
        found = dict(cookies_of(response))
        host = urlsplit(response.url).hostname or ""
        path = urlsplit(response.url).path or "/"
        jar = {} if response.request is None else self._engine.cookies(response.request)
        for cookie in jar.values():
            domain = cookie.domain.lstrip(".")
            if not is_within(host, domain):
                continue
            if not path.startswith(cookie.path) or cookie.value is None:
                continue
            if not any(
                cookie.has_nonstandard_attr(n) for n in ("HttpOnly", "httponly")
            ):
                found[cookie.name] = cookie.value
        return tuple(found.items())

    async def _visit(
        self, response: TextResponse, visit: Visit
    ) -> tuple[Visit, Reading]:
        """Visit a page until it says what it sends, or nothing more can be got."""
        asked: set[str] = set()
        for _ in range(MAX_ROUNDS):
            reading = await self._pool.visit(visit)
            if reading.stopped is not None or decides(reading):
                break
            fuller = await self._fuller(response, visit, reading, asked)
            if fuller is None:
                break
            visit = fuller
        return visit, reading

    async def _fuller(
        self,
        response: TextResponse,
        visit: Visit,
        reading: Reading,
        asked: set[str],
    ) -> Visit | None:
        """Return *visit* with more of what the page needs, or ``None``.

        Args:
            response: the page.
            visit: the last one.
            reading: what came of it.
            asked: scripts that were asked for already; this adds to it.
        """
        missing = list(reading.missing_scripts)
        files = await self._files.get(response, missing, dict(reading.integrity), asked)
        if files:
            return replace(visit, external=(*visit.external, *files.items()))
        answered = dict(visit.answers)
        needs = [url for url in reading.needs if url not in answered]
        left = MAX_NEEDS - len(answered)
        answers = [
            (url, answer)
            for url in _of_same_site(needs, response.url)[:left]
            if (answer := await self._files.answer(response, url)) is not None
        ]
        if not answers:
            return None
        return replace(visit, answers=(*visit.answers, *answers))


def _of_same_site(urls: Iterable[str], page: str) -> list[str]:
    here = site_of(urlsplit(page))
    return [url for url in urls if site_of(urlsplit(url)) == here]


def _names(cookies: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(pair_of(cookie)[0] for cookie in cookies)


def _difference(planned: tuple[str, ...], now: tuple[str, ...]) -> str:
    """Say in what two requests differ."""
    gone = [each for each in planned if each not in now]
    new = [each for each in now if each not in planned]
    return f"planned {', '.join(gone) or 'less'}; now {', '.join(new) or 'less'}"


def _told(said: str, token: str) -> str:
    """Return what a page that had *token* has *said*, as it may be told."""
    return quoted(any_spelling(token).sub("<token>", said))
