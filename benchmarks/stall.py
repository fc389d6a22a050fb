"""Does a crawl go on while captchas are being solved?

600 plain pages and 60 gated ones, each of which needs a solve of its own that takes
5 s, with 16 places (``CONCURRENT_REQUESTS``) and 50 ms for each answer of a site. The
time to the last page is held against the slower of

- the crawl of the same 660 pages without any captcha, and
- the solves: the 60 gated pages without the plain ones.

Both are measured in the same run. Each crawl is made twice, and the faster one counts:
whatever else runs on the machine makes it slower only. A crawl in which nothing blocks
anything else takes no longer than that. For this to be so

- the gated pages are on 60 sites, each with a sitekey of its own, as on one site that
  grants nothing the first pages are solved 1, 1, 2, 4 … at a time: nobody can know
  before what its clearance is good for. ``sharing`` has the limit of such a site. Sites
  of one domain, as those of 127.0.0.1 are, that have one sitekey wait for the first
  solve of it: one clearance may open them all;
- no script sends their forms. Scripts of different pages are run one after the other,
  before the task and again with the token: ``scripts`` has the time that this takes;
- the service takes all 60 tasks at once: ``ONECAPTCHA_CONCURRENT_TASKS`` is 64, as with
  32 there would be two rounds of solves;
- the gated pages are asked for first. A gate that is met last is a solve late in
  any case: in the line "spread", where they come as every eleventh page, the limit is
  the moment when the last of them comes in the crawl without captchas, and one gated
  page crawled all alone from there;
- the sites are fast enough for the solves to be the slower of the two. Each gated page
  takes two requests more than without its gate, here 780 instead of 660: where the
  sites are what a crawl waits for, 1.18 is the least that there can be.

For scale, the same where a page that waits keeps its place (``ONECAPTCHA_MAX_PARKED``
is 0), which is what happens to a middleware that simply waits.
"""

from __future__ import annotations

import sys
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.harness import (
    Ask,
    Outcome,
    Plan,
    Servers,
    Site,
    crawl,
    form_gate,
    serve,
)
from benchmarks.table import Row, at_most, show
from scrapy_onecaptcha.sandbox.sitekeys import sitekey_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["rows"]

PLAIN, GATED = 600, 60
SOLVE = 5.0  # seconds
ANSWER = 0.05  # seconds
PLACES = 16
RUNS = 2
TARGET = 1.10


def rows() -> list[Row]:
    """Measure."""
    sites = {f"wall{number}": _site(f"wall{number}") for number in range(GATED)}
    sites["plain"] = Site(delay=ANSWER)
    with serve(sites, latency=SOLVE) as servers:
        return _rows(servers)


def _site(name: str) -> Site:
    return Site(gate=form_gate("wall", sitekey=sitekey_of(name)), delay=ANSWER)


def _rows(servers: Servers) -> list[Row]:
    plain = _pages(servers, "plain", PLAIN)
    open_pages = _pages(servers, "plain", PLAIN + GATED)[PLAIN:]
    gated = [Ask(f"{servers.urls[f'wall{n}']}/page/{n}") for n in range(GATED)]

    without = _fastest(_spread(open_pages, plain), _settings())
    solves = _crawl(servers, gated)
    mixed = _crawl(servers, [*gated, *plain])
    limit = max(without.wall, solves)
    alone = _crawl(servers, gated[:1])
    last = max(end or 0.0 for end in without.ends[:: PLAIN // GATED + 1])
    late = last + alone
    return [
        _row(
            "stall, 600 plain pages and 60 gated",
            mixed,
            limit,
            f"{limit:.2f} s: crawl {without.wall:.2f}, solves {solves:.2f}",
            note=f"Against one gated page all alone ({alone:.2f} s) it is "
            f"{mixed / alone:.2f}x, against the bare {SOLVE:g} s {mixed / SOLVE:.2f}x.",
        ),
        _row(
            "stall, gates spread through the crawl",
            _crawl(servers, _spread(gated, plain)),
            late,
            f"{late:.2f} s: last gate {last:.2f}, a solve {alone:.2f}",
        ),
        _unparked(_crawl(servers, [*gated, *plain], runs=1, MAX_PARKED=0), limit),
    ]


def _row(what: str, wall: float, limit: float, against: str, note: str = "") -> Row:
    return at_most(
        what,
        wall / limit,
        TARGET,
        measured=f"{wall:.2f} s",
        against=against,
        note=note,
    )


def _unparked(wall: float, limit: float) -> Row:
    return Row(
        what="  the first, places not lent",
        measured=f"{wall:.2f} s",
        against=f"{limit:.2f} s",
        figure=f"{wall / limit:.3g}x",
    )


def _pages(servers: Servers, site: str, count: int) -> list[Ask]:
    return [Ask(f"{servers.urls[site]}/page/{number}") for number in range(count)]


def _spread(few: Sequence[Ask], many: Sequence[Ask]) -> list[Ask]:
    """Return *many* with one of *few* before each so many of them."""
    step = len(many) // len(few)
    parts = ([one, *many[n * step : (n + 1) * step]] for n, one in enumerate(few))
    return [ask for part in parts for ask in part]


def _settings(**settings: Any) -> dict[str, Any]:
    return {
        "CONCURRENT_REQUESTS": PLACES,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 10 * PLACES,  # loopback is one domain
        **settings,
    }


def _crawl(
    servers: Servers, requests: Sequence[Ask], *, runs: int = RUNS, **settings: Any
) -> float:
    named = {f"ONECAPTCHA_{name}": value for name, value in settings.items()}
    told = servers.with_middleware(ONECAPTCHA_CONCURRENT_TASKS=64, **named)
    return _fastest(requests, _settings(**told), runs=runs).wall


def _fastest(
    requests: Sequence[Ask], settings: dict[str, Any], *, runs: int = RUNS
) -> Outcome:
    plan = Plan(requests=requests, settings=settings)
    return min((crawl(plan) for _ in range(runs)), key=attrgetter("wall"))


if __name__ == "__main__":
    show(rows())
