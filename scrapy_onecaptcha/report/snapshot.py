"""The dict that ``OneCaptchaMiddleware.snapshot()`` returns; no secret is in it."""

from __future__ import annotations

from typing import TypedDict

__all__ = [
    "BreakerState",
    "ServiceState",
    "SessionState",
    "Snapshot",
    "Spent",
    "StoreState",
]


class SessionState(TypedDict):
    """A session that has a clearance.

    Attributes:
        site: scheme and host with port.
        generation: the number of the clearance.
        pages: that have passed on it, beside the one that it was paid for.
        age: in seconds.
    """

    site: str
    generation: int
    pages: int
    age: float


class BreakerState(TypedDict):
    """A site that is left alone because its tasks failed in a row.

    Attributes:
        site: scheme and host with port.
        failures: how many tasks.
        seconds: until the next one is tried.
    """

    site: str
    failures: int
    seconds: float


class ServiceState(TypedDict):
    """What the service has said of this client.

    Attributes:
        account_refused: the code by which it refused the account, or ``None``.
        blocked_seconds: for which no call is made.
        unknown_in_a_row: calls that were refused with one unknown code.
        refused: sitekeys that it does not solve for.
        task_type: the type of task that is asked for.
    """

    account_refused: str | None
    blocked_seconds: float
    unknown_in_a_row: int
    refused: int
    task_type: str


class Spent(TypedDict):
    """What the crawl has spent.

    Attributes:
        tasks: that were created.
        points: that they cost.
    """

    tasks: int
    points: float


class StoreState(TypedDict):
    """The store that this crawl shares with other processes and runs.

    Attributes:
        silent_seconds: for which it has not answered; 0 while it does.
        imported: clearances that were taken from it.
        tasks: of all processes in this period, as this crawl's last task saw them;
            ``None`` before its first.
        budget_left: tasks that ``ONECAPTCHA_SHARED_MAX_TASKS`` left then; ``None``
            before its first task, and without a limit.
    """

    silent_seconds: float
    imported: int
    tasks: int | None
    budget_left: int | None


class Snapshot(TypedDict):
    """What a crawl knows and holds now.

    Attributes:
        sessions: those that have a clearance.
        open_tasks: that wait for their token.
        waiting: requests that wait for a captcha.
        held: those of them that were not sent yet.
        budget_left: tasks that ``ONECAPTCHA_MAX_TASKS`` leaves; ``None`` for no limit.
        breakers: of sites that are left alone.
        service: what it has said of this client.
        spent: tasks and points.
        store: what is known of the store; ``None`` without one.
    """

    sessions: list[SessionState]
    open_tasks: int
    waiting: int
    held: int
    budget_left: int | None
    breakers: list[BreakerState]
    service: ServiceState
    spent: Spent
    store: StoreState | None
