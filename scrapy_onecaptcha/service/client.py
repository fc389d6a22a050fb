"""The client of the service: create a task, ask for its result, read the balance.

It knows nothing of Scrapy's engine, so the command line and tests use it as well. Its
coroutines await Deferreds only; start them by ``Deferred.fromCoroutine``.

Two sources are named below: *the service's description* of its hCaptcha task, and *the
protocol family*, the conventions of the services that speak this protocol.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeadlinePassed

from scrapy_onecaptcha._logging import get_logger, one_line
from scrapy_onecaptcha._redact import Secret, SecretBytes, any_spelling, without_frames
from scrapy_onecaptcha._twisted import Semaphore
from scrapy_onecaptcha._values import Recent
from scrapy_onecaptcha.exceptions import ServiceError, Unavailable
from scrapy_onecaptcha.service.http import CONNECTIONS, NoReply, post
from scrapy_onecaptcha.service.http_treq import pooled
from scrapy_onecaptcha.service.protocol import (
    NOT_READY,
    TaskResult,
    read_balance,
    read_reply,
    read_result,
    read_task_id,
)
from scrapy_onecaptcha.service.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_onecaptcha._twisted import Clock
    from scrapy_onecaptcha.service.http import HangUp, Http, Reply

__all__ = ["Client", "Task", "TaskResult"]

logger = get_logger(__name__)

_T = TypeVar("_T")

CLOSE_SECONDS = 1.0
MAX_FAULT = 300  # characters of a transport's error that reach a log
#: A shorter login or password would be found in any sentence.
MIN_SCRUBBED = 3
#: Tasks whose proxy's credentials are known, so that no error about them repeats those.
MAX_KNOWN = 4096


class Client:
    """A client of the service.

    Args:
        key: the account's; it goes into the body of each call and nowhere else.
        url: of the service; the name of the call is appended.
        http: sends the calls.
        clock: measures *timeout*.
        timeout: seconds for one call, from its start to the last byte of its reply.
        hang_up: closes the idle connections of *http*.

    Every call raises `ServiceError` or one of its subclasses and nothing else, except
    for the ``CancelledError`` of a call that its caller cancelled. Cancelling aborts
    the connection.
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
        self._secrets: Recent[str, tuple[str, ...]] = Recent(MAX_KNOWN)

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
        """Create *task*, and return the service's name for it.

        It goes over a connection of its own, so that no stray reply to an earlier call
        can be taken for its answer.

        Raises:
            ServiceError: the task was not created. If ``answered`` is not set, it may
                have been created and billed all the same.
        """
        secrets = _secrets(task)
        task_id = await self._call(
            "createTask", self._read_task_id, secrets=secrets, task=task.payload()
        )
        if secrets:
            self._secrets[task_id] = secrets
        return task_id

    def _read_task_id(self, reply: dict[str, Any]) -> str:
        task_id = read_task_id(reply)
        if self._echo.search(task_id):
            raise ServiceError(
                "The service answered createTask with a task id that has the account's "
                "key in it. Task ids are logged, so it is not used. Report it to the "
                "service.",
                code="KEY_IN_TASK_ID",
            )
        return task_id

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
            return await self._call(
                "getTaskResult",
                read_result,
                secrets=self._secrets.get(task_id, ()),
                taskId=task_id,
            )
        except ServiceError as error:
            if error.answered and error.code == NOT_READY:
                return None
            raise

    async def get_balance(self) -> float:
        """Return what the account has left, in points.

        The protocol family's; the service's description does not have it. At most one
        call in 30 s.

        Raises:
            ServiceError: the service does not tell it.
        """
        return await self._call("getBalance", read_balance)

    async def close(self) -> None:
        """Close the idle connections, within a second."""
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
        self,
        method: str,
        read: Callable[[dict[str, Any]], _T],
        *,
        secrets: tuple[str, ...] = (),
        **fields: Any,
    ) -> _T:
        try:
            return read(await self._ask(method, fields, secrets))
        except (ServiceError, CancelledError) as error:
            # The frames below hold the service's own words, with the key if it echoes
            # it, or a token.
            raise without_frames(error) from None

    async def _ask(
        self, method: str, fields: dict[str, Any], secrets: tuple[str, ...]
    ) -> dict[str, Any]:
        def scrub(text: str) -> str:
            for echo in (self._echo, *map(any_spelling, secrets)):
                text = echo.sub("***", text)
            return text

        reply = await self._post(method, {"clientKey": self._key, **fields}, scrub)
        return read_reply(method, reply.status, reply.body, scrub=scrub)

    async def _post(
        self, method: str, payload: dict[str, Any], scrub: Callable[[str], str]
    ) -> Reply:
        # Above this number the pool would open a new connection for each call.
        await self._lines.take()
        try:
            return await post(
                self._http,
                f"{self._url}/{method}",
                SecretBytes(json.dumps(payload).encode("ascii")),
                clock=self._clock,
                timeout=self._timeout,
                alone=method == "createTask",
            )
        except NoReply as error:
            fault, sent = one_line(scrub(str(error)), MAX_FAULT), error.sent
        finally:
            self._lines.release()
        raise Unavailable(
            f"Asked for {method}, the service {fault}; try again later.", sent=sent
        )


def _secrets(task: Task) -> tuple[str, ...]:
    """Return what the service is sent with *task* and must not appear in a message."""
    if task.proxy is None:
        return ()
    credentials = (task.proxy.login, task.proxy.password)
    return tuple(text for text in credentials if len(text) >= MIN_SCRUBBED)
