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


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with sandbox(
        "--site", "plain", "--latency", "0.2", "--resp-key", "E0_k"
    ) as running:
        yield running


@pytest.fixture(scope="module")
def refusing() -> Iterator[Servers]:
    """Return a sandbox whose tokens siteverify refuses."""
    with sandbox(
        "--site", "plain", "--latency", "0.1", "--refused-rate", "1"
    ) as running:
        yield running


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


def tasks_for(servers: Servers, site: str) -> list[dict[str, Any]]:
    """Return what the service was given for *site*."""
    fields = [task["fields"] for task in servers.ledger()["tasks"]]
    return [task for task in fields if task["websiteURL"].startswith(f"{site}/")]


def verified(servers: Servers) -> int:
    """Return how often siteverify was asked."""
    calls: dict[str, Any] = servers.ledger()["calls"]
    return int(calls.get("siteverify", 0))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_gate_is_passed_once_for_all_pages(package: str, servers: Servers) -> None:
    with serving(package, servers) as site:
        before = verified(servers)
        result = crawl(servers, pages(site, range(1, 6)))
        result.assert_clean()
        result.assert_delivered()
        assert {page["h1"] for page in result.pages.values()} == {
            f"Page {number} of {package}" for number in range(1, 6)
        }
        assert [task["websiteKey"] for task in tasks_for(servers, site)] == [SITEKEY]
        assert verified(servers) - before == 1
        assert result.stat("tasks") == result.stat("tokens/accepted") == 1


@pytest.mark.parametrize("package", PACKAGES)
def test_a_form_of_a_content_page_is_left_alone(package: str, servers: Servers) -> None:
    with serving(package, servers) as site:
        before = verified(servers)
        url = f"{site}{PACKAGES[package][2]}"
        assert SITEKEY in servers.fetch(url)
        plan = [ask(url, dont_filter=True) for _ in range(3)]
        result = crawl(servers, plan)
        result.assert_clean()
        result.assert_delivered()
        for page in result.pages.values():
            assert (page["h1"], page["flags"]) == (f"Page 0 of {package}", [])
        assert len(result.of("sent")) == 3
        assert result.stat("widgets_ignored") == 3
        assert tasks_for(servers, site) == []
        assert verified(servers) == before


@pytest.mark.parametrize("package", PACKAGES)
def test_a_token_that_is_refused_is_not_paid_for_without_end(
    package: str, refusing: Servers
) -> None:
    with serving(package, refusing) as site:
        before = verified(refusing)
        result = crawl(refusing, pages(site, range(1, 6)))
        result.assert_clean()
        assert result.pages == {}
        assert dict(result.ended) == dict.fromkeys(range(5), 1)
        errors = {event["error"] for event in result.errors.values()}
        assert errors <= {"AttemptsExhausted", "CircuitOpen"}, errors
        paid = len(tasks_for(refusing, site))
        assert 3 <= paid <= 5
        assert result.stat("tokens/rejected") == paid
        # A gate that comes late may set a new CSRF cookie just when a form leaves: that
        # token is refused without a question.
        assert paid - 1 <= verified(refusing) - before <= paid
