"""A visit to a page: what it sends when its captcha is solved.

A page is visited twice, with two tokens. What differs between the two is what depends
on the token, however it was transformed on its way.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scrapy_onecaptcha._redact import any_spelling
from scrapy_onecaptcha.scripts.engine import Engine, ScriptFailed, Stopped
from scrapy_onecaptcha.scripts.models import Reading, Sending, Widget
from scrapy_onecaptcha.scripts.sendings import is_same, make_sending
from scrapy_onecaptcha.scripts.tree import plain_tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_onecaptcha.scripts.models import Visit
    from scrapy_onecaptcha.scripts.tree import Tree

__all__ = ["DRY_TOKENS", "read"]

#: In place of a token before one is paid for; of the shape that the service's have.
DRY_TOKENS = ("P1_dry.token-0123456789_abcdef", "P1_dry.other-9876543210_fedcba")
DRY_RESP_KEY = "E1_dry"

# Milliseconds of the page's own clock.
LOADING = 1_500
WAITING = 10_000
AFTER_CLICK = 4_000
AFTER_ANSWER = 5_000
# Calls of timers in one such span.
MAX_STEPS = 2_000
MAX_CLICKS = 4
MAX_NEEDS = 12
# Characters of an error of the page's scripts.
MAX_ERROR = 200

_API = re.compile(
    r"""["'](?:https?:)?(//[^"']*hcaptcha\.com/1/(?:secure-)?api\.js[^"']*)""",
    re.IGNORECASE,
)
_CONTAINER = re.compile(r"data-sitekey|hcaptcha\.render", re.IGNORECASE)


def read(
    visit: Visit, seconds: float, make_engine: Callable[[], Engine] | None = None
) -> Reading:
    """Visit a page and return what it sends.

    Args:
        visit: the page, and what its visitor brings.
        seconds: of CPU, for all of it.
        make_engine: returns an engine that no page has been in.
    """
    make_engine = make_engine or (lambda: Engine(seconds))
    tree = plain_tree(visit.html)
    if tree is None:
        return Reading(stopped="nothing of it can be parsed")
    deadline = time.process_time() + seconds
    first_token = visit.token or DRY_TOKENS[0]
    try:
        first = _Run(visit, tree, first_token, make_engine(), deadline).result()
        # Without a request there is nothing to compare.
        if not first.sent:
            return _reading(visit, first, None)
        second = _Run(visit, tree, DRY_TOKENS[1], make_engine(), deadline).result()
    except Stopped as error:
        return Reading(stopped=str(error))
    except ScriptFailed as error:
        said = _told(visit, str(error))
        return Reading(stopped=f"its scripts break the runtime ({said})")
    return _reading(visit, first, _sending(visit, first, second))


@dataclass(frozen=True, slots=True)
class _Result:
    """What the runtime wrote down in one run."""

    sent: list[dict[str, Any]]
    navigations: list[dict[str, Any]]
    widgets: list[dict[str, Any]]
    cookies: list[str]
    missing_scripts: list[str]
    integrity: list[list[str]]
    lacking: list[str]
    errors: list[str]
    api: bool
    clicks: list[str]
    token: str


class _Run:
    """One run of a page's scripts, from its start to the request with the token."""

    def __init__(
        self, visit: Visit, tree: Tree, token: str, engine: Engine, deadline: float
    ) -> None:
        self._visit = visit
        self._tree = tree
        self._token = token
        self._deadline = deadline
        self._answers = dict(visit.answers)
        self._answered: set[int] = set()
        self._clicks: list[str] = []
        self._engine = engine

    def result(self) -> _Result:
        """Run it all.

        Raises:
            Stopped: a limit was met.
        """
        self._load()
        if not self._solve():
            self._press_buttons()
        if self._visit.answer is not None:
            self._hand_on_answer()
        found = self._written()
        return _Result(
            sent=found["sent"],
            navigations=found["navigations"],
            widgets=found["widgets"],
            cookies=found["cookies"],
            missing_scripts=found["missingScripts"],
            integrity=found["integrity"],
            lacking=found["lacking"],
            errors=[_told(self._visit, error) for error in found["errors"]],
            api=found["apiLoaded"],
            clicks=self._clicks,
            token=self._token,
        )

    def _load(self) -> None:
        visit = self._visit
        options = {
            "url": visit.url,
            "tree": self._tree,
            "charset": visit.charset,
            "userAgent": visit.user_agent,
            "external": dict(visit.external),
            "cookies": dict(visit.cookies),
            "assumedAPI": _assumed_api(visit),
            "respKey": visit.resp_key or DRY_RESP_KEY,
        }
        self._call("boot", options)
        self._run_scripts()
        self._do("loaded")
        self._advance(LOADING)
        while self._feed():
            self._advance(LOADING)
        if not self._written()["widgets"]:
            self._do("stir")
            self._advance(LOADING)

    def _solve(self) -> bool:
        """Hand the token to the page; return whether it was sent."""
        self._call("noteDisabled")
        self._give_token()
        if self._sent() or self._advance(WAITING, until_sent=True):
            return True
        while self._feed():
            if self._sent() or self._advance(AFTER_CLICK, until_sent=True):
                return True
        return False

    def _press_buttons(self) -> None:
        while not self._sent() and len(self._clicks) < MAX_CLICKS:
            name = self._do("press")
            if not name:
                return
            self._clicks.append(str(name))
            self._advance(AFTER_CLICK, until_sent=True)
            while not self._sent() and self._feed():
                self._advance(AFTER_CLICK, until_sent=True)
            if not self._sent():  # the button may have brought the widget
                self._give_token()
                self._advance(AFTER_CLICK, until_sent=True)

    def _give_token(self) -> None:
        self._do("giveToken", self._token, self._visit.resp_key or DRY_RESP_KEY)

    def _hand_on_answer(self) -> None:
        request = next((one for one in self._written()["sent"] if one["token"]), None)
        if request is None or not request["id"] or self._visit.answer is None:
            return
        self._answer(request["id"], self._visit.answer)
        self._advance(AFTER_ANSWER)

    def _feed(self) -> bool:
        """Answer what the page asked for, as far as answers are known."""
        fed = False
        for request in self._written()["sent"]:
            if request["token"] or request["id"] in self._answered:
                continue
            answer = self._answers.get(request["url"])
            if answer is None or request["method"] != "GET" or not request["id"]:
                continue
            self._answered.add(request["id"])
            self._answer(request["id"], answer)
            fed = True
        return fed

    def _answer(self, number: int, answer: Any) -> None:
        given = {
            "status": answer.status,
            "body": answer.body,
            "headers": [list(pair) for pair in answer.headers],
            "url": answer.url,
        }
        self._do("answer", number, given)

    def _advance(self, milliseconds: float, *, until_sent: bool = False) -> bool:
        """Let the page's clock go on; return whether the token was sent."""
        limit = self._call("now") + milliseconds
        for _ in range(MAX_STEPS):
            ran = self._do("step", limit)
            if ran == 2:  # noqa: PLR2004  (scripts wait to be run; see run.js)
                self._run_scripts()
            if until_sent and self._sent():
                return True
            if not ran:
                return False
        return False

    def _run_scripts(self) -> None:
        while (entry := self._call("script")) is not None:
            script = json.loads(entry)
            self._engine.limit(self._left())
            self._engine.run(script["code"], module=script["module"])

    def _sent(self) -> bool:
        return bool(self._call("tokenSent"))

    def _written(self) -> dict[str, Any]:
        written: dict[str, Any] = json.loads(self._call("result"))
        return written

    def _do(self, command: str, *arguments: object) -> Any:
        """Call a command, and run what promises make of it."""
        result = self._call(command, *arguments)
        self._engine.settle()
        return result

    def _call(self, command: str, *arguments: object) -> Any:
        self._engine.limit(self._left())
        return self._engine.call(command, *arguments)

    def _left(self) -> float:
        left = self._deadline - time.process_time()
        if left <= 0:
            raise Stopped
        return left


def _assumed_api(visit: Visit) -> str | None:
    """Return the API's address where some script may load it that is not at hand."""
    named = _API.search(visit.html)
    if named:
        return "https:" + named[1].replace("&amp;", "&")
    if _CONTAINER.search(visit.html):
        return "https://js.hcaptcha.com/1/api.js"
    return None


def _sending(visit: Visit, first: _Result, second: _Result) -> Sending | None:
    """Return the request that carries the token: the first of the page's own site."""
    bearing = [
        (one, other)
        for one, other in zip(first.sent, second.sent, strict=False)
        if one["token"] or not is_same(one, other)
    ]
    if not bearing:
        return None
    own: Callable[[dict[str, Any]], bool] = lambda one: (  # noqa: E731
        _site(one["url"]) == _site(visit.url)
    )
    chosen = min(
        bearing,
        key=lambda pair: (pair[0]["kind"] == "beacon", not own(pair[0])),
    )
    return make_sending(*chosen, first.token, second.token)


def _site(url: str) -> str:
    host = re.match(r"https?://([^/?#]*)", url)
    return host[1] if host else ""


def _reading(visit: Visit, run: _Result, sending: Sending | None) -> Reading:
    known = {url for url, _ in visit.answers}
    waits = [
        one
        for one in run.sent
        if one["id"] and not one["token"] and one["url"] not in known
    ]
    gets = [one["url"] for one in waits if one["method"] == "GET"]
    # Of an answer: what the page does with it. Else: what it does on its own.
    moves = [
        move
        for move in run.navigations
        if move["kind"] != "back" and (visit.answer is None or move["phase"] != "load")
    ]
    targets = [move["url"] for move in moves if move["kind"] == "location"]
    here = visit.url.partition("#")[0]
    return Reading(
        sending=sending,
        widgets=tuple(map(_widget, run.widgets)),
        needs=tuple(dict.fromkeys(gets))[:MAX_NEEDS],
        posts=any(one["method"] != "GET" for one in waits),
        reloads=any(move["kind"] == "reload" or move["url"] == here for move in moves),
        moves_to=next((url for url in targets if url != here), None),
        cookies=tuple(run.cookies),
        missing_scripts=tuple(run.missing_scripts),
        integrity=tuple((url, said) for url, said in run.integrity),
        lacking=tuple(run.lacking),
        errors=tuple(run.errors),
        pressed=tuple(run.clicks),
        api=run.api,
    )


def _told(visit: Visit, error: str) -> str:
    """Return *error* as it may be told: shortened, and without a real token."""
    if visit.token:
        error = any_spelling(visit.token).sub("<token>", error)
    return error[:MAX_ERROR]


def _widget(seen: dict[str, Any]) -> Widget:
    return Widget(
        sitekey=seen["sitekey"],
        invisible=(seen["size"] or "").lower() == "invisible",
        rqdata=seen["rqdata"],
        tag=seen["tag"],
        called=seen["called"],
    )
