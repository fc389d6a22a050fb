"""Whether a site accepted a token, judged by the page without a token."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from scrapy_onecaptcha.crawl.gate import Delivered, Gated
from scrapy_onecaptcha.crawl.page_match import is_page
from scrapy_onecaptcha.crawl.requests import added_to

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from scrapy.http import Response

    from scrapy_onecaptcha.crawl.gate import Gate, Outcome
    from scrapy_onecaptcha.crawl.sender import Submitted
    from scrapy_onecaptcha.crawl.site import SiteClient, SiteContext

__all__ = ["Judge", "Verdict"]

#: Seconds between looks at a page whose site seems to have taken the token: some
#: clearances work only after a moment.
PATIENCE = (1.0, 2.0)

#: Names of query parameters that were tried and open nothing, for each session.
MAX_PASSES = 100


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a token.

    Attributes:
        outcome: the page, or the gate that is still there.
        url_pass: query parameters that open the page, if that is what the site grants.
    """

    outcome: Outcome
    url_pass: tuple[tuple[str, str], ...] = ()


class Judge:
    """Judges the submissions for one request.

    Args:
        site: asks for the page.
        context: the crawl's.
        pause: waits for so many seconds.
    """

    def __init__(
        self,
        site: SiteClient,
        context: SiteContext,
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._site = site
        self._context = context
        self._reader = context.reader
        self._pause = pause

    async def judge(
        self, gate: Gate, came: Submitted, user_agent: str | None
    ) -> Verdict:
        """Return what the token of *gate* came to.

        The page comes from a request without a token. The answer to the submission is
        believed only where that one is gated, or meets an error that the answer is not.
        """
        if came.look is None and self._is_repeat(gate, came):
            return Verdict(await self._repeated(gate, came))
        look = came.look or await self._site.ask("look", user_agent)
        answer = await self._page_in(gate, came)
        if isinstance(look, Delivered):
            if answer and not look.shows_content:
                return Verdict(answer)
            return Verdict(look)
        passed = await self._pass_of(gate, came, user_agent)
        if passed is not None:
            return passed
        if answer is not None:
            return Verdict(answer)
        if came.redirected or came.set_cookies:
            look = await self._be_patient(look, user_agent)
        return Verdict(look)

    async def _be_patient(self, look: Outcome, user_agent: str | None) -> Outcome:
        for seconds in PATIENCE:
            await self._pause(seconds)
            look = await self._site.ask("look", user_agent)
            if isinstance(look, Delivered):
                break
        return look

    def _is_repeat(self, gate: Gate, came: Submitted) -> bool:
        """Tell whether the asked request was repeated with the token in it."""
        if came.answer is None:
            return False
        if self._site.kind(gate) == "repeat":
            return True
        asked, sent = self._site.original, came.request
        return self._site.submitter(gate) is not None and (
            (sent.method, sent.url) == (asked.method, asked.url)
        )

    async def _repeated(self, gate: Gate, came: Submitted) -> Outcome:
        """Judge the answer to a repeated request, which is the page or a refusal.

        It is read as the answer to the gate's own request, which had no token.
        """
        assert came.answer is not None  # noqa: S101  (else it is no repeat)
        answer = came.answer
        arrival = self._context.arrived.at(answer.request or came.request)
        if not came.redirected:
            answer = answer.replace(url=gate.response.url, request=gate.request)
        known = replace(self._site.options, sitekey=gate.challenge.sitekey)
        challenge = await self._reader.read(answer, known)
        if challenge is None or challenge.kind != "gate":
            return Delivered(answer, in_answer=True)
        if challenge.solvable and not came.redirected:
            return Gated(self._site.meet(gate.request, answer, challenge, arrival))
        self._site.gate = gate  # a mere "invalid" does not say again what it wants
        return Gated(gate)

    async def _page_in(self, gate: Gate, came: Submitted) -> Delivered | None:
        """Return the answer to a submission, if it can be the page."""
        answer = came.answer
        if answer is None or came.look is not None or self._site.kind(gate) == "call":
            return None
        expect = self._site.options.expect
        original = self._site.original
        steps = is_page(original, answer, redirected=came.redirected, expect=expect)
        if not await self._reader.finish(steps, answer):
            return None
        # The URL of a form that was sent by GET holds its fields, the token too.
        shown = answer if came.redirected else answer.replace(url=original.url)
        if await self._is_gate(shown):
            return None
        return Delivered(shown, in_answer=True)

    async def _is_gate(self, answer: Response) -> bool:
        challenge = await self._reader.look(answer, self._site.options)
        return challenge is not None and challenge.kind == "gate"

    async def _pass_of(
        self, gate: Gate, came: Submitted, user_agent: str | None
    ) -> Verdict | None:
        """Try the query parameters that the site has led on with, once."""
        answer = came.answer
        if answer is None or not came.redirected:
            return None
        asked = self._site.page_request
        if urlsplit(answer.url).netloc != urlsplit(asked.url).netloc:
            return None
        added = added_to(asked.url, answer.url)
        session = self._context.sessions.current(gate.session)
        names = frozenset(name for name, _ in added)
        if not added or names in session.useless_passes:
            return None
        outcome = await self._site.ask_with(added, user_agent)
        if isinstance(outcome, Delivered) and outcome.shows_content:
            return Verdict(outcome, url_pass=added)
        if len(session.useless_passes) < MAX_PASSES:
            session.useless_passes.add(names)
        return None
