"""Holds crawls against what a browser would pay that goes from page to page.

Run as ``python -m tests.flow.oracle`` it prints the table.
"""

from __future__ import annotations

import logging
import math
import random
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scrapy_onecaptcha.exceptions import TaskFailed

from .models import MEAN_LATENCY, Model
from .virtual import Crawl

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Virtual seconds after which a crawl counts as stuck.
LONGEST = 400_000.0


@dataclass(frozen=True)
class Cell:
    """One crawl of the grid.

    Attributes:
        name: of the kind of site.
        site: of the model.
        pages: asked for.
        concurrency: ``CONCURRENT_REQUESTS``.
        per_domain: ``CONCURRENT_REQUESTS_PER_DOMAIN``.
        delay: ``DOWNLOAD_DELAY``.
        solving: seconds that a task takes, from and to.
        failing: how often a task gives no token.
        settings: of the middleware.
    """

    name: str
    pages: int
    site: dict[str, Any] = field(default_factory=dict)
    concurrency: int = 16
    per_domain: int = 8
    delay: float = 0.0
    solving: tuple[float, float] = (10.0, 60.0)
    failing: float = 0.0
    seed: int = 1
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def window(self) -> int:
        """Requests that leave in about a second, of those that may at once."""
        most = min(self.per_domain, self.concurrency)
        return min(most, 1 + math.ceil(1 / self.delay)) if self.delay else most

    def __str__(self) -> str:
        site = " ".join(
            f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}"
            for k, v in self.site.items()
        )
        load = f"{self.concurrency}/{self.per_domain} delay {self.delay:g}"
        solving = "{:g}-{:g} s".format(*self.solving)
        return f"{self.name} {site} pages={self.pages} {load} {solving} #{self.seed}"


@dataclass(frozen=True)
class Outcome:
    """What a crawl came to."""

    cell: Cell
    tasks: int
    least: int
    bad_tasks: int
    right: int
    wrong: int
    lost: int
    unended: int
    gates: int
    requests: int
    seconds: float
    open_most: int

    @property
    def excess(self) -> int:
        """Tasks above what a browser pays; one that failed counts for both."""
        return self.tasks - self.bad_tasks - self.least

    @property
    def faults(self) -> list[str]:
        """What is not as it should be."""
        found = []
        lives = max(1, self.least)
        if self.excess > lives:
            found.append("tasks")
        if self.wrong:
            found.append("wrong page")
        if self.lost:
            found.append("lost")
        if self.unended:
            found.append("without end")
        single = self.cell.name in LASTING and self.least < self.cell.pages
        if single and self.gates > self.cell.window + 2 + self.bad_tasks * 4:
            found.append("gates")
        return found

    def __str__(self) -> str:
        faults = ", ".join(self.faults)
        return (
            f"{self.cell!s:72} tasks {self.tasks - self.bad_tasks:4} of {self.least:4} "
            f"(+{self.bad_tasks}) pages {self.right:4} lost {self.lost} gates "
            f"{self.gates:3} requests {self.requests:5} open {self.open_most:2} "
            f"{self.seconds:7.0f} s {faults}"
        )


#: Seconds that a task takes: of a service that is quick, and of one that is slow.
QUICK, SLOW = (1.0, 5.0), (100.0, 115.0)

#: Requests at once, of one site, and the delay between two, of the long grid.
LOADS = (
    (16, 8, 0.0),
    (16, 8, 0.1),
    (16, 8, 0.7),
    (16, 8, 2.0),
    (32, 16, 0.0),
    (32, 16, 0.7),
    (100, 8, 1.0),
    (1, 1, 0.0),
    (1, 1, 0.7),
)

#: Kinds whose clearance opens all pages, and ends for all at once.
LASTING = frozenset({"forever", "seconds", "pages", "ip", "delayed", "agent"})


def run(cell: Cell) -> Outcome:
    """Run one crawl."""
    settings = {"max_attempts": 10, "max_failures": 50, **cell.settings}
    crawl = Crawl(
        concurrency=cell.concurrency,
        per_domain=cell.per_domain,
        delay=cell.delay,
        seed=cell.seed,
        **settings,
    )
    dice = random.Random(cell.seed)
    service = crawl.service
    service.latency = lambda _: dice.uniform(*cell.solving)
    failed = Counter[str]()

    def outcome(_: int) -> Exception | None:
        if dice.random() >= cell.failing:
            return None
        failed["failed"] += 1
        return TaskFailed("unsolvable", code="ERROR_CAPTCHA_UNSOLVABLE", answered=True)

    service.outcome = outcome
    model = Model(crawl.clock, service, seed=cell.seed, **cell.site)
    if model.kind == "agent":
        service.agents = lambda number: f"solver/{number}"
    for name in model.names:
        crawl.sites[name] = model
    asked = [model.url(number) for number in range(cell.pages)]
    crawl.ask(*asked)
    crawl.run_exactly(LONGEST)
    right = wrong = lost = 0
    for event in crawl.events:
        path = urlsplit(event.request.url).path
        if event.response is None:
            lost += 1
        else:
            shown = event.response.css("h1.content::text").get()
            fine = event.response.status == 503 or shown == path
            right, wrong = right + fine, wrong + (not fine)
    rate = max(cell.delay, MEAN_LATENCY / min(cell.concurrency, cell.per_domain))
    at_ends = [count for grant, count in model.gates_by_grant.items() if grant]
    return Outcome(
        cell=cell,
        tasks=len(service.created),
        least=model.least(cell.pages, rate),
        bad_tasks=failed["failed"] + model.refused + crawl.stat("tokens/expired"),
        right=right,
        wrong=wrong,
        lost=lost,
        unended=cell.pages - len(crawl.events),
        gates=max(at_ends, default=0),
        requests=len(crawl.sent),
        seconds=crawl.clock.seconds(),
        open_most=service.open_most,
    )


def kinds() -> Iterator[Cell]:
    """Yield each kind of site once."""
    yield Cell("forever", 200)
    for seconds, pages in ((3.0, 60), (10.0, 120), (30.0, 200), (300.0, 400)):
        yield Cell("seconds", pages, {"seconds": seconds})
    by_pages = ((1, 30), (2, 40), (5, 60), (20, 100), (50, 300), (200, 600))
    for good_for, pages in by_pages:
        name = "pages" if good_for > 1 else "one page"
        yield Cell(name, pages, {"pages": float(good_for)})
    for kind, pages in (
        ("answer", 40),
        ("once", 40),
        ("ip", 100),
        ("session", 60),
        ("section", 40),
        ("own", 80),
        ("delayed", 60),
        ("agent", 60),
        ("pass", 60),
    ):
        yield Cell(kind, pages, {"kind": kind})
    yield Cell("domain", 60, {"kind": "domain", "hosts": 30})
    yield Cell("hosts", 40, {"kind": "hosts", "hosts": 20})
    yield Cell("revoked", 150, {"kind": "revoked", "revoking": 0.02})
    for gate in ("next", "memory", "one"):
        yield Cell(f"gate at {gate}", 40, {"gate": gate})


def grid(*, long: bool = False) -> Iterator[Cell]:
    """Yield the cells of the grid."""
    for cell in kinds():
        refusing = {**cell.site, "refusal": 0.3}
        if not long:
            yield cell
            yield replace(cell, concurrency=64, delay=0.7, solving=QUICK)
            yield replace(cell, concurrency=1, per_domain=1, solving=SLOW)
            yield replace(cell, failing=0.4, seed=2)
            yield replace(cell, site=refusing, solving=QUICK, seed=3)
            continue
        for concurrency, per_domain, delay in LOADS:
            loaded = replace(
                cell, concurrency=concurrency, per_domain=per_domain, delay=delay
            )
            yield loaded
            yield replace(loaded, failing=0.4, seed=2)
            yield replace(loaded, site=refusing, seed=3)
            yield replace(loaded, solving=QUICK, seed=4)
            yield replace(loaded, solving=SLOW, seed=5)


def main() -> int:
    """Print the table; return 1 if anything is not as it should be."""
    logging.getLogger("scrapy_onecaptcha").setLevel(logging.ERROR)
    bad = 0
    cells = list(grid(long="--long" in sys.argv))
    only = [name for name in sys.argv[1:] if not name.startswith("-")]
    for cell in cells:
        if only and cell.name not in only:
            continue
        outcome = run(cell)
        bad += bool(outcome.faults)
        print(outcome, flush=True)  # noqa: T201
    print(f"{bad} of {len(cells)} not as they should be")  # noqa: T201
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
