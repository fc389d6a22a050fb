"""``python -m tests.faults``: every fault at every call, as a table.

``python -m tests.faults createTask stall`` runs only what has these words in its name,
and with ``--first`` only the first fault of each kind.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from typing import Any

import scrapy.downloadermiddlewares.cookies as scrapy_cookies
import tldextract
from scrapy.utils.reactor import install_reactor
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from .judging import log_problems, problems
from .rows import FIRST, ROWS
from .running import run
from .table import all_lines, short_lines

REACTOR = "twisted.internet.asyncioreactor.AsyncioSelectorReactor"


def main() -> int:
    """Run the table and print it, or with ``--json`` what a test needs of it."""
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    of_these = FIRST if "--first" in sys.argv else ROWS
    rows = [row for row in of_these if all(word in row.id for word in words)]
    # The list of public suffixes would be fetched at the first cookie.
    scrapy_cookies._split_domain = tldextract.TLDExtract(  # type: ignore[attr-defined,unused-ignore]
        suffix_list_urls=(), cache_dir=None
    )
    install_reactor(REACTOR)
    from twisted.internet import reactor as installed

    reactor: Any = installed
    ended: list[Any] = []

    def stop(result: Any) -> None:
        ended.append(result)
        reactor.stop()

    began = time.monotonic()

    def start() -> None:
        Deferred.fromCoroutine(run(rows, reactor)).addBoth(stop)

    reactor.callWhenRunning(start)
    reactor.run()
    (result,) = ended
    if isinstance(result, Failure):
        result.raiseException()
    outcomes, log = result
    wrong = {row.id: list(problems(row, outcomes[row.id])) for row in rows}
    wrong["the log"] = list(log_problems(rows, log))
    if "--json" in sys.argv:
        told = {name: asdict(outcome) for name, outcome in outcomes.items()}
        answer = {"outcomes": told, "log": wrong["the log"]}
        sys.stdout.write(json.dumps(answer) + "\n")
        return 0
    lines = [*all_lines(rows, outcomes), "", *short_lines(rows, outcomes), ""]
    lines += [f"{name}: {each}" for name, found in wrong.items() for each in found]
    good = sum(not wrong[row.id] for row in rows)
    seconds = time.monotonic() - began
    lines.append(f"{good} of {len(rows)} are as they have to be; {seconds:.0f} s")
    sys.stdout.write("\n".join(lines) + "\n")
    return int(any(wrong.values()))


if __name__ == "__main__":
    sys.exit(main())
