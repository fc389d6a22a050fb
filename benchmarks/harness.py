"""Starts servers and crawls, and reads what they tell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from scrapy_onecaptcha.sandbox import GATES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from scrapy_onecaptcha.sandbox import Gate

__all__ = [
    "MIDDLEWARE",
    "Ask",
    "Outcome",
    "Plan",
    "Servers",
    "Site",
    "crawls",
    "form_gate",
    "serve",
]

ROOT = Path(__file__).resolve().parents[1]
MIDDLEWARE: Mapping[str, Any] = {
    "DOWNLOADER_MIDDLEWARES": {"scrapy_onecaptcha.OneCaptchaMiddleware": 585}
}
HANGS = 180.0  # seconds after which a crawl is taken for one that will not end

# No proxy of this machine may come between us and loopback.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A site to serve.

    Attributes:
        gate: in front of it, if any.
        size: of the pages that are behind no gate, in bytes.
        delay: seconds before each answer.
        free_visits: that pass before the gate appears.
    """

    gate: Gate | None = None
    size: int = 2000
    delay: float = 0.0
    free_visits: int = 0


class Ask(NamedTuple):
    """One request of a crawl."""

    url: str
    cookiejar: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One crawl.

    Attributes:
        requests: in the order in which the spider yields them.
        settings: of the crawl.
        watch: whether the process is to be looked at all the time.
    """

    requests: Sequence[Ask]
    settings: Mapping[str, Any] = field(default_factory=dict)
    watch: bool = False


class Lag(NamedTuple):
    """How late an event loop was, and the CPU since the look before, in seconds."""

    at: float
    late: float
    cpu: float

    @property
    def own(self) -> float:
        """How late it was by its own doing, at most."""
        return min(self.late, self.cpu)


class Sample(NamedTuple):
    """A look at a crawl's process; see `crawler.Watch`."""

    at: float
    cpu: float
    memory: int
    tasks: int
    ready: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a crawl.

    Attributes:
        ends: seconds from its start after which each page was delivered, or ``None``.
        errors: how often a page was lost, by the name of the error.
        cpu: seconds of CPU of its process.
        cpu_marks: what that was at each page that came.
        queued: for each submission, the requests that were queued before it.
        stats: those of the middleware.
        lags: of the event loop; only of a crawl that is watched, as are
        samples: of the process.
    """

    ends: tuple[float | None, ...]
    errors: Mapping[str, int]
    cpu: float
    queued: tuple[int, ...]
    stats: Mapping[str, Any]
    cpu_marks: tuple[float, ...] = field(repr=False)
    lags: tuple[Lag, ...] = field(repr=False)
    samples: tuple[Sample, ...] = field(repr=False)

    @property
    def pages(self) -> int:
        """How many pages were delivered."""
        return sum(end is not None for end in self.ends)

    @property
    def cpu_between(self) -> float:
        """Seconds of CPU from the first page to the last, without start and end."""
        return self.cpu_marks[-1] - self.cpu_marks[0] if self.cpu_marks else 0.0

    @property
    def wall(self) -> float:
        """Seconds from the start to the last page."""
        return max((end for end in self.ends if end is not None), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Servers that run.

    Attributes:
        urls: of the sites, by name.
        settings: that a crawl needs to use the service.
        facts_url: tells what has happened so far.
    """

    urls: Mapping[str, str]
    settings: Mapping[str, Any]
    facts_url: str

    def facts(self) -> dict[str, Any]:
        """Return what has happened so far; see `servers.Servers.facts`."""
        with _OPENER.open(self.facts_url, timeout=20) as answer:
            facts: dict[str, Any] = json.load(answer)
        return facts

    def with_middleware(self, **settings: Any) -> dict[str, Any]:
        """Return the settings of a crawl with the middleware.

        It asks the service as often as it does by default: the sandbox's own advice is
        to be much more impatient.
        """
        pace = {"ONECAPTCHA_POLL_DELAY": 5.0, "ONECAPTCHA_POLL_INTERVAL": 3.0}
        return {**self.settings, **MIDDLEWARE, **pace, **settings}


def form_gate(name: str, **changes: Any) -> Gate:
    """Return a gate of the sandbox, with *changes*, whose form no script sends.

    One with scripts is read by a process that runs those of one page after the other.
    Where many different gates come at once, that is what a crawl would wait for, and
    not what most benchmarks are about; ``scripts`` has the time that it takes.
    """
    gate = GATES[name]
    assert gate is not None
    return replace(gate, widget="element", **changes)


@contextmanager
def serve(
    sites: Mapping[str, Site], *, latency: float | tuple[float, float], **service: Any
) -> Iterator[Servers]:
    """Serve *sites* and a service in a process of their own.

    Args:
        sites: by name.
        latency: of a solve, in seconds, or the least and the most.
        service: further options of the sandbox's service.
    """
    span = latency if isinstance(latency, tuple) else (latency, latency)
    options = {
        "service": {"latency": span, **service},
        "sites": {name: asdict(site) for name, site in sites.items()},
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.servers"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=_environment(),
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(options) + "\n")
        process.stdin.flush()
        told = json.loads(process.stdout.readline())
        yield Servers(
            urls=told["sites"], settings=told["settings"], facts_url=told["facts"]
        )
        process.communicate(timeout=20)  # its input ends, and so does it
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def crawls(*plans: Plan) -> list[Outcome]:
    """Run *plans* one after the other in one process.

    Raises:
        RuntimeError: pages that were to be delivered were not.
    """
    with tempfile.TemporaryFile("w+") as log:
        told = subprocess.run(
            [sys.executable, "-m", "benchmarks.crawler"],
            input=json.dumps([asdict(plan) for plan in plans]),
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=ROOT,
            env=_environment(),
            text=True,
            timeout=HANGS,
            check=False,
        )
        log.seek(0)
        words = log.read()
    outcomes = [_outcome(each) for each in json.loads(told.stdout or "[]")]
    if told.returncode or len(outcomes) != len(plans):
        raise RuntimeError(f"A crawl failed. Its last words:\n{words[-4000:]}")
    return outcomes


def crawl(plan: Plan, *, lossless: bool = True) -> Outcome:
    """Run *plan* in a process of its own; *lossless*: every page must come.

    Raises:
        RuntimeError: one did not.
    """
    [outcome] = crawls(plan)
    if lossless and outcome.pages < len(plan.requests):
        raise RuntimeError(
            f"{outcome.pages} of {len(plan.requests)} pages came: {outcome.errors}"
        )
    return outcome


def _outcome(told: dict[str, Any]) -> Outcome:
    return Outcome(
        ends=tuple(told["ends"]),
        errors=told["errors"],
        cpu=told["cpu"],
        cpu_marks=tuple(told["cpu_marks"]),
        queued=tuple(told["queued"]),
        stats=told["stats"],
        lags=tuple(Lag(*each) for each in told["lags"]),
        samples=tuple(Sample(*each) for each in told["samples"]),
    )


def _environment() -> dict[str, str]:
    """Return this process's environment without what would bend a crawl."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith("ONECAPTCHA_")
    }
    return {**kept, "PYTHONPATH": str(ROOT)}
