"""``python -m scrapy_onecaptcha.sandbox``: the sandbox in a process of its own."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from twisted.internet.error import ReactorNotRunning

from scrapy_onecaptcha.sandbox.server import Sandbox
from scrapy_onecaptcha.sandbox.service.api import TASK_TYPES, ServiceOptions
from scrapy_onecaptcha.sandbox.service.faults import CALLS, FAULTS
from scrapy_onecaptcha.sandbox.sites.registry import BY_NAME, GATES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_CHUNK = 4096
_SITE = f"may be repeated; by default {', '.join(GATES)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sandbox until it is interrupted; return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        sandbox = build(options)
    except ValueError as error:
        parser.error(str(error))
    _serve(sandbox, options)
    return 0


def build(options: argparse.Namespace) -> Sandbox:
    """Return the sandbox that *options* describe.

    Raises:
        ValueError: an option has a value that is not possible.
    """
    service = ServiceOptions(
        latency=options.latency,
        failure_rate=options.failure_rate,
        refused_rate=options.refused_rate,
        user_agent=options.user_agent or None,
        resp_key=options.resp_key,
        balance=options.balance,
        tells_cost=options.tells_cost,
        task_types=tuple(options.task_type or TASK_TYPES),
        faults=dict(options.fault),
    )
    return Sandbox(service=service, sites=options.site or GATES, seed=options.seed)


def _serve(sandbox: Sandbox, options: argparse.Namespace) -> None:
    from twisted.internet import reactor as installed  # noqa: PLC0415

    reactor: Any = installed

    def tell() -> None:
        sys.stdout.write(show(sandbox, options) + "\n")
        sys.stdout.flush()

    sandbox.start()
    reactor.addSystemEventTrigger("before", "shutdown", sandbox.stop)
    # A signal that comes as soon as it has told ends it, too: the reactor handles it.
    reactor.callWhenRunning(tell)
    if options.until_eof:
        at_eof(reactor, reactor.stop)
    reactor.run()


def at_eof(reactor: Any, end: Callable[[], object]) -> None:
    """Call *end* when standard input ends, as it does when our parent dies."""

    def watch() -> None:
        # os.read, not sys.stdin: a buffered read would hold a lock that the
        # interpreter needs when it ends.
        while os.read(0, _CHUNK):
            pass
        reactor.callFromThread(stop)

    def stop() -> None:
        # A signal may have stopped the reactor before.
        with contextlib.suppress(ReactorNotRunning):
            end()

    def begin() -> None:
        threading.Thread(target=watch, name="stdin", daemon=True).start()

    # A reactor that does not run yet cannot be stopped.
    reactor.callWhenRunning(begin)


def show(sandbox: Sandbox, options: argparse.Namespace) -> str:
    """Return the text that is printed once the sandbox has started."""
    return _as_json(sandbox) if options.json else _as_text(sandbox)


def _as_json(sandbox: Sandbox) -> str:
    return json.dumps(
        {
            "service": sandbox.service_url,
            "siteverify": sandbox.siteverify_url,
            "sites": sandbox.urls,
            "settings": sandbox.settings(),
        }
    )


def _as_text(sandbox: Sandbox) -> str:
    width = max(len(name) for name in ["siteverify", *sandbox.urls])
    urls = {
        "service": sandbox.service_url,
        "siteverify": sandbox.siteverify_url,
        **sandbox.urls,
    }
    lines = [f"  {name:<{width}}  {url}" for name, url in urls.items()]
    settings = [f"  {name} = {value!r}" for name, value in sandbox.settings().items()]
    return "\n".join(
        [
            "Serving on loopback, until Ctrl-C:",
            *lines,
            f"\nCounters: {sandbox.service_url}/_ledger",
            "\nScrapy settings to use it:",
            *settings,
        ]
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scrapy_onecaptcha.sandbox",
        description="A stand-in for the service and gated sites to crawl, on loopback.",
        epilog=_faults(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--json", action="store_true", help="print one line of JSON instead of text"
    )
    add_options(parser)
    return parser


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the sandbox's options, without ``--json``."""
    add = parser.add_argument
    sites = list(dict.fromkeys([*GATES, *BY_NAME]))
    more = ", ".join(site for site in sites if site not in GATES)
    said = f"{_SITE}; others: {more}"
    add("--site", action="append", metavar="SITE", choices=sites, help=said)
    add("--latency", type=_latency, default=1.0, help="seconds: 2, or a range: 1-3")
    add("--failure-rate", type=float, default=0.0, help="share of tasks that fail")
    add("--refused-rate", type=float, default=0.0, help="share of tokens refused")
    add(
        "--user-agent",
        default="same",
        help='User-Agent of the solutions; "same", "" for none',
    )
    add("--resp-key", help="respKey of the solutions")
    add("--balance", type=int, default=1_000_000, help="points of the account")
    add("--tells-cost", action="store_true", help="name the cost of each result")
    add("--task-type", action="append", help="supported; may be repeated")
    add(
        "--fault",
        action="append",
        type=_fault,
        default=[],
        metavar="CALL=FAULT,…",
        help="e.g. createTask=ERROR_NO_SLOT_AVAILABLE,ok,http:500,*",
    )
    add("--seed", type=int, default=0, help="seed of all that is drawn at random")
    add("--until-eof", action="store_true", help="end when standard input does")


def _faults() -> str:
    width = max(map(len, FAULTS))
    return "\n".join(
        [
            f"faults of {', '.join(CALLS)}, one for each call.",
            "Further calls are answered or, if a * follows, fail like the last one:",
            *(f"  {name:<{width}}  {meaning}" for name, meaning in FAULTS.items()),
        ]
    )


def _latency(text: str) -> float | tuple[float, float]:
    low, dash, high = text.partition("-")
    return (float(low), float(high)) if dash else float(low)


def _fault(text: str) -> tuple[str, tuple[str, ...]]:
    call, equals, names = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form CALL=FAULT,…")
    return call, tuple(names.split(","))


if __name__ == "__main__":
    sys.exit(main())
