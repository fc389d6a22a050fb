"""To the site with a token: the submission, and what its answer is."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from scrapy.exceptions import IgnoreRequest
from scrapy.http import HtmlResponse
from twisted.internet.defer import CancelledError

from scrapy_onecaptcha._redact import any_spelling
from scrapy_onecaptcha.crawl import requests
from scrapy_onecaptcha.crawl.gate import Gate
from scrapy_onecaptcha.crawl.page_match import expected, same_page
from scrapy_onecaptcha.crawl.replay import Visitor
from scrapy_onecaptcha.crawl.scope import MAX_SHOWN
from scrapy_onecaptcha.crawl.submission import (
    submit,
    submit_by,
    url_without,
    without_token,
)
from scrapy_onecaptcha.exceptions import OneCaptchaError, SubmissionRefused
from scrapy_onecaptcha.models import plain
from scrapy_onecaptcha.pages.readings import detect_once

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response

    from scrapy_onecaptcha.models import Solution

__all__ = ["Courier", "TokenExpired"]

logger = logging.getLogger(__name__)

#: Redirects that are followed after one submission, as many as browsers do.
MAX_HOPS = 20


class TokenExpired(Exception):
    """The token grew too old before its submission could leave; it was not sent."""


class Courier(Visitor):
    """Brings one request's token to the site."""

    async def may_submit(self, gate: Gate) -> None:
        """Hold the submission of *gate* against scope and robots.txt; pays nothing.

        Raises:
            SubmissionRefused: the token may not go there.
        """
        form = gate.challenge.form
        if form is None or self.submitter(gate) is not None:
            return  # the user's own is checked when it is made
        self._road.scope.check_submission(gate.response.url, form.url)
        preview = gate.request.replace(url=form.url, method=form.method)
        try:
            await self._road.robots_check(preview)
        except IgnoreRequest as error:
            raise SubmissionRefused(
                f"robots.txt forbids {form.url[:MAX_SHOWN]}, where the token would "
                "have to go"
            ) from error

    async def submit(
        self, gate: Gate, solution: Solution, leave_by: float
    ) -> Response | Gate:
        """Send the token.

        Raises:
            TokenExpired: it could not leave by *leave_by*.
            SubmissionRefused: it may not go where it would have to.
        """
        submission = self._submission(gate, solution)
        if self._road.now() > leave_by:
            raise TokenExpired
        try:
            answer = await self._road.send_by(submission, leave_by)
        except (CancelledError, OneCaptchaError, TokenExpired):
            raise
        except IgnoreRequest as error:
            said = any_spelling(solution.token).sub("***", plain(str(error)))
            raise SubmissionRefused(
                "The crawl's own middlewares dropped the submission for "
                f"{self.original.url} ({said[:MAX_SHOWN] or type(error).__name__})"
            ) from error
        except Exception as error:  # noqa: BLE001  (whatever a download may raise)
            logger.warning(
                "The token for %s may have been sent, but the answer got lost "
                "(%s): asking for the page itself",
                self.original.url,
                type(error).__name__,  # its text may hold the URL, and that the token
            )
            return await self.replay(solution.user_agent)
        self._watch_proxy(gate, answer)
        answer = answer.replace(url=url_without(solution.token, answer.url))
        return await self._follow(gate, submission, answer, solution.user_agent)

    def _submission(self, gate: Gate, solution: Solution) -> Request:
        submitter = self.submitter(gate)
        if submitter is None:
            form = gate.challenge.form
            assert form is not None  # noqa: S101  (else the gate is unsolvable)
            made = submit(gate.request, gate.response, form, solution)
        else:
            made = submit_by(
                submitter, gate.request, gate.response, gate.challenge, solution
            )
        self._road.scope.check_submission(gate.response.url, made.url)
        return made

    def _watch_proxy(self, gate: Gate, answer: Response) -> None:
        if answer.request is None:
            return
        left_by = self._road.sessions.key_of(answer.request).proxy
        if left_by != gate.session.key.proxy:
            self._road.report.warn_once(
                "proxy",
                f"The token for {gate.site} left by another proxy than its gate came "
                "by: the site may refuse it. Order the middleware that sets the proxy "
                "below 585.",
                of=gate.site,
            )

    # The answer

    async def _follow(
        self,
        gate: Gate,
        submission: Request,
        answer: Response,
        user_agent: str | None,
    ) -> Response | Gate:
        """Go where the answer leads, as a browser would, but without the token."""
        form = gate.challenge.form
        if form is not None:
            submission = without_token(submission, form)
        redirected = False
        for _ in range(MAX_HOPS):
            target = requests.redirect_target(answer)
            if target is None or not self._may_go(gate, target):
                break
            if self._is_original(target):
                return await self.replay(user_agent)
            redirected = True
            next_answer = await self._hop(requests.hop(submission, target))
            if next_answer is None:
                return await self.replay(user_agent)
            answer = next_answer
        else:
            logger.info(
                "After the token for %s came %d redirects: asking for the page itself",
                self.original.url,
                MAX_HOPS,
            )
        page = self._judge(gate, answer, redirected=redirected)
        if page is not None:
            return page
        outcome = await self.replay(user_agent)
        if isinstance(outcome, Gate) and self._has_pass(answer):
            return answer  # the site grants nothing beyond it
        return outcome

    async def _hop(self, request: Request) -> Response | None:
        """Follow one redirect; ``None`` where it leads to nothing."""
        try:
            return await self._road.download(request)
        except CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  (whatever a download may raise)
            logger.info(
                "Nothing at %s, where the token for %s led (%s): asking for the page "
                "itself",
                request.url,
                self.original.url,
                type(error).__name__,
            )
            return None

    def _judge(
        self, gate: Gate, answer: Response, *, redirected: bool
    ) -> Response | Gate | None:
        """Return the page or the gate that *answer* is; ``None``: ask for the page."""
        kind = self._kind(gate)
        if kind == "call":
            return None  # what it was told is no page
        if kind == "repeat" and not redirected:
            return self._repeated(gate, answer)
        refusal = self._refusal(gate, answer)
        if refusal is not None or kind == "repeat":
            return refusal or answer
        if not self._is_page(answer, redirected=redirected):
            return None
        # The URL of a form that was sent by GET holds its fields.
        return answer if redirected else answer.replace(url=self.original.url)

    def _repeated(self, gate: Gate, answer: Response) -> Response | Gate:
        """Judge the answer to a repeated request, which is the page or a refusal.

        It is read as the answer to the gate's own request, which had no token.
        """
        answer = answer.replace(url=gate.response.url, request=gate.request)
        known = replace(self._options, sitekey=gate.challenge.sitekey)
        challenge = detect_once(answer, known)
        if challenge is None or challenge.kind != "gate":
            return answer
        if challenge.solvable:
            return self.meet(gate.request, answer, challenge)
        self.gate = gate  # a mere "invalid" does not say again what it wants
        return gate

    def _has_pass(self, answer: Response) -> bool:
        """Tell whether *answer* is the page, let through by what its URL says."""
        return (
            isinstance(answer, HtmlResponse)
            and 200 <= answer.status < 300  # noqa: PLR2004
            and answer.url != self.original.url
            and same_page(self.original.url, answer.url)
            and not (
                self._options.expect and not expected(answer, self._options.expect)
            )
        )

    def _refusal(self, gate: Gate, answer: Response) -> Gate | None:
        """Return the gate that *answer* is, as one of the page that *gate* was.

        The URL of the answer to a form that is sent by GET holds its fields, and that
        of the request the token, too; neither is for the errback, or for the service.
        """
        challenge = detect_once(answer, self._options)
        if challenge is None or challenge.kind != "gate":
            return None
        return self.meet(
            gate.request,
            answer.replace(url=gate.response.url, request=gate.request),
            replace(challenge, url=gate.challenge.url),
        )

    def _may_go(self, gate: Gate, target: str) -> bool:
        try:
            self._road.scope.check_submission(gate.response.url, target)
        except SubmissionRefused as error:
            logger.info("Not followed after the submission: %s", error)
            return False
        return True

    def _is_original(self, url: str) -> bool:
        asked = self.original.url.partition("#")[0]
        return self.original.method == "GET" and url.partition("#")[0] == asked
