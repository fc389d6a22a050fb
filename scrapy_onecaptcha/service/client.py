"""The service over treq: create a task, ask for its result, read the balance.

Nothing here knows of Scrapy's engine, so the command line and tests use it as it is.
The coroutines await Deferreds directly: start them by ``Deferred.fromCoroutine``.

Two sources are named below: *the service's description* of its hCaptcha task, and *the
protocol family*, the conventions of the services that speak this protocol.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeadlinePassed

from scrapy_onecaptcha._redact import Secret, SecretBytes, any_spelling, bare
from scrapy_onecaptcha._twisted import Semaphore
from scrapy_onecaptcha.exceptions import ServiceError, Unavailable
from scrapy_onecaptcha.service.http import CONNECTIONS, NoReply, post
from scrapy_onecaptcha.service.http_treq import pooled
from scrapy_onecaptcha.service.protocol import (
    NOT_READY,
    TaskResult,
    one_line,
    read_balance,
    read_reply,
    read_result,
    read_task_id,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_onecaptcha._twisted import Clock
    from scrapy_onecaptcha.service.http import HangUp, Http, Reply

__all__ = ["Client", "Task", "TaskResult"]

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

CLOSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the service is asked to solve.

    Attributes:
        url: of the page; sent without its user-info and fragment.
        sitekey: of the widget, a UUID.
        user_agent: the one that the page was fetched with; sent where there is one.
        invisible: whether the widget is the invisible one; sent where it is.
        rqdata: what the site hands to the widget (Enterprise); sent if there is some.
    """

    url: str
    sitekey: str
    user_agent: str | None = None
    invisible: bool = False
    rqdata: str | None = field(default=None, repr=False)

    def payload(self) -> dict[str, Any]:
        """Return the ``task`` object of the service's description."""
        payload: dict[str, Any] = {
            "type": "HCaptchaTaskProxyless",
            "websiteURL": _public_url(self.url),
            "websiteKey": self.sitekey,
        }
        if self.user_agent:
            payload["userAgent"] = self.user_agent
        if self.invisible:
            payload["isInvisible"] = True
        if self.rqdata:
            payload["rqdata"] = self.rqdata
        return payload


class Client:
    """A client of the service.

    Args:
        key: the account's; goes into the body of each call and nowhere else.
        url: of the service, to which the name of the call is appended.
        http: a ``treq.client.HTTPClient``, or what behaves as one.
        clock: measures *timeout*.
        timeout: seconds for one call, from its start to the last byte of its reply.
        hang_up: closes the idle connections of *http*.

    Every call raises `ServiceError` or one of its subclasses, and nothing else, except
    for the ``CancelledError`` of a call that its caller cancelled; that one aborts the
    connection.
    """

    def __init__(
        self,
        key: str,
        url: str,
        *,
        http: Http,
        clock: Clock,
        timeout: float = 30.0,
        hang_up: HangUp | None = None,
    ) -> None:
        self._key = Secret(key)
        self._echo = any_spelling(key)
        self._url = url.rstrip("/")
        self._http = http
        self._clock = clock
        self._timeout = timeout
        self._hang_up = hang_up
        self._lines = Semaphore(CONNECTIONS)

    def __repr__(self) -> str:
        return f"<Client of {self._url}>"

    @classmethod
    def over_network(
        cls, key: str, url: str, *, reactor: Any, timeout: float = 30.0
    ) -> Client:
        """Return a client with a pool of persistent connections of its own.

        Args:
            key: the account's.
            url: of the service.
            reactor: the running one.
            timeout: seconds for one call.
        """
        http, hang_up = pooled(reactor, timeout)
        return cls(key, url, http=http, clock=reactor, timeout=timeout, hang_up=hang_up)

    async def create_task(self, task: Task) -> str:
        """Have *task* solved, and return the service's name for it.

        Raises:
            ServiceError: the task was not created. Unless ``answered`` is set, it may
                have been all the same, and billed.
        """
        return await self._call("createTask", read_task_id, task=task.payload())

    async def get_task_result(self, task_id: str) -> TaskResult | None:
        """Return the result of a task, or ``None`` while there is none yet.

        The service's description: ask again in 3 s. The protocol family: at most 120
        times for one task.

        Raises:
            TaskFailed: there will be no result.
            Unavailable: the question may be repeated; the task goes on.
            ServiceError: the service refuses to say.
        """
        try:
            return await self._call("getTaskResult", read_result, taskId=task_id)
        except ServiceError as error:
            if error.answered and error.code == NOT_READY:
                return None
            raise

    async def get_balance(self) -> float:
        """Return what the account has left, in points.

        The protocol family's; the service's description does not have it. At most one
        call in 30 s.

        Raises:
            ServiceError: the balance is not to be had.
        """
        return await self._call("getBalance", read_balance)

    async def close(self) -> None:
        """Close the idle connections; returns within a second."""
        if self._hang_up is None:
            return
        closed: Deferred[None] = Deferred()
        # Over TLS a connection counts as closed when the peer has agreed to it. The
        # pool's own Deferred is not cancelled: each connection's would fail unheard.
        self._hang_up().addBoth(
            lambda _: None if closed.called else closed.callback(None)
        )
        timer: Any = self._clock
        closed.addTimeout(CLOSE_SECONDS, timer)
        try:
            await closed
        except DeadlinePassed:
            logger.debug("The service did not confirm in time that it hung up.")

    async def _call(
        self, method: str, read: Callable[[dict[str, Any]], _T], **fields: Any
    ) -> _T:
        try:
            return read(await self._asked(method, fields))
        except (ServiceError, CancelledError) as error:
            # The frames below hold what the service said, as it said it: the key, if it
            # echoes that, or a token.
            raise bare(error) from None

    async def _asked(self, method: str, fields: dict[str, Any]) -> dict[str, Any]:
        reply = await self._post(method, {"clientKey": self._key, **fields})
        return read_reply(method, reply.status, reply.body, scrub=self._scrub)

    async def _post(self, method: str, payload: dict[str, Any]) -> Reply:
        # Past what the pool keeps open, each call would cost a connection of its own.
        await self._lines.take()
        try:
            return await post(
                self._http,
                f"{self._url}/{method}",
                SecretBytes(json.dumps(payload).encode("ascii")),
                clock=self._clock,
                timeout=self._timeout,
            )
        except NoReply as error:
            fault, sent = one_line(self._scrub(str(error))), error.sent
        finally:
            self._lines.release()
        raise Unavailable(
            f"Asked for {method}, the service {fault}; try again later.", sent=sent
        )

    def _scrub(self, text: str) -> str:
        return self._echo.sub("***", text)


def _public_url(url: str) -> str:
    return re.sub(r"^([a-zA-Z][\w+.-]*://)[^/?#]*@", r"\1", url).partition("#")[0]
