"""Gates whose scripts send the token, and what a browser sends for each.

``scripts/truths.json`` was written by a person, page by page; ``{token}`` marks where
the token is.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xstatic.pkg import jquery

from scrapy_onecaptcha.scripts.models import Answer, Visit

if TYPE_CHECKING:
    from scrapy_onecaptcha.scripts.models import Reading

__all__ = ["FOLDER", "JQUERY", "TRUTHS", "told_apart", "visit_of"]

FOLDER = Path(__file__).parent / "scripts"
JQUERY = (Path(jquery.BASE_DIR) / "jquery.min.js").read_text(encoding="utf-8")
TRUTHS: list[dict[str, Any]] = json.loads((FOLDER / "truths.json").read_text("utf-8"))

PLACE = "{token}"


def visit_of(truth: dict[str, Any], token: str = "", html: str | None = None) -> Visit:
    """Return a visit to the page, with all that it needs from outside."""
    if html is None:
        html = (FOLDER / truth["page"]).read_text(encoding="utf-8")
    sources = re.findall(r"""<script src=["']?([^"'\s>]+)""", html)
    answers = truth.get("answers", {})
    return Visit(
        html=html,
        url=truth["url"],
        token=token,
        external=tuple((absolute(s, truth), code_of(s)) for s in sources if code_of(s)),
        answers=tuple((url, Answer(body=body)) for url, body in answers.items()),
    )


def absolute(source: str, truth: dict[str, Any]) -> str:
    origin = "/".join(truth["url"].split("/")[:3])
    return origin + source if source.startswith("/") else source


def code_of(source: str) -> str:
    if "jquery" in source:
        return JQUERY
    path = FOLDER / source.rpartition("/")[2]
    return (
        path.read_text(encoding="utf-8")
        if path.suffix == ".js" and path.exists()
        else ""
    )


def told_apart(truth: dict[str, Any], reading: Reading, token: str) -> list[str]:
    """Say in what *reading* differs from what a browser sends."""
    wrong = [] if reading.stopped is None else [f"stopped: {reading.stopped}"]
    wrong += [
        f"{name}: {seen(reading, name)}"
        for name in ("reloads", "cookies", "rqdata")
        if name in truth and truth[name] != seen(reading, name)
    ]
    sending = reading.sending
    if "method" not in truth:
        return wrong if sending is None else [*wrong, f"sends {sending.shape}"]
    if sending is None:
        return [*wrong, f"sends nothing ({reading.errors})"]
    address = sending.url.replace(token, PLACE)
    if sending.method == "GET":
        address = address.partition("?")[0]
    held = {
        "method": sending.method,
        "address": address,
        "enctype": sending.enctype,
        "fields": sorted(
            [name, value.replace(token, PLACE)] for name, value in sending.fields or ()
        ),
        "json": parsed((sending.body or "").replace(token, PLACE)),
        "token_fields": list(sending.token_fields),
    }
    wrong += [
        f"{name}: {held[name]}"
        for name in held
        if name in truth and truth[name] != held[name]
    ]
    headers = dict(sending.headers)
    return wrong + [
        f"{name}: {headers.get(name)}"
        for name, value in truth.get("headers", [])
        if headers.get(name, "").replace(token, PLACE) != value
    ]


def seen(reading: Reading, name: str) -> Any:
    if name == "rqdata":
        return next((widget.rqdata for widget in reading.widgets), None)
    value = getattr(reading, name)
    return list(value) if isinstance(value, tuple) else value


def parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
