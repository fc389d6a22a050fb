"""A search for pages that take long.

A page is a few pieces, again and again; in a long run up to the size that is read. The
search is led towards pages that take many calls: their count is the same on any
machine. What takes its time inside of one call is interrupted. A long run is led
towards pages of long turns as well, and interrupts what takes more than a second.
"""

from __future__ import annotations

from time import process_time

from hypothesis import example, given, target
from hypothesis import strategies as st

from scrapy_onecaptcha.pages.detection import detection_steps
from scrapy_onecaptcha.pages.html import MAX_BYTES
from scrapy_onecaptcha.request_options import UNSET
from tests.corpus.slow_pages import API, WIDGET, page
from tests.unit.pages.test_detection_work import MOST_IN_STEP, steps

from .fuzzing import TIMES, ends, fuzzed

#: CPU seconds. The worst page that was found takes a few tenths.
BOUND = 10.0
#: The same in a long run, where nothing counts the calls.
SECONDS = 1.0
#: Calls. See the tests of the work of a detection for what a page takes.
MOST = 800_000
#: Characters of each of the two parts of a page: in a long run, all that is read.
SIZE = MAX_BYTES // 2 if TIMES > 1 else 120_000

PIECES = [
    *("<div>", "</div>", "<p>", "<b>", "</b>", "<table>", "<tr><td>", "</table>"),
    *("<form>", "<form id=f>", "</form>", "<form method=post action=/a>"),
    *("<fieldset disabled>", "<legend>", "</legend>", "</fieldset>", "<label>"),
    *("<input name=a>", "<input type=hidden name=a value=1>", "<input form=f name=b>"),
    *(
        "<input type=image name=c>",
        "<textarea name=d></textarea>",
        "<button>Go</button>",
    ),
    *("<select name=e>", "<option selected>x", "<optgroup disabled>", "</select>"),
    *("<a href=x>", "</a>", "<h1>", "</h1>", "<title>", "</title>", "<iframe src=x>"),
    *("<template>", "</template>", "<noscript>", "</noscript>", "<pre>", "</pre>"),
    *("<div hidden>", "<div style='left:-9999px'>", "<div class='modal fade'>"),
    *("<dialog>", "</dialog>", "<div role=dialog aria-hidden=true>"),
    *("<script>", "</script>", "<script type='application/json'>", '{"a":', "[1,", "]"),
    *('{"sitekey":"338af34c-7bcb-4c7c-900b-acbec73d7d43","rqdata":"x"}', "hcaptcha"),
    *("hcaptcha.render('x', {sitekey: k});", "function f(t){", "fetch('/a',{body:t})"),
    *("<!--", "-->", "<![CDATA[", "&amp;", "&#x1f600;", "x", " ", "\n", "'", '"', "="),
    *("<a b='", '<a b="', "<a b=c d ", "data-sitekey=x ", "class='h-captcha' ", ">"),
    *(WIDGET, API, "<div class=g-recaptcha>", "<div id=hcaptcha>", "<h-captcha>"),
    *("<p onclick=x>", "<script>hcaptcha.render('x')</script>", "//", "/*", "`"),
    *("JSON.parse('", "<iframe src=//x.hcaptcha.com/#sitekey=1&a=b>", "&a=b"),
    *("Are you human? ", "captcha ", "1.234,00 € ", "人", "Warenkorb "),
]
PIECE = st.sampled_from(PIECES)


@fuzzed(30, shrink=False)
@given(
    before=st.lists(PIECE, max_size=3),
    unit=st.lists(PIECE, min_size=1, max_size=4),
    middle=st.lists(PIECE, max_size=2),
    second=st.lists(PIECE, min_size=1, max_size=3),
)
@example(["<form>"], ["<div>"], [WIDGET], ["<input name=a>"])
@example([WIDGET], ["<fieldset disabled>"], [], ["<legend>", "<input name=a>"])
@example([], [API], ["</div>"], ["<h1>"])
@example([], ["<input name=a>", "<form id=f>"], [WIDGET], ["<input name=a>"])
@example([], ["x", "</form>"], [WIDGET], ["x", "<template>", "</template>"])
def test_no_page_takes_long(
    before: list[str], unit: list[str], middle: list[str], second: list[str]
) -> None:
    html = "".join(
        [
            *(WIDGET, *before),
            *["".join(unit)] * (SIZE // len("".join(unit))),
            *middle,
            *["".join(second)] * (SIZE // len("".join(second))),
        ]
    )
    if TIMES > 1:
        target(longest_turn(html), label="seconds of the longest turn")
    with ends(BOUND):
        each = list(steps(page(html)))
    target(float(sum(each)), label="calls")
    assert sum(each) < MOST
    assert max(each) < MOST_IN_STEP


def longest_turn(html: str) -> float:
    """Return the CPU seconds of the longest step of a detection."""
    response = page(html)
    response.text  # noqa: B018  (decoded once, and not counted)
    left = detection_steps(response, UNSET)
    longest, is_done = 0.0, False
    with ends(SECONDS):
        while not is_done:
            began = process_time()
            is_done = next(left, left) is left
            longest = max(longest, process_time() - began)
    return longest
