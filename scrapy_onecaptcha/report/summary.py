"""The figures of a report: what tasks cost, and what they brought."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scrapy_onecaptcha._values import is_within
from scrapy_onecaptcha.report.dates import DAY, iso, moment
from scrapy_onecaptcha.report.record import CODES, FINE, OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from scrapy_onecaptcha.report.record import Record

__all__ = ["Failure", "Figures", "Summary", "Times", "of_site", "summarize"]

#: Outcomes of tasks that gave a token.
_SOLVED = frozenset(OUTCOMES) - {"failed", "abandoned"}

_NUMBERS = {outcome: number for number, outcome in enumerate(OUTCOMES)}

#: Readings of a site's pages that are remembered, and sentences that are shown. Each
#: page may be read in another way.
MAX_READINGS = 200
MAX_SENTENCES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What some tasks cost and brought. ``None`` is a figure that does not exist.

    Attributes:
        tasks: how many there were.
        outcomes: how many came to what.
        points: what they cost.
        opened: pages that were delivered on the clearances of accepted tokens.
        median, p95: seconds until a token, of the tasks that gave one.
    """

    tasks: int
    outcomes: Mapping[str, int]
    points: float
    opened: int
    median: float | None
    p95: float | None

    @property
    def accepted(self) -> int:
        """How many tokens the site accepted."""
        return self.outcomes.get("accepted", 0)

    @property
    def pass_rate(self) -> float | None:
        """Accepted tokens of all tasks, from 0 to 1.

        Those that a callback asked for do not count: nobody knows what they came to.
        """
        judged = self.tasks - self.outcomes.get("handed_over", 0)
        return _ratio(self.accepted, judged)

    @property
    def points_per_accepted(self) -> float | None:
        """What one accepted page cost, the tasks that brought none included."""
        return _ratio(self.points, self.accepted)

    @property
    def pages_per_clearance(self) -> float | None:
        """How many pages one accepted token opened."""
        return _ratio(self.opened, self.accepted)

    def told(self) -> dict[str, Any]:
        """Return the figures as JSON has them."""
        return {
            "tasks": self.tasks,
            "accepted": self.accepted,
            "outcomes": dict(self.outcomes),
            "points": self.points,
            "opened": self.opened,
            "pass_rate": self.pass_rate,
            "seconds_median": self.median,
            "seconds_p95": self.p95,
            "points_per_accepted": self.points_per_accepted,
            "pages_per_clearance": self.pages_per_clearance,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One way in which tasks brought no page.

    Attributes:
        outcome, code: the way.
        tasks: how many went it.
        points: what they cost.
        sites: on how many sites.
        worst: the site with most of them.
        advice: what to do about it, a sentence.
    """

    outcome: str
    code: str
    tasks: int
    points: float
    sites: int
    worst: str
    advice: str

    @property
    def name(self) -> str:
        """The outcome, or the code that says more."""
        return self.code or self.outcome

    def told(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "outcome": self.outcome,
            "code": self.code,
            "tasks": self.tasks,
            "points": self.points,
            "sites": self.sites,
            "worst": self.worst,
            "advice": self.advice,
        }


@dataclass(slots=True)
class Times:
    """When each task was, in the order of the ledger, for the charts.

    Attributes:
        ends: when the verdict was known, in seconds since 1970.
        seconds: how long the task had taken.
        points: what it cost.
        outcomes: what it came to, as a number in the order of `OUTCOMES`.
    """

    ends: array[float] = field(default_factory=lambda: array("d"))
    seconds: array[float] = field(default_factory=lambda: array("d"))
    points: array[float] = field(default_factory=lambda: array("d"))
    outcomes: bytearray = field(default_factory=bytearray)

    def __len__(self) -> int:
        return len(self.ends)

    def add(self, record: Record) -> None:
        """Add a task."""
        self.ends.append(record.time)
        self.seconds.append(record.seconds)
        self.points.append(record.points)
        self.outcomes.append(_NUMBERS[record.outcome])


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """All that a report tells.

    Attributes:
        total: of all tasks.
        days: of each day (UTC), the first day first.
        sites: of each site, the one that cost most first.
        failures: from the one with most tasks to that with least.
        evidence: of each site, sentences and how many tasks had them.
        times: of each task.
        solves: seconds of each task that gave a token, sorted.
        runs, spiders: how many crawls there were, and their spiders.
    """

    total: Figures
    days: Mapping[str, Figures]
    sites: Mapping[str, Figures]
    failures: Sequence[Failure]
    evidence: Mapping[str, Sequence[tuple[str, int]]]
    times: Times
    solves: Sequence[float]
    runs: int
    spiders: Sequence[str]

    @property
    def first(self) -> float | None:
        """When the first task was created."""
        times = self.times
        starts = map(float.__sub__, times.ends, times.seconds)
        return min(starts, default=None)

    @property
    def last(self) -> float | None:
        """When the last verdict was known."""
        return max(self.times.ends, default=None)

    def told(self) -> dict[str, Any]:
        """Return all but what only charts need, as JSON has it."""
        return {
            "first": _iso(self.first),
            "last": _iso(self.last),
            "runs": self.runs,
            "spiders": list(self.spiders),
            "total": self.total.told(),
            "days": {day: figures.told() for day, figures in self.days.items()},
            "sites": {site: figures.told() for site, figures in self.sites.items()},
            "failures": [failure.told() for failure in self.failures],
            "evidence": {site: dict(seen) for site, seen in self.evidence.items()},
        }


def summarize(records: Iterable[Record], advise: Callable[[str], str]) -> Summary:
    """Return the summary of *records*, which are read once.

    Args:
        records: in any order.
        advise: says what to do about the code of a failed task.
    """
    times = Times()
    days: defaultdict[str, _Group] = defaultdict(_Group)
    sites: defaultdict[str, _Group] = defaultdict(_Group)
    failures: defaultdict[tuple[str, str], _Failed] = defaultdict(_Failed)
    runs, spiders = set(), set()
    day_of = _DayOf()
    for record in records:
        outcome = record.outcome
        days[day_of(record.time)].add(record)
        site = sites[record.site]
        site.add(record)
        site.note(record.evidence)
        times.add(record)
        runs.add(record.run)
        spiders.add(record.spider)
        if outcome not in FINE:
            code = record.code if outcome == "failed" else ""
            failures[outcome, code].add(record)
    total = _Group()
    for group in days.values():
        total.merge(group)
    return Summary(
        total=total.figures(),
        days={day: days[day].figures() for day in sorted(days)},
        sites=_ranked(sites),
        failures=_ranked_failures(failures, advise),
        evidence={site: group.sentences() for site, group in sites.items()},
        times=times,
        solves=sorted(total.seconds),
        runs=len(runs),
        spiders=sorted(spiders - {""}),
    )


def of_site(site: str, names: Sequence[str]) -> bool:
    """Tell whether *site* is one of *names*: sites, or hosts with their subdomains."""
    if site in names:
        return True
    try:
        host = urlsplit(site).hostname or ""
    except ValueError:
        return False
    return any(is_within(host, name) for name in names)


class _Group:
    """Adds tasks up."""

    __slots__ = ("evidence", "opened", "outcomes", "points", "seconds")

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.points = 0.0
        self.opened = 0
        self.seconds = array("d")
        self.evidence: Counter[tuple[str, ...]] = Counter()

    def add(self, record: Record) -> None:
        outcome = record.outcome
        self.outcomes[outcome] += 1
        self.points += record.points
        if outcome == "accepted":
            self.opened += record.opened
        if outcome in _SOLVED:
            self.seconds.append(record.seconds)

    def note(self, evidence: tuple[str, ...]) -> None:
        if evidence in self.evidence or len(self.evidence) < MAX_READINGS:
            self.evidence[evidence] += 1

    def merge(self, other: _Group) -> None:
        self.outcomes += other.outcomes
        self.points += other.points
        self.opened += other.opened
        self.seconds.extend(other.seconds)

    def figures(self) -> Figures:
        ordered = sorted(self.seconds)
        return Figures(
            tasks=self.outcomes.total(),
            outcomes={name: self.outcomes[name] for name in OUTCOMES},
            points=round(self.points, 6),  # a sum of floats
            opened=self.opened,
            median=quantile(ordered, 0.5),
            p95=quantile(ordered, 0.95),
        )

    def sentences(self) -> list[tuple[str, int]]:
        counts: Counter[str] = Counter()
        for evidence, tasks in self.evidence.items():
            for sentence in evidence:
                counts[sentence] += tasks
        return counts.most_common(MAX_SENTENCES)


class _Failed:
    """Adds up tasks that brought no page in one way."""

    __slots__ = ("points", "sites")

    def __init__(self) -> None:
        self.points = 0.0
        self.sites: Counter[str] = Counter()

    def add(self, record: Record) -> None:
        self.points += record.points
        self.sites[record.site] += 1


class _DayOf:
    """Names days; that of the last moment is known, and the next is mostly the same."""

    def __init__(self) -> None:
        self._number = -1
        self._name = ""

    def __call__(self, seconds: float) -> str:
        number = int(seconds // DAY)
        if number != self._number:
            self._number = number
            self._name = moment(seconds, "%Y-%m-%d")
        return self._name


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """Return the least of *ordered* that at least *share* of them do not exceed."""
    if not ordered:
        return None
    index = max(0, -int(-share * len(ordered) // 1) - 1)
    return ordered[index]


def _ranked(groups: Mapping[str, _Group]) -> dict[str, Figures]:
    figures = {site: group.figures() for site, group in groups.items()}
    ranked = sorted(figures, key=lambda site: (-figures[site].points, site))
    return {site: figures[site] for site in ranked}


def _ranked_failures(
    found: Mapping[tuple[str, str], _Failed], advise: Callable[[str], str]
) -> list[Failure]:
    failures = [
        Failure(
            outcome=outcome,
            code=code,
            tasks=failed.sites.total(),
            points=round(failed.points, 6),
            sites=len(failed.sites),
            worst=failed.sites.most_common(1)[0][0],
            advice=OUTCOMES[outcome] or CODES.get(code) or advise(code),
        )
        for (outcome, code), failed in found.items()
    ]
    return sorted(failures, key=lambda each: (-each.tasks, each.name))


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else iso(seconds)
