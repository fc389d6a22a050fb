"""``scrapy onecaptcha solve``: one token, for a page or for a sitekey.

The page is fetched as a crawl would fetch it. The command says what it is going to buy
and for how much, and asks before it pays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy.exceptions import UsageError

from scrapy_onecaptcha._values import is_web_url, text, uuid
from scrapy_onecaptcha.cli.base import DONE, FAILED, Tool, exits
from scrapy_onecaptcha.cli.purchase import Purchase
from scrapy_onecaptcha.cli.runner import run
from scrapy_onecaptcha.cli.service import read_config
from scrapy_onecaptcha.models import MAX_RQDATA, price
from scrapy_onecaptcha.service.protocol import MAX_USER_AGENT
from scrapy_onecaptcha.service.task import Task

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from scrapy_onecaptcha.cli.base import Call
    from scrapy_onecaptcha.cli.purchase import Answer
    from scrapy_onecaptcha.settings import Config

__all__ = ["Solve", "task_for"]


class Solve(Tool):
    """Buys one token."""

    syntax = "[options] <URL>, or --sitekey KEY --url URL"
    about = (
        "Fetch the page at URL as a crawl would, and buy one token for the hCaptcha in "
        "it; or for a KEY, without fetching. It says what that costs and asks before "
        "it pays. The token is printed, and nothing is sent to the site."
    )
    epilog = exits(
        "when there is a token",
        "when there is none: the page has no hCaptcha, the service failed or refused, "
        "or you did not agree",
    )

    def add_options(self, parser: ArgumentParser) -> None:
        """Add options that describe the task."""
        add = parser.add_argument
        add("--yes", action="store_true", help="buy it without asking")
        add("--sitekey", metavar="KEY", help="a sitekey; then nothing is fetched")
        add("--url", help="with --sitekey: the page that the captcha is on")
        add("--invisible", action="store_true", help="with --sitekey: an invisible one")
        add("--rqdata", help="with --sitekey: what the site gives to the widget")
        add("--user-agent", help="with --sitekey: the User-Agent of your visit")

    def check(self, arguments: list[str], options: Namespace) -> None:
        """Refuse options that contradict each other."""
        if len(arguments) > 1:
            raise UsageError("one URL at a time: each token costs")
        if options.sitekey is None:
            _check_page(arguments, options)
        else:
            if arguments or not (options.url and is_web_url(options.url)):
                raise UsageError("--sitekey goes with --url, an http or https URL")
            task_for(options)

    def run(self, call: Call) -> int:
        """Buy it."""
        config = read_config(call.settings)
        if not (call.options.yes or call.terminal.attended):
            raise UsageError(
                "there is no terminal to ask on whether to pay; add --yes to agree"
            )
        named = None if call.options.sitekey is None else task_for(call.options)
        answer = run(
            call.settings, lambda stage: Purchase(call, config, stage, named).make()
        )
        if call.options.json:
            call.terminal.as_json(answer.tell(config.task_cost))
        if answer.solution is None:
            return FAILED
        _show(answer, call, config)
        return DONE


def _check_page(arguments: list[str], options: Namespace) -> None:
    for name in ("url", "invisible", "rqdata", "user_agent"):
        if getattr(options, name):
            option = name.replace("_", "-")
            raise UsageError(f"--{option} goes with --sitekey: a page brings its own")
    if not arguments:
        raise UsageError("solve what? Name a URL, or --sitekey KEY and --url URL")
    if not is_web_url(arguments[0]):
        raise UsageError(f"{arguments[0]}: a URL begins with http:// or https://")


def task_for(options: Namespace) -> Task:
    """Return the task that the command line describes.

    Raises:
        UsageError: a value is not valid.
    """
    parsers = {
        "sitekey": (uuid, "a UUID"),
        "rqdata": (text(MAX_RQDATA), f"one line of at most {MAX_RQDATA} characters"),
        "user_agent": (text(MAX_USER_AGENT), "one line of text"),
    }
    given: dict[str, str] = {}
    for name, (parse, allowed) in parsers.items():
        value = getattr(options, name)
        if value is None:
            continue
        try:
            given[name] = parse(value)
        except (TypeError, ValueError):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(
                f"{option} is {value[:60]!r}; allowed: {allowed}"
            ) from None
    return Task(
        url=options.url,
        invisible=options.invisible,
        sitekey=given["sitekey"],
        user_agent=given.get("user_agent"),
        rqdata=given.get("rqdata"),
    )


def _show(answer: Answer, call: Call, config: Config) -> None:
    solution = answer.solution
    assert solution is not None  # noqa: S101  (the caller has looked)
    cost = price(answer.points(config.task_cost))
    lines = [f"Solved in {solution.seconds:.1f} s, for {cost}."]
    if answer.user_agent:
        lines.append(f"User-Agent: {answer.user_agent}")
    if solution.resp_key:
        lines.append(f"respKey: {solution.resp_key}")
    age = f"{config.token_max_age:g}"
    agent = ", with that User-Agent" if answer.user_agent else ""
    lines.append(f"Send the token once, within {age} s{agent}.")
    call.terminal.say(*lines)
    if not call.options.json:
        call.terminal.result(solution.token)
