"""Gates as frameworks build them: React and Vue, their hCaptcha components, and axios.

Only in ``make fuzz``. The packages come from npm, as an application's would, and are
bundled and minified into a folder that does not outlive the tests.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scrapy_onecaptcha.scripts.models import Visit
from scrapy_onecaptcha.scripts.visit import DRY_TOKENS
from tests.blocking_pool import shared_child
from tests.fuzz.fuzzing import NEEDS_NPM, install_by_npm
from tests.fuzz.test_fuzz_chromium import CHROMIUM, browser_sends, differs

if TYPE_CHECKING:
    from scrapy_onecaptcha.scripts.models import Sending

pytestmark = NEEDS_NPM

SOURCES = Path(__file__).with_name("bundles")
PACKAGES = (
    "esbuild",
    "react",
    "react-dom",
    "@hcaptcha/react-hcaptcha",
    "vue",
    "@hcaptcha/vue3-hcaptcha",
    "axios",
)
OPTIONS = (
    "--bundle",
    "--minify",
    "--format=iife",
    "--jsx=automatic",
    '--define:process.env.NODE_ENV="production"',
    "--log-level=error",
)
URL = "https://gate.test/dir/page"
APP = "https://gate.test/app.js"
HTML = (
    "<!doctype html><title>Security check</title><div id=root></div><div id=app></div>"
    "<script src=/app.js></script>"
)
SITEKEY = "10000000-ffff-ffff-ffff-000000000001"
T = DRY_TOKENS[0]
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
WIDGET_FIELDS = ("h-captcha-response", "g-recaptcha-response")

#: What a browser sends for each: address, type, JSON or fields, where the token is.
TRUTHS = {
    "react-axios": ("/api/verify", JSON, {"token": T, "from": "/dir/page"}, ("token",)),
    "react-form": (
        "/verify",
        f"{FORM};charset=UTF-8",
        {"h-captcha-response": T, "next": "/"},
        ("h-captcha-response",),
    ),
    "vue-axios": ("/api/verify", JSON, {"captcha": {"token": T}}, ("captcha.token",)),
    "vue-form": (
        "/verify",
        FORM,
        dict.fromkeys(("token", *WIDGET_FIELDS), T),
        ("token", *WIDGET_FIELDS),
    ),
}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the bundles, by name."""
    folder = tmp_path_factory.mktemp("bundles")
    install_by_npm(folder, PACKAGES)
    for source in SOURCES.iterdir():
        shutil.copy(source, folder)
        subprocess.run(
            ["node_modules/.bin/esbuild", source.name, *OPTIONS, "--outdir=out"],
            cwd=folder, check=True, timeout=300,
        )  # fmt: skip
    return {
        bundle.stem: bundle.read_text(encoding="utf-8")
        for bundle in (folder / "out").iterdir()
    }


def visit_of(code: str) -> Visit:
    return Visit(html=HTML, url=URL, external=((APP, code),))


def held(sending: Sending) -> object:
    """Return what is sent: the fields, or the JSON."""
    if sending.fields is not None:
        return dict(sending.fields)
    return json.loads(sending.body or "")


def test_each_bundle_has_its_truth(bundles: dict[str, str]) -> None:
    assert sorted(bundles) == sorted(TRUTHS)


@pytest.mark.parametrize("name", TRUTHS)
def test_what_a_bundle_sends_is_read(name: str, bundles: dict[str, str]) -> None:
    path, kind, content, token_fields = TRUTHS[name]
    reading = shared_child().visit(visit_of(bundles[name]))
    assert reading is not None
    assert (reading.stopped, reading.lacking, reading.errors) == (None, (), ())
    assert [widget.sitekey for widget in reading.widgets] == [SITEKEY]
    sending = reading.sending
    assert sending is not None
    assert (sending.method, sending.url) == ("POST", f"https://gate.test{path}")
    assert (sending.content_type, held(sending)) == (kind, content)
    assert sending.token_fields == token_fields


@pytest.mark.skipif(CHROMIUM is None, reason="where Chromium is installed")
def test_a_browser_sends_the_same(bundles: dict[str, str]) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    wrong = {}
    with playwright.sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, code in bundles.items():
            page = browser.new_page()
            seen = browser_sends(page, URL, HTML, {}, {APP: code})
            page.close()
            reading = shared_child().visit(visit_of(code))
            assert reading is not None
            if seen is None or reading.sending is None:
                wrong[name] = [f"browser {seen}, ours {reading.sending}"]
            elif said := differs(reading.sending, seen):
                wrong[name] = said
        browser.close()
    assert wrong == {}
