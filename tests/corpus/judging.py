"""Holds what is detected in a page against its label."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from scrapy import Request
from scrapy.http import HtmlResponse, JsonResponse, TextResponse, XmlResponse

from scrapy_onecaptcha import detect
from scrapy_onecaptcha.pages.detection import detect_with
from scrapy_onecaptcha.pages.scripted import Scripts, visit_of
from scrapy_onecaptcha.request_options import UNSET
from tests.blocking_pool import shared_child
from tests.corpus.script_pages import JQUERY

if TYPE_CHECKING:
    from scrapy_onecaptcha import Challenge
    from tests.corpus.labels import Label

__all__ = [
    "ASPECTS",
    "PAGES",
    "judge",
    "response_of",
    "scripts_of",
    "seen",
    "verdict_of",
]

PAGES = Path(__file__).parent / "pages"
#: What is judged of a page.
ASPECTS = ("verdict", "sitekey", "invisible", "rqdata", "reason", "submit", "fields")
_RESPONSES: dict[str, type[TextResponse]] = {
    ".html": HtmlResponse,
    ".json": JsonResponse,
    ".txt": TextResponse,
    ".xml": XmlResponse,
}


def seen(label: Label) -> Challenge | None:
    """Detect what the page of *label* is, its scripts included."""
    response = response_of(label)
    challenge = detect(response)
    if challenge is None or not challenge.needs_scripts:
        return challenge
    return detect_with(response, UNSET, scripts_of(response))


def scripts_of(response: TextResponse) -> Scripts:
    """Return what the scripts of *response* do."""
    visit = replace(visit_of(response), external=external(response))
    reading = shared_child().visit(visit)
    assert reading is not None
    return Scripts(reading=reading)


def external(response: TextResponse) -> tuple[tuple[str, str], ...]:
    """Return the libraries that the page loads from its own host."""
    sources = re.findall(r'<script src="(/[^"]*jquery[^"]*)"', response.text)
    return tuple((response.urljoin(source), JQUERY) for source in sources)


def response_of(label: Label) -> TextResponse:
    """Return the page of *label*, served as the label says."""
    path = PAGES / label.file
    charset = f"; charset={label.charset}" if label.charset else ""
    request = Request(label.url)
    if label.led_from:
        request.meta["redirect_urls"] = [label.led_from]
    return _RESPONSES[path.suffix](
        label.url,
        status=label.status,
        headers={"Content-Type": label.content_type + charset},
        body=path.read_bytes(),
        request=request,
    )


def verdict_of(challenge: Challenge | None) -> str:
    return "none" if challenge is None else challenge.kind


def judge(label: Label, challenge: Challenge | None) -> dict[str, bool]:
    """Say of each aspect that was labelled whether it was read as a person does."""
    right = {"verdict": verdict_of(challenge) == label.verdict}
    if label.verdict == "none":
        return right
    right["sitekey"] = getattr(challenge, "sitekey", None) == label.sitekey
    if label.sitekey is not None:
        right["invisible"] = getattr(challenge, "invisible", None) is label.invisible
        rqdata = None if challenge is None else challenge.rqdata is not None
        right["rqdata"] = rqdata is label.rqdata
    if label.verdict == "gate" and _is_decided(label):
        reason = "none" if challenge is None else challenge.reason
        right["reason"] = reason == label.reason
    form = None if challenge is None else challenge.form
    if label.submit is not None:
        method, url, field = label.submit
        right["submit"] = (
            form is not None
            and (form.method, form.url) == (method, url)
            and field in (*form.token_fields, form.header)
        )
    if label.fields is not None:
        right["fields"] = form is not None and form.fields == label.fields
    return right


def _is_decided(label: Label) -> bool:
    """Whether the page alone says if the gate can be passed.

    How an API wants its token is often known by its clients only.
    """
    return label.reason is not None or label.submit is not None
