"""Buys one token: reads the page, asks whether to pay, has the task solved."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from twisted.internet.defer import CancelledError

from scrapy_onecaptcha.cli.detect import nothing
from scrapy_onecaptcha.cli.page_fetch import Look, fetch
from scrapy_onecaptcha.cli.service import connected
from scrapy_onecaptcha.crawl.budget import PageAttempts, Policy
from scrapy_onecaptcha.crawl.gate import task_of
from scrapy_onecaptcha.exceptions import OneCaptchaError, UnsolvableGate
from scrapy_onecaptcha.models import price
from scrapy_onecaptcha.service.solver import Solver

if TYPE_CHECKING:
    from scrapy_onecaptcha.cli.base import Call
    from scrapy_onecaptcha.cli.runner import Stage
    from scrapy_onecaptcha.cli.terminal import Terminal
    from scrapy_onecaptcha.models import Challenge, Solution
    from scrapy_onecaptcha.service.task import Task
    from scrapy_onecaptcha.settings import Config

__all__ = ["Answer", "Purchase"]

_YES = frozenset({"y", "yes"})
_NOTHING = "No token was bought, nothing was spent."
_NAME_THEM = "name sitekey and URL: solve --sitekey KEY --url URL."
_REASONS = {
    "no_sitekey": "The page shows no sitekey, and the service needs one. If you know "
    f"it, {_NAME_THEM}",
    "bad_sitekey": f"Its sitekey is not valid. If you know the right one, {_NAME_THEM}",
    "bad_rqdata": f"Its rqdata is too long to be valid. If you know it, {_NAME_THEM}",
    "proof_of_work": "It wants a proof of work as well, which a token does not "
    f"replace. To buy a token all the same, {_NAME_THEM}",
}


@dataclass(slots=True, kw_only=True)
class Answer:
    """The result of one solve.

    Attributes:
        url: of the page.
        kind: of the page: ``"gate"`` or ``"widget"``, if it was read.
        task: what the service was asked.
        task_type: the type of task that was created.
        solution: what it returned.
        spent: tasks that may have been billed.
        error: why there is no token.
    """

    url: str
    kind: str | None = None
    task: Task | None = None
    task_type: str | None = None
    solution: Solution | None = None
    spent: int = 0
    error: OneCaptchaError | None = None

    def tell(self, cost: float) -> dict[str, Any]:
        """Return all of it for JSON; *cost* is that of one task."""
        task, solution, error = self.task, self.solution, self.error
        return {
            "url": self.url,
            "kind": self.kind,
            "sitekey": task and task.sitekey,
            "task_type": self.task_type,
            "invisible": task and task.invisible,
            "rqdata": task and task.rqdata is not None,
            "token": solution and solution.token,
            "user_agent": self.user_agent,
            "resp_key": solution and solution.resp_key,
            "task_id": solution and solution.task_id,
            "seconds": solution and round(solution.seconds, 3),
            "points": self.points(cost),
            "error": error and str(error),
            "reason": error and error.reason,
            "code": getattr(error, "code", None),
        }

    def points(self, cost: float) -> float:
        """Return what it has cost; *cost* is used if the service does not say it."""
        told = self.solution.cost if self.solution else None
        return self.spent * cost if told is None else told

    @property
    def user_agent(self) -> str | None:
        """The User-Agent that the token is good for, if that is known."""
        if self.solution is None or self.task is None:
            return None
        return self.solution.user_agent or self.task.user_agent


class Purchase:
    """One purchase, from the page to the token.

    Args:
        call: of the tool.
        config: the settings.
        stage: what it runs on.
        task: what to solve, if it was named; otherwise the page is read.
    """

    def __init__(
        self, call: Call, config: Config, stage: Stage, task: Task | None
    ) -> None:
        self._call = call
        self._config = config
        self._stage = stage
        self._terminal = call.terminal
        self._answer = Answer(url=task.url if task else call.arguments[0], task=task)

    async def make(self) -> Answer:
        """Return the token, or why there is none."""
        answer = self._answer
        try:
            task = answer.task = answer.task or await self._look()
            await self._agree(task)
            answer.solution = await self._solve(task)
        except OneCaptchaError as error:
            answer.error = error
            self._terminal.say(str(error))
            self._terminal.say(self._cost())
        except CancelledError:
            self._terminal.say("", f"Interrupted. {self._cost()}")
            raise
        return answer

    def _cost(self) -> str:
        if not self._answer.spent:
            return _NOTHING
        told = price(self._answer.spent * self._config.task_cost)
        return f"A task was created, and may have been billed: {told}."

    async def _look(self) -> Task:
        """Fetch the page, and return the task for its captcha.

        Raises:
            UnsolvableGate: the page has no captcha that the service could solve.
        """
        look = Look(self._answer.url)
        self._terminal.say(f"Fetching {look.target}")
        await fetch(self._stage, self._call.settings, [look], fresh=True)
        if look.response is None:
            why = look.error or "No response came."
            raise UnsolvableGate(f"{look.target} could not be read: {why}")
        self._answer.url = look.response.url
        challenge = look.challenge
        if challenge is None:
            seen = " ".join(nothing(look.response))
            raise UnsolvableGate(
                f"{look.response.url} (status {look.response.status}) has no hCaptcha: "
                f"{seen}",
                response=look.response,
            )
        self._answer.kind = challenge.kind
        _refuse_unsolvable(challenge)
        request = look.response.request
        assert request is not None  # noqa: S101  (set by the looker)
        return task_of(challenge, request)

    async def _agree(self, task: Task) -> None:
        """Say what it costs, and ask whether to pay.

        Raises:
            OneCaptchaError: the answer is no.
        """
        what = {"gate": "a gate", "widget": "a widget"}.get(self._answer.kind or "")
        kinds = ", ".join(
            word
            for word in (
                what,
                "invisible" if task.invisible else "",
                "with rqdata" if task.rqdata else "",
            )
            if word
        )
        self._terminal.say(
            f"hCaptcha {task.sitekey} of {urlsplit(task.url).netloc.rpartition('@')[2]}"
            f"{f' ({kinds})' if kinds else ''}: one task at {self._config.api_url}, "
            f"{price(self._config.task_cost)}."
        )
        if self._call.options.yes:
            return
        said = await self._terminal.ask("Buy a token? [y/N]", self._stage.reactor)
        if said.lower() not in _YES:
            raise OneCaptchaError("You did not agree.")

    async def _solve(self, task: Task) -> Solution:
        config, clock = self._config, self._stage.reactor
        policy = Policy(config, clock.seconds)
        async with connected(config, clock) as client:
            solver = Solver(
                client,
                config,
                policy,
                _Voice(self._terminal),
                clock,
                lambda: False,
                random.random,
            )
            with self._terminal.progress(
                clock, lambda s: f"Waiting for the token: {s:.0f} s"
            ):
                # One task: what was agreed to, whatever the settings allow a page.
                attempts = PageAttempts(task.url, 1)
                site = urlsplit(task.url).netloc
                try:
                    solution, reservation = await solver.solve(task, site, attempts)
                finally:
                    self._answer.spent = policy.tasks
        self._answer.task_type = solver.health.task_type
        reservation.settle("void")  # the site's verdict on the token is not seen here
        return solution


def _refuse_unsolvable(challenge: Challenge) -> None:
    reason = challenge.reason
    if reason is not None and reason in _REASONS:
        raise UnsolvableGate(
            f"{challenge.url} has an hCaptcha, but no token can be bought for it: "
            f"{_REASONS[reason]}",
            challenge=challenge,
        )


class _Voice:
    """Says what a person who waits for one solve should know.

    Args:
        terminal: where messages are written.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def tell(self, level: int, message: str) -> None:
        """Write *message*, unless it is an error, which is told when the solve ends."""
        if level < logging.ERROR:
            self._terminal.say(message)

    def count(self, name: str) -> None:
        """Count nothing: there is no crawl."""
