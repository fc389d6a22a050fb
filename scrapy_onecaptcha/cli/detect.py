"""``scrapy onecaptcha detect URL|FILE…``: what the middleware would make of a page.

It fetches with Scrapy's own engine, as a crawl would, but solves nothing: no key is
needed and nothing is spent.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cssselect import SelectorError
from parsel import Selector
from scrapy.exceptions import UsageError
from scrapy.http import HtmlResponse, JsonResponse, TextResponse, XmlResponse

from scrapy_onecaptcha._logging import counted, printable
from scrapy_onecaptcha._redact import without_user
from scrapy_onecaptcha._values import is_web_url
from scrapy_onecaptcha.cli.base import DONE, WRONG_USAGE, Tool
from scrapy_onecaptcha.cli.page_fetch import Look, fetch
from scrapy_onecaptcha.cli.runner import run
from scrapy_onecaptcha.cli.saving import save
from scrapy_onecaptcha.crawl.scope import Scope
from scrapy_onecaptcha.exceptions import SubmissionRefused
from scrapy_onecaptcha.pages.detection import detect
from scrapy_onecaptcha.pages.html import MAX_BYTES, is_html, parse
from scrapy_onecaptcha.pages.widgets import read_captcha
from scrapy_onecaptcha.request_options import RequestOptions

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from scrapy.http import Response

    from scrapy_onecaptcha.cli.base import Call
    from scrapy_onecaptcha.models import Form

__all__ = ["REASONS", "Detect", "nothing", "show", "tell"]

#: The address of a file without --url. ``.invalid`` exists nowhere (RFC 2606).
NOWHERE = "https://page.invalid/"
# Characters of a field's value that are shown as text; --json shows all of it.
MAX_VALUE = 100

_RESPONSES: dict[str, type[TextResponse]] = {
    ".json": JsonResponse,
    ".txt": TextResponse,
    ".xml": XmlResponse,
}
#: Why a gate is unsolvable, and what to do about it.
REASONS = {
    "no_sitekey": "no sitekey was found, and the service needs one. If you know it, "
    'set meta["onecaptcha"] = {"sitekey": …}.',
    "bad_sitekey": "its sitekey is not a UUID. If you know the right one, set "
    'meta["onecaptcha"] = {"sitekey": …}.',
    "bad_rqdata": "its rqdata is too long to be valid.",
    "proof_of_work": "it wants a proof of work as well, for which a token is no "
    "substitute.",
    "no_submission": "no form, script or button of it sends a token. If you know how "
    "it is sent, write a submitter (ONECAPTCHA_SUBMITTERS).",
    "no_engine": "its scripts send the token, and nothing runs them: "
    "pip install 'scrapy-onecaptcha[scripts]'.",
    "scripts_off": 'its scripts send the token, and ONECAPTCHA_SCRIPTS is "off".',
    "scripts_not_run": "its scripts send the token, and they were not run.",
    "scripts_failed": "its scripts take more time or memory than a page gets. If you "
    "know how the token is sent, write a submitter (ONECAPTCHA_SUBMITTERS).",
    "scripts_missing": "its scripts need something that is missing. Where that "
    "is a file, name its host (ONECAPTCHA_SCRIPT_HOSTS); else write a submitter "
    "(ONECAPTCHA_SUBMITTERS).",
}
_KINDS = {
    "form": "as its form is sent",
    "call": "as a script of the page sends it",
    "repeat": "which is the request once more",
}
_OTHERS = (
    (rb"challenges\.cloudflare\.com|cf-turnstile", "Cloudflare's Turnstile"),
    (rb"/recaptcha/|g-recaptcha", "Google's reCAPTCHA"),
    (rb"geo\.captcha-delivery\.com|datadome", "DataDome"),
    (rb"funcaptcha|arkoselabs", "Arkose Labs' FunCaptcha"),
    (rb"geetest", "GeeTest"),
    (rb"friendlycaptcha|frc-captcha", "Friendly Captcha"),
    (rb"altcha", "ALTCHA"),
    (rb"mcaptcha", "mCaptcha"),
    (rb"awswaf|aws-waf", "AWS WAF"),
)


class Detect(Tool):
    """Shows which hCaptcha a page has, and what a crawl would do about it."""

    syntax = "[options] <URL or FILE> …"
    about = (
        "Fetch each URL (http or https), or read each FILE, and show the hCaptcha in "
        "it, whether the page is a gate or only has a widget, and what would be "
        "submitted. Nothing is solved and nothing is spent; no key is needed. The "
        "request is made as your settings say (USER_AGENT, ROBOTSTXT_OBEY…; -s "
        "NAME=VALUE changes one)."
    )
    epilog = (
        "Exit status: 0 when every page was read, whatever was found in it; 2 when one "
        "of them could not be read, or for a wrong command line or a bad setting; 130 "
        "after Ctrl-C."
    )

    def add_options(self, parser: ArgumentParser) -> None:
        """Add options that describe the pages."""
        add = parser.add_argument
        add("--expect", metavar="CSS", help="selector of the content: that is no gate")
        add("--status", type=int, help="the status that FILE came with (default: 200)")
        add("--url", help="where FILE came from: its form's address depends on it")
        add(
            "--save",
            metavar="DIR",
            help="keep page, headers and reading there, for a report to the "
            "developers; personal details of URLs are removed",
        )

    def check(self, arguments: list[str], options: Namespace) -> None:
        """Refuse a command line that cannot be meant."""
        _check(arguments, options)

    def run(self, call: Call) -> int:
        """Look at all targets, then show them in the order they were named."""
        options = RequestOptions(expect=call.options.expect)
        looks = [Look(target) for target in call.arguments]
        fetched = [look for look in looks if is_web_url(look.target)]
        for look in looks:
            if look not in fetched:
                _read(look, call.options, options)
        if fetched:
            run(
                call.settings,
                lambda stage: fetch(stage, call.settings, fetched, options),
            )
        for number, look in enumerate(looks, start=1):
            told = tell(look)
            if call.options.save and look.response is not None:
                told["saved"] = _save(call.options.save, number, look.response, told)
            shown = show(told, as_json=call.options.json)
            call.terminal.result(*shown.split("\n"))
        return WRONG_USAGE if any(look.response is None for look in looks) else DONE


def _save(directory: str, number: int, response: Response, told: dict[str, Any]) -> str:
    try:
        return str(save(Path(directory), number, response, told))
    except OSError as error:
        raise UsageError(f"--save {directory}: {error.strerror}") from None


def _check(targets: list[str], opts: Namespace) -> None:
    """Refuse a command line that cannot be meant."""
    if not targets:
        raise UsageError("detect what? Name a URL or a FILE")
    for target in targets:
        if "://" in target and not is_web_url(target):
            raise UsageError(f"{target}: only http and https are fetched")
    files = [target for target in targets if not is_web_url(target)]
    if (opts.url or opts.status) and len(files) != len(targets):
        raise UsageError("--url and --status are for a FILE: a URL brings its own")
    if opts.url and not (is_web_url(opts.url) and len(files) == 1):
        raise UsageError("--url is the http or https URL of one FILE")
    if opts.status and not 100 <= opts.status <= 599:  # noqa: PLR2004
        raise UsageError(f"--status {opts.status} is no HTTP status")
    if opts.expect is not None:
        try:
            Selector("<p>", type="html").css(opts.expect)
        except (SelectorError, ValueError) as error:
            raise UsageError(f"--expect {opts.expect!r}: {error}") from None


def _read(look: Look, opts: Namespace, options: RequestOptions) -> None:
    """Read a page from the disk."""
    path = Path(look.target)
    try:
        body = path.read_bytes()
    except OSError as error:
        look.error = f"{error.strerror}. A URL begins with http:// or https://"
        return
    kind = _RESPONSES.get(path.suffix.lower(), HtmlResponse)
    status = opts.status or 200
    look.response = kind(opts.url or NOWHERE, status=status, body=body)
    look.challenge = detect(look.response, options, scripts=True)


def tell(look: Look) -> dict[str, Any]:
    """Return all that is known of a page, as JSON has it."""
    response, challenge = look.response, look.challenge
    told: dict[str, Any] = {"target": look.target, "error": look.error}
    if response is None:
        return told | {"verdict": None, "error": look.error or "No response came."}
    meta = response.request.meta if response.request is not None else {}
    kind = (response.headers.get("Content-Type") or b"").decode("latin-1")
    told |= {
        "url": response.url,
        "led_from": meta.get("redirect_urls", []),
        "status": response.status,
        "content_type": kind,
        "bytes": len(response.body),
        "verdict": "none" if challenge is None else challenge.kind,
    }
    if challenge is None:
        return told | {"evidence": list(nothing(response))}
    return told | {
        "solvable": challenge.solvable,
        "reason": challenge.reason,
        "sitekey": challenge.sitekey,
        "invisible": challenge.invisible,
        "rqdata": challenge.rqdata is not None,
        "confidence": round(challenge.confidence, 3),
        "evidence": list(challenge.evidence),
        "submission": _submission(challenge.form),
        "refused": _refused(response.url, challenge.form),
    }


def show(told: dict[str, Any], *, as_json: bool) -> str:
    """Return what is written of a page, which may try to write to the terminal."""
    return json.dumps(told) if as_json else "\n".join(map(printable, _lines(told)))


def _submission(form: Form | None) -> dict[str, Any] | None:
    """Return what would be sent, with a mark for what the service returns."""
    if form is None:
        return None
    tokens = [[name, "<token>"] for name in form.token_fields]
    headers = [[form.header, "<token>"]] if form.header else []
    return {
        "kind": form.kind,
        "method": form.method,
        "url": without_user(form.url),
        "enctype": form.enctype if form.method != "GET" else None,
        "encoding": form.encoding,
        "headers": [*map(list, form.headers), *headers],
        "fields": [*map(list, form.fields), *tokens],
    }


def _refused(url: str, form: Form | None) -> str | None:
    """Return why the token would not be sent there, were nothing else allowed."""
    try:
        if form is not None:
            Scope(lambda: ()).check_submission(url, form.url)
    except SubmissionRefused as error:
        return str(error)
    return None


def nothing(response: Response) -> Iterator[str]:
    """Say why no hCaptcha was seen, and what was."""
    body = response.body[:MAX_BYTES].lower()
    if len(response.body) > MAX_BYTES:
        yield f"Only the first {MAX_BYTES} bytes are read."
    if not body.strip():
        yield "It is empty."
    elif not isinstance(response, TextResponse):
        yield "It is no text."
    elif not is_html(response):
        yield "It is no HTML page; as data it demands no captcha."
    if b"hcaptcha" in body or b"h-captcha" in body:
        yield from _mentions(response)
    else:
        yield "It does not mention hCaptcha."
        if b"<script" in body:
            yield (
                "It runs scripts: an hCaptcha that they add after the page has loaded "
                "is not in the HTML."
            )
    for pattern, name in _OTHERS:
        if re.search(pattern, body):
            yield f"It mentions {name}, which this package does not solve."


def _mentions(response: Response) -> Iterator[str]:
    """Say what a page with the word, but without a gate or widget, has of it."""
    html = isinstance(response, TextResponse) and is_html(response)
    page = parse(response) if html else None  # type: ignore[arg-type]
    captcha = read_captcha(page) if page is not None else None
    if captcha is None or not (captcha.api or captcha.place or captcha.widgets):
        yield (
            "It mentions hCaptcha, but only where a browser shows no widget for it: in "
            "text, a comment, <noscript>, <template>, code, or data of the page."
        )
        return
    if captcha.api:
        yield "It loads hCaptcha's script."
    if captcha.place:
        yield "An element is named after hCaptcha."
    if not captcha.widgets:
        yield "But it has no widget, and nothing else says that it is a gate."


def _lines(told: dict[str, Any]) -> Iterator[str]:
    """Show a page as text."""
    yield told["target"]
    if told["verdict"] is None:
        yield f"  could not be read: {told['error']}"
        return
    yield f"  seen: {_seen(told)}"
    yield f"  verdict: {_verdict(told)}"
    if told["verdict"] != "none":
        yield f"  confidence: {told['confidence']:.2f}"
    yield "  evidence:"
    yield from (f"    {sentence}" for sentence in told["evidence"])
    if told["verdict"] != "none":
        yield f"  sitekey: {told['sitekey'] or 'none in sight'}"
        yield f"  invisible: {'yes' if told['invisible'] else 'no'}"
        yield f"  rqdata: {'yes' if told['rqdata'] else 'no'}"
        yield from _submission_lines(told)
    yield f"  so: {_advice(told)}"
    if told.get("saved"):
        yield f"  saved: {told['saved']} (look through the page before you send it on)"


def _seen(told: dict[str, Any]) -> str:
    where = ", ".join([f"led from {url} to" for url in told["led_from"][:1]])
    kind = told["content_type"] or "no content type"
    what = f"status {told['status']}, {kind}, {counted(told['bytes'], 'byte')}"
    said = told["url"] if told["url"] != NOWHERE else "a file (--url says from where)"
    return f"{where} {said}: {what}".strip()


def _verdict(told: dict[str, Any]) -> str:
    if told["verdict"] == "none":
        return "none"
    if told["solvable"]:
        return f"{told['verdict']}, solvable"
    return f"{told['verdict']}, not solvable ({told['reason']})"


def _submission_lines(told: dict[str, Any]) -> Iterator[str]:
    sent = told["submission"]
    if sent is None:
        yield "  submission: unknown"
        return
    how = f", {sent['enctype']}" if sent["enctype"] else ""
    yield (
        f"  submission: {sent['method']} {sent['url']} ({sent['encoding']}{how}),"
        f" {_KINDS[sent['kind']]}"
    )
    yield from (f"    {name}: {value}" for name, value in sent["headers"])
    for name, value in sent["fields"]:
        short = value if len(value) <= MAX_VALUE else f"{value[:MAX_VALUE]}…"
        yield f"    {name} = {' '.join(short.split())}"


def _advice(told: dict[str, Any]) -> str:
    """Say what a crawl would do, and how to change that."""
    verdict = told["verdict"]
    if verdict == "none":
        return "a crawl passes the page on unchanged."
    if verdict == "widget":
        return (
            "a crawl passes the page on and pays nothing. If you get this page instead "
            "of the content, set ONECAPTCHA_EXPECT to a CSS selector of the content or "
            'meta["onecaptcha"] = {"gate": True}.'
        )
    if not told["solvable"]:
        return f"a crawl pays nothing: {REASONS.get(told['reason'], told['reason'])}"
    if told["refused"]:
        return f"a crawl pays nothing: {told['refused']}."
    host = urlsplit(told["url"]).hostname
    return (
        f"a crawl has one task solved for {host} and sends the token as shown. If the "
        'page is what you asked for, set ONECAPTCHA_EXPECT or {"gate": False}.'
    )
