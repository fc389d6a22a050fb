"""Brings one token to the site: the submission, and where its answer leads."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from scrapy.exceptions import IgnoreRequest
from scrapy.http import TextResponse
from twisted.internet.defer import CancelledError

from scrapy_onecaptcha._logging import get_logger, quoted
from scrapy_onecaptcha._redact import any_spelling
from scrapy_onecaptcha.crawl import request_meta, requests
from scrapy_onecaptcha.crawl.queue_priority import FormOutdated, TokenExpired
from scrapy_onecaptcha.crawl.shutdown import shielded
from scrapy_onecaptcha.crawl.submission import send_as_page, submit, submit_by
from scrapy_onecaptcha.exceptions import OneCaptchaError, SubmissionRefused

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response

    from scrapy_onecaptcha.crawl.gate import Gate, Outcome
    from scrapy_onecaptcha.crawl.site import SiteClient, SiteContext
    from scrapy_onecaptcha.models import Form, Solution
    from scrapy_onecaptcha.scripts.models import Visit

__all__ = ["Submitted", "TokenSender"]

logger = get_logger(__name__)

#: Redirects that are followed after one submission, as many as browsers do.
MAX_HOPS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """What came of a submission.

    Its URLs may have the token, so that what is printed of it is without them.

    Attributes:
        request: carried the token.
        answer: the last answer, after redirects; ``None`` where it got lost.
        redirected: whether a redirect led to it.
        set_cookies: whether an answer on the way has set a cookie.
        look: what the page was, where a redirect led to it.
    """

    request: Request = field(repr=False)
    answer: Response | None = field(default=None, repr=False)
    redirected: bool = False
    set_cookies: bool = False
    look: Outcome | None = None


class TokenSender:
    """Sends the tokens for one request.

    Args:
        site: asks for the page.
        context: the crawl's.
    """

    def __init__(self, site: SiteClient, context: SiteContext) -> None:
        self._site = site
        self._context = context
        self._visit: Visit | None = None

    async def may_submit(self, gate: Gate) -> None:
        """Check the submission of *gate* against scope and robots.txt; pays nothing.

        Raises:
            SubmissionRefused: the token may not go there.
        """
        form = gate.challenge.form
        if form is None or self._site.submitter(gate) is not None:
            return  # the user's own is checked when it is made
        self._check_target(gate, form.url)
        preview = gate.request.replace(url=form.url, method=form.method)
        try:
            # Others that wait for the same robots.txt must get it.
            await shielded(self._context.engine.robots_check(preview))
        except IgnoreRequest as error:
            raise SubmissionRefused(
                f"robots.txt forbids {quoted(form.url)}, where the token "
                "would have to go"
            ) from error

    def _check_target(self, gate: Gate, target: str) -> None:
        self._context.scope.check_submission(
            gate.response.url, target, self._site.original.url
        )

    async def _make_submission(
        self, gate: Gate, solution: Solution, *, as_it_is: bool
    ) -> Request:
        """Return the request that carries the token.

        Raises:
            FormOutdated: cookies have changed while it was made.
            SubmissionRefused: it may not go where it would have to.
        """
        submitter = self._site.submitter(gate)
        form = gate.challenge.form
        if submitter is not None:
            made = submit_by(
                submitter, gate.request, gate.response, gate.challenge, solution
            )
        elif form is not None and form.shape:
            made = await self._as_the_page_sends(
                gate, form, solution, as_it_is=as_it_is
            )
        else:
            assert form is not None  # noqa: S101  (else the gate is unsolvable)
            made = submit(gate.request, gate.response, form, solution)
        self._check_target(gate, made.url)
        return made

    async def _as_the_page_sends(
        self, gate: Gate, form: Form, solution: Solution, *, as_it_is: bool
    ) -> Request:
        """Have the scripts of the page make the request, with the real token.

        Raises:
            FormOutdated: the cookies of its form have changed meanwhile.
            PageChanged: it would send something other than what was planned.
        """
        page = gate.response
        assert isinstance(page, TextResponse)  # noqa: S101  (else it has no scripts)
        visit, reading = await self._context.scripts.act(page, form.shape, solution)
        due = self._context.engine.due_cookies(gate.request)
        if not (as_it_is or gate.belongs_to(due)):
            raise FormOutdated
        sending = reading.sending
        assert sending is not None  # noqa: S101  (act has seen to that)
        self._visit = visit if sending.kind in ("fetch", "xhr") else None
        cookies = [c for c in sending.cookies if solution.token not in c]
        self._context.engine.set_cookies(gate.request, page.url, cookies)
        return send_as_page(gate.request, page, sending, form, solution)

    async def submit(
        self, gate: Gate, solution: Solution, *, leave_by: float, as_it_is: bool
    ) -> Submitted:
        """Send the token, once, and follow where its answer leads.

        Args:
            gate: whose form takes it.
            solution: the token.
            leave_by: when it has to have left, in seconds of the crawl's clock.
            as_it_is: whether it is sent whatever cookies have changed.

        Raises:
            FormOutdated: cookies have changed before it could leave.
            TokenExpired: it could not leave by *leave_by*.
            SubmissionRefused: it may not go where it would have to.
        """
        self._take_visit()
        submission = await self._make_submission(gate, solution, as_it_is=as_it_is)
        if self._context.clock.seconds() > leave_by:
            raise TokenExpired
        due = self._context.engine.due_cookies(submission)
        sending = self._context.queues.send_by(
            request_meta.pin(submission), leave_by, frozenset() if as_it_is else due
        )
        try:
            answer = await sending
        except (CancelledError, OneCaptchaError, FormOutdated, TokenExpired):
            raise
        except IgnoreRequest as error:
            said = any_spelling(solution.token).sub("***", str(error))
            why = quoted(said) or type(error).__name__
            raise SubmissionRefused(
                "The crawl's own middlewares dropped the submission for "
                f"{self._site.original.url} ({why})"
            ) from error
        except Exception as error:  # noqa: BLE001  (whatever a download may raise)
            logger.warning(
                "The token for %s may have been sent, but the answer got lost "
                "(%s): asking for the page itself",
                self._site.original.url,
                type(error).__name__,  # its text may hold the URL, and that the token
            )
            return Submitted(request=submission)
        self._watch_proxy(gate, answer)
        self._context.engine.drop_cookies(gate.request, solution.token)
        answer = answer.replace(url=requests.url_without(solution.token, answer.url))
        came = await self._follow(gate, submission, answer, solution)
        visit = self._take_visit()
        if visit is None or came.look is not None or came.answer is None:
            return came
        return await self._as_the_page_goes_on(gate, came, visit, solution)

    def _take_visit(self) -> Visit | None:
        """Return the visit whose scripts wait for the answer, once."""
        visit, self._visit = self._visit, None
        return visit

    async def _as_the_page_goes_on(
        self, gate: Gate, came: Submitted, visit: Visit, solution: Solution
    ) -> Submitted:
        """Do what the page's scripts make of the answer: go elsewhere, set cookies."""
        assert came.answer is not None  # noqa: S101  (the caller has looked)
        reading = await self._context.scripts.after(visit, came.answer)
        if reading is None:
            return came
        cookies = [c for c in reading.cookies if solution.token not in c]
        self._context.engine.set_cookies(gate.request, gate.response.url, cookies)
        came = replace(came, set_cookies=came.set_cookies or bool(cookies))
        target = reading.moves_to
        if target is None or solution.token in target or not self._may_go(gate, target):
            return came
        hop = requests.hop(came.request.replace(method="GET"), target, solution.token)
        if self._site.is_asked(hop.url):
            look = await self._site.ask("look", solution.user_agent)
            return replace(came, redirected=True, look=look)
        following = await self._hop(hop)
        if following is None:
            return came
        onward = await self._follow(gate, hop, following, solution)
        return replace(onward, request=came.request, redirected=True)

    def _watch_proxy(self, gate: Gate, answer: Response) -> None:
        if answer.request is None:
            return
        left_by = self._context.sessions.key_of(answer.request).proxy
        if left_by != gate.session.key.proxy:
            self._context.report.warn_once(
                "proxy",
                f"The token for {gate.site} left by another proxy than its gate came "
                "by: the site may refuse it. Order the middleware that sets the proxy "
                "below 585.",
                of=gate.site,
            )

    async def _follow(
        self, gate: Gate, submission: Request, answer: Response, solution: Solution
    ) -> Submitted:
        """Go where the answer leads, as a browser would, but without the token."""
        came = Submitted(
            request=submission,
            answer=answer,
            set_cookies="Set-Cookie" in answer.headers,
        )
        for _ in range(MAX_HOPS):
            target = requests.redirect_target(answer)
            if target is None or not self._may_go(gate, target):
                return came
            hop = requests.hop(submission, target, solution.token)
            came = replace(came, redirected=True)
            if self._site.is_asked(hop.url):
                look = await self._site.ask("look", solution.user_agent)
                return replace(came, look=look)
            following = await self._hop(hop)
            if following is None:
                return replace(came, answer=None)
            answer = following
            set_cookies = came.set_cookies or "Set-Cookie" in answer.headers
            came = replace(came, answer=answer, set_cookies=set_cookies)
        logger.info(
            "After the token for %s came %d redirects: asking for the page itself",
            self._site.original.url,
            MAX_HOPS,
        )
        return came

    async def _hop(self, request: Request) -> Response | None:
        """Follow one redirect; ``None`` where it leads to nothing."""
        try:
            return await self._context.engine.download(request_meta.pin(request))
        except CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  (whatever a download may raise)
            logger.info(
                "Nothing at %s, where the token for %s led (%s): asking for the page "
                "itself",
                request.url,
                self._site.original.url,
                type(error).__name__,
            )
            return None

    def _may_go(self, gate: Gate, target: str) -> bool:
        try:
            self._check_target(gate, target)
        except SubmissionRefused as error:
            logger.info("Not followed after the submission: %s", error)
            return False
        return True
