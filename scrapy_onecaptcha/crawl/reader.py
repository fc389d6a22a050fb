"""Reads responses; the scripts of a possible gate are run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from scrapy.http import TextResponse

from scrapy_onecaptcha._twisted import sleep
from scrapy_onecaptcha.pages.detection import steps_with_scripts
from scrapy_onecaptcha.pages.html import MAX_BYTES
from scrapy_onecaptcha.pages.readings import reading_steps
from scrapy_onecaptcha.pages.steps import finish, step

if TYPE_CHECKING:
    from scrapy.http import Response

    from scrapy_onecaptcha._twisted import Clock
    from scrapy_onecaptcha.crawl.page_scripts import PageScripts
    from scrapy_onecaptcha.models import Challenge
    from scrapy_onecaptcha.pages.steps import Steps
    from scrapy_onecaptcha.request_options import RequestOptions

__all__ = ["Glance", "Reader"]

_T = TypeVar("_T")

# A page of at most that size, in bytes, is read at once: that takes some milliseconds.
MAX_AT_ONCE = 16 * 1024


@dataclass(frozen=True, slots=True)
class Glance:
    """What is known of a response without waiting.

    Attributes:
        challenge: what its HTML shows.
        rest: the steps that find it; ``None`` where they are done.
    """

    challenge: Challenge | None = None
    rest: Steps[Challenge | None] | None = None


#: Of most responses: a first look has shown no hCaptcha.
NOTHING = Glance()


class Reader:
    """Reads the responses of a crawl; each is read once.

    Args:
        scripts: runs the scripts of pages.
        clock: lets the event loop turn between the steps of a large page.
    """

    def __init__(self, scripts: PageScripts, clock: Clock) -> None:
        self._scripts = scripts
        self._clock = clock

    def glance(self, response: Response, options: RequestOptions) -> Glance:
        """Begin to read the HTML of *response*; most are done with that.

        Raises:
            Exception: what the user's own code raises.
        """
        steps = reading_steps(response, options)
        if steps is None:
            return NOTHING
        if len(response.body) <= MAX_AT_ONCE:
            return Glance(finish(steps))
        done = step(steps)
        return Glance(rest=steps) if done is None else Glance(done.result)

    async def look(
        self, response: Response, options: RequestOptions
    ) -> Challenge | None:
        """Return what the HTML of *response* shows by itself."""
        glance = self.glance(response, options)
        if glance.rest is None:
            return glance.challenge
        return await self.in_turns(glance.rest)

    async def read(
        self, response: Response, options: RequestOptions
    ) -> Challenge | None:
        """Return the gate or widget of *response*, its scripts included."""
        challenge = await self.look(response, options)
        if challenge is None or not challenge.needs_scripts:
            return challenge
        return await self.with_scripts(response, options, challenge)

    async def read_for_waiting(
        self, response: Response, options: RequestOptions
    ) -> Challenge | None:
        """Do as `read` does, but for the scripts of what is a gate by its HTML.

        Others may solve it. Where its sitekey is known, that is all that its request
        has to know in order to wait; scripts are run one page after the other. A page
        that is not kept whole while it waits is read before.
        """
        challenge = await self.look(response, options)
        if challenge is None or not challenge.needs_scripts:
            return challenge
        can_wait = challenge.kind == "gate" and challenge.sitekey is not None
        if can_wait and len(response.body) <= MAX_BYTES:
            return challenge
        return await self.with_scripts(response, options, challenge)

    async def with_scripts(
        self, response: Response, options: RequestOptions, challenge: Challenge
    ) -> Challenge | None:
        """Return the gate or widget of *response*, whose HTML shows *challenge*."""
        assert isinstance(response, TextResponse)  # noqa: S101  (else it has none)
        scripts = await self._scripts.run(response)
        steps = steps_with_scripts(response, options, challenge, scripts)
        return await self.finish(steps, response)

    async def finish(self, steps: Steps[_T], response: Response) -> _T:
        """Take *steps*, which read *response*; in turns if that is large."""
        if len(response.body) <= MAX_AT_ONCE:
            return finish(steps)
        done = step(steps)
        return await self.in_turns(steps) if done is None else done.result

    async def in_turns(self, steps: Steps[_T]) -> _T:
        """Take *steps*, each in a turn of the event loop of its own."""
        while True:
            await sleep(self._clock, 0)
            if (done := step(steps)) is not None:
                return done.result
