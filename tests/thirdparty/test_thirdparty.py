"""Gates and forms of packages that nobody here wrote: rendered and verified by them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from crawl_harness import Servers, _environment, ask, crawl, pages, sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.crawl

HERE = Path(__file__).parent
SECRET = "0x" + "0" * 40
SITEKEY = "5d6e7f80-1a2b-4c3d-8e4f-5a6b7c8d9e0f"
#: Each package: the module that is imported, the app, the page with a form.
PACKAGES = {
    "django-hcaptcha-field": ("hcaptcha_field", "django", "/register"),
    "django-hCaptcha": ("hcaptcha", "django", "/register"),
    "Flask-hCaptcha": ("flask_hcaptcha", "flask", "/contact"),
    "Flask-xCaptcha": ("flask_xcaptcha", "flask", "/contact"),
}


@contextmanager
def serving(package: str, servers: Servers) -> Iterator[str]:
    """Run the app of *package* in a process of its own; yield its URL."""
    module, framework, _ = PACKAGES[package]
    for needed in (module, framework, "waitress"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed: pip install '.[thirdparty]'")
    options = {
        "package": module,
        "name": package,
        "siteverify": servers.info["siteverify"],
        "sitekey": SITEKEY,
        "secret": SECRET,
    }
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [
                sys.executable,
                str(HERE / f"thirdparty_{framework}.py"),
                json.dumps(options),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=_environment(),
        )
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            errors.seek(0)
            assert url, errors.read()
            yield url
        finally:
            process.kill()
            process.communicate()
        errors.seek(0)
        assert "Traceback" not in errors.read()


def verified(servers: Servers) -> int:
    """Return how often siteverify was asked."""
    calls: dict[str, Any] = servers.ledger()["calls"]
    return int(calls.get("siteverify", 0))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_gate_is_passed_once_for_all_pages(package: str) -> None:
    with (
        sandbox("--site", "plain", "--latency", "0.2", "--resp-key", "E0_k") as servers,
        serving(package, servers) as site,
    ):
        result = crawl(servers, pages(site, range(1, 6)))
        result.assert_clean()
        result.assert_delivered()
        assert {page["h1"] for page in result.pages.values()} == {
            f"Page {number} of {package}" for number in range(1, 6)
        }
        assert servers.tasks == 1
        assert verified(servers) == 1
        assert result.stat("tokens/accepted") == 1
        task = servers.ledger()["tasks"][0]["fields"]
        assert task["websiteKey"] == SITEKEY
        assert task["websiteURL"].startswith(f"{site}/page/")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_form_of_a_content_page_is_left_alone(package: str) -> None:
    with (
        sandbox("--site", "plain", "--latency", "0.2") as servers,
        serving(package, servers) as site,
    ):
        url = f"{site}{PACKAGES[package][2]}"
        assert SITEKEY in servers.fetch(url)
        plan = [ask(url, dont_filter=True) for _ in range(3)]
        result = crawl(servers, plan)
        result.assert_clean()
        result.assert_delivered()
        assert {page["h1"] for page in result.pages.values()} == {
            f"Page 0 of {package}"
        }
        assert {page["flags"] == [] for page in result.pages.values()} == {True}
        assert len(result.of("sent")) == 3
        assert result.stat("widgets_ignored") == 3
        assert servers.tasks == verified(servers) == 0


@pytest.mark.parametrize("package", PACKAGES)
def test_a_token_that_is_refused_is_not_paid_for_without_end(package: str) -> None:
    with (
        sandbox(
            "--site", "plain", "--latency", "0.1", "--refused-rate", "1"
        ) as servers,
        serving(package, servers) as site,
    ):
        result = crawl(servers, pages(site, range(1, 6)))
        result.assert_clean()
        assert result.pages == {}
        assert dict(result.ended) == dict.fromkeys(range(5), 1)
        errors = {event["error"] for event in result.errors.values()}
        assert errors <= {"AttemptsExhausted", "CircuitOpen"}, errors
        assert 3 <= servers.tasks <= 5
        assert verified(servers) == servers.tasks == result.stat("tokens/rejected")
