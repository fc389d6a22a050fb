"""What ``check`` finds in settings: each finding, and that good ones have none."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Spider
from scrapy.downloadermiddlewares.retry import RetryMiddleware
from scrapy.settings import Settings

from scrapy_onecaptcha import Addon, OneCaptchaMiddleware
from scrapy_onecaptcha.addon import ORDER
from scrapy_onecaptcha.cli.check import effective, in_words
from scrapy_onecaptcha.cli.checks.finding import SEVERITIES, Finding
from scrapy_onecaptcha.cli.checks.project import find
from scrapy_onecaptcha.scripts import engine
from scrapy_onecaptcha.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KEY = "a-key-that-is-not-to-be-seen"
PATH = "scrapy_onecaptcha.OneCaptchaMiddleware"
MIDDLEWARES = "DOWNLOADER_MIDDLEWARES"
BASE = "scrapy.downloadermiddlewares"
#: A project in which nothing is to be found.
GOOD: Mapping[str, Any] = {
    MIDDLEWARES: {PATH: ORDER},
    "ONECAPTCHA_API_KEY": KEY,
    "ONECAPTCHA_MAX_TASKS": 50,
    "REMOTE_CONTROL_ENABLED": False,
    "ROBOTSTXT_OBEY": True,
}


class Bound(Spider):
    name = "bound"
    allowed_domains = ["shop.example"]  # noqa: RUF012 - as spiders have it


class Unbound(Spider):
    name = "unbound"


class MyRetry(RetryMiddleware):
    """Retries as a project of its own does."""


class RotatingProxies:
    """Sets a proxy, by its name."""


class RandomUserAgent:
    """Sets a User-Agent, by its name."""


class Second(OneCaptchaMiddleware):
    """Another of ours."""


def found(
    changed: Mapping[str, Any] = MappingProxyType({}),
    /,
    *,
    spider: type[Spider] | None = Bound,
    environ: Mapping[str, str] | None = None,
    zero_hangs: bool = False,
    problem: str | None = None,
    **settings: Any,
) -> list[Finding]:
    """Return what is found in good settings, these changed."""
    return find(
        Settings({**GOOD, **changed, **settings}),
        spider,
        environ or {},
        zero_hangs=zero_hangs,
        engine_problem=lambda: problem,
    )


def the_one(
    changed: Mapping[str, Any] = MappingProxyType({}), /, **settings: Any
) -> Finding:
    (finding,) = found(changed, **settings)
    assert KEY not in repr(finding)
    for sentence in (finding.what, finding.why, finding.do):
        assert sentence.endswith((".", "?"))
    return finding


def brief(finding: Finding) -> tuple[str, str]:
    return finding.severity, finding.setting


def test_nothing_is_found_in_a_good_project() -> None:
    assert found() == []


def test_nothing_is_found_with_the_add_on_and_a_cache() -> None:
    project = {**GOOD, MIDDLEWARES: {}, "ADDONS": {Addon: 500}}
    project["HTTPCACHE_ENABLED"] = True
    settings, kept = effective(Settings(project), Bound)
    assert kept == []
    assert find(settings, Bound, {}, engine_problem=lambda: None) == []
    assert find(Settings(project), Bound, {}, engine_problem=lambda: None) != []


def test_the_spiders_own_settings_count() -> None:
    class Own(Bound):
        custom_settings = {"COOKIES_ENABLED": False}  # noqa: RUF012

    settings, kept = effective(Settings(dict(GOOD)), Own)
    assert kept == []
    (finding,) = find(settings, Own, {}, engine_problem=lambda: None)
    assert brief(finding) == ("risk", "COOKIES_ENABLED")


def test_an_add_on_that_fails_is_named() -> None:
    settings, (finding,) = effective(Settings({"ADDONS": {"no.such.Addon": 1}}), None)
    assert brief(finding) == ("error", "ADDONS")
    assert "ModuleNotFoundError" in finding.what
    assert settings["ADDONS"] == {"no.such.Addon": 1}


# Our own settings


@pytest.mark.parametrize("key", [None, "", "  "])
def test_no_key(key: str | None) -> None:
    finding = the_one(ONECAPTCHA_API_KEY=key)
    assert brief(finding) == ("error", "ONECAPTCHA_API_KEY")
    assert finding.what == "There is no key."


def test_the_key_may_be_in_the_environment() -> None:
    assert found(ONECAPTCHA_API_KEY=None, environ={"ONECAPTCHA_API_KEY": KEY}) == []
    (finding,) = found(
        ONECAPTCHA_API_KEY=None, environ={"ONECAPTCHA_API_KEY": "two words"}
    )
    assert brief(finding) == ("error", "ONECAPTCHA_API_KEY")
    assert "two words" not in repr(finding)


def test_every_bad_value_is_named_at_once() -> None:
    bad = {name: [()] for name in SETTINGS}
    said = found(bad)
    errors = {each.setting for each in said if each.severity == "error"}
    assert errors == set(SETTINGS)


def test_a_bad_value_does_not_hide_the_rest() -> None:
    said = found(ONECAPTCHA_EXPECT="::", ONECAPTCHA_MAX_TASKS=0)
    assert [brief(each) for each in said] == [
        ("error", "ONECAPTCHA_EXPECT"),
        ("risk", "ONECAPTCHA_MAX_TASKS"),
    ]
    assert said[0].what == "It is '::'."
    assert said[0].do == "Allowed: a CSS selector."


def test_values_that_contradict_each_other() -> None:
    finding = the_one(ONECAPTCHA_POLL_DELAY=301)
    assert brief(finding) == ("error", "ONECAPTCHA_POLL_DELAY")
    assert "ONECAPTCHA_SOLVE_TIMEOUT 300" in finding.what


@pytest.mark.parametrize(
    ("url", "severity"),
    [("http://shop.example", "error"), ("http://127.0.0.1:1", "hint")],
)
def test_where_the_service_is(url: str, severity: str) -> None:
    assert brief(the_one(ONECAPTCHA_API_URL=url)) == (severity, "ONECAPTCHA_API_URL")


def test_a_setting_that_does_not_exist() -> None:
    finding = the_one(ONECAPTCHA_MAX_TASK=50)
    assert brief(finding) == ("error", "ONECAPTCHA_MAX_TASK")
    assert "did you mean ONECAPTCHA_MAX_TASKS?" in finding.what


@pytest.mark.parametrize(
    ("proxy", "what"),
    [
        ("request", "The proxy of each gated request"),
        ("http://me:secret@p.example:3128", "The proxy http://p.example:3128"),
    ],
)
def test_a_proxy_that_is_handed_to_the_service(proxy: str, what: str) -> None:
    finding = the_one(ONECAPTCHA_TASK_PROXY=proxy)
    assert brief(finding) == ("hint", "ONECAPTCHA_TASK_PROXY")
    assert finding.what.startswith(what)
    assert "https://api.1captcha.vip" in finding.what
    assert "secret" not in repr(finding)


def test_a_proxy_that_the_service_cannot_reach() -> None:
    finding = the_one(ONECAPTCHA_TASK_PROXY="http://me:secret@127.0.0.1:3128")
    assert brief(finding) == ("error", "ONECAPTCHA_TASK_PROXY")
    assert "secret" not in repr(finding)


@pytest.mark.parametrize("name", ["POLL_INTERVAL", "POLL_DELAY"])
def test_impolite_polls(name: str) -> None:
    finding = the_one({f"ONECAPTCHA_{name}": 1})
    assert brief(finding) == ("risk", "ONECAPTCHA_POLL_INTERVAL")


def test_a_dry_run_needs_no_key() -> None:
    finding = the_one(ONECAPTCHA_DRY_RUN=True, ONECAPTCHA_API_KEY=None)
    assert brief(finding) == ("hint", "ONECAPTCHA_DRY_RUN")
    assert found(ONECAPTCHA_DRY_RUN=False) == []
    said = found(ONECAPTCHA_DRY_RUN="maybe", ONECAPTCHA_API_KEY=None)
    assert [brief(each) for each in said] == [
        ("error", "ONECAPTCHA_DRY_RUN"),
        ("error", "ONECAPTCHA_API_KEY"),
    ]


def test_switched_off() -> None:
    assert brief(the_one(ONECAPTCHA_ENABLED=False)) == ("error", "ONECAPTCHA_ENABLED")


# The middleware's place


@pytest.mark.parametrize(
    "middlewares", [{}, {PATH: None}, {OneCaptchaMiddleware: None}]
)
def test_not_enabled(middlewares: dict[Any, Any]) -> None:
    finding = the_one({MIDDLEWARES: middlewares})
    assert brief(finding) == ("error", MIDDLEWARES)
    assert PATH in finding.do
    assert ("None" in finding.what) == bool(middlewares)


@pytest.mark.parametrize(
    "middlewares",
    [
        {PATH: 585, "scrapy_onecaptcha.middleware.OneCaptchaMiddleware": 586},
        {PATH: 585, Second: 560},
    ],
)
def test_enabled_twice(middlewares: dict[Any, Any]) -> None:
    finding = the_one({MIDDLEWARES: middlewares})
    assert brief(finding) == ("error", MIDDLEWARES)
    assert "more than once" in finding.what


def test_a_subclass_of_ours_is_ours() -> None:
    assert found({MIDDLEWARES: {Second: ORDER}}) == []


def test_no_such_middleware() -> None:
    finding = the_one({MIDDLEWARES: {PATH: ORDER, "no.such.Middleware": 1}})
    assert brief(finding) == ("error", MIDDLEWARES)
    assert "ModuleNotFoundError" in finding.what


@pytest.mark.parametrize(
    ("order", "severity", "others"),
    [
        (595, "error", ["HttpCompressionMiddleware"]),
        (590, "error", ["HttpCompressionMiddleware"]),
        (650, "error", ["HttpCompressionMiddleware", "RedirectMiddleware"]),
        (565, "error", ["MetaRefreshMiddleware"]),
        (520, "error", ["RetryMiddleware", "MetaRefreshMiddleware"]),
    ],
)
def test_a_wrong_order(order: int, severity: str, others: list[str]) -> None:
    said = found({MIDDLEWARES: {PATH: order}})
    assert [brief(each) for each in said] == [(severity, MIDDLEWARES)] * len(others)
    for name in others:
        assert any(f"{name} at" in each.what for each in said)
    assert all(str(ORDER) in each.do for each in said)


def test_beyond_cookies_and_user_agent() -> None:
    over = {each.what.split(", ")[1] for each in found({MIDDLEWARES: {PATH: 710}})}
    assert "CookiesMiddleware at 700." in over
    under = found({MIDDLEWARES: {PATH: 490}})
    assert brief(under[-1]) == ("risk", MIDDLEWARES)
    assert "UserAgentMiddleware at 500" in under[-1].what


def test_the_orders_are_those_of_the_project() -> None:
    """Not of Scrapy's defaults: what was moved, or replaced, counts where it is."""
    moved = {
        PATH: 400,
        f"{BASE}.retry.RetryMiddleware": 300,
        f"{BASE}.redirect.MetaRefreshMiddleware": 350,
        f"{BASE}.useragent.UserAgentMiddleware": 1,
    }
    assert found({MIDDLEWARES: moved}) == []
    finding = the_one(
        {
            MIDDLEWARES: {
                PATH: ORDER,
                f"{BASE}.retry.RetryMiddleware": None,
                MyRetry: 588,
            }
        }
    )
    assert "MyRetry at 588" in finding.what


def test_what_is_switched_off_is_in_nobodys_way() -> None:
    early = {MIDDLEWARES: {PATH: 540}}
    assert len(found(early)) == 2
    assert found(early, RETRY_ENABLED=False, METAREFRESH_ENABLED=False) == []


@pytest.mark.parametrize(
    ("cls", "what"), [(RotatingProxies, "proxy"), (RandomUserAgent, "User-Agent")]
)
def test_who_changes_the_way_too_late(cls: type[Any], what: str) -> None:
    finding = the_one({MIDDLEWARES: {PATH: ORDER, cls: 610}})
    assert brief(finding) == ("risk", MIDDLEWARES)
    assert f"{cls.__name__}, at 610, sets the {what}" in finding.what
    assert found({MIDDLEWARES: {PATH: ORDER, cls: 400}}) == []


# Money


def test_no_budget() -> None:
    finding = the_one(ONECAPTCHA_MAX_TASKS=0)
    assert brief(finding) == ("risk", "ONECAPTCHA_MAX_TASKS")
    finding = the_one(ONECAPTCHA_MAX_TASKS=0, ONECAPTCHA_MAX_TASKS_PER_SITE=3)
    assert brief(finding) == ("hint", "ONECAPTCHA_MAX_TASKS")


class Broad(Spider):
    name = "broad"
    allowed_domains = [f"shop{n}.example" for n in range(20)]  # noqa: RUF012


@pytest.mark.parametrize(
    ("spider", "severity"),
    [(Bound, "hint"), (Broad, "risk"), (Unbound, "risk"), (None, "hint")],
)
def test_a_budget_for_each_of_many_sites(
    spider: type[Spider] | None, severity: str
) -> None:
    """A broad crawl may spend it as often as it meets a site."""
    said = found(spider=spider, ONECAPTCHA_MAX_TASKS=0, ONECAPTCHA_MAX_TASKS_PER_SITE=3)
    (finding,) = (each for each in said if each.setting == "ONECAPTCHA_MAX_TASKS")
    assert finding.severity == severity
    assert ("sites are many" in finding.what) == (severity == "risk")


@pytest.mark.parametrize(("spider", "severity"), [(None, "hint"), (Unbound, "risk")])
def test_no_scope(spider: type[Spider] | None, severity: str) -> None:
    finding = the_one(spider=spider)
    assert brief(finding) == (severity, "ONECAPTCHA_ALLOWED_DOMAINS")
    assert found(spider=spider, ONECAPTCHA_ALLOWED_DOMAINS=["shop.example"]) == []


def test_closing_without_a_place_to_keep_what_waits() -> None:
    assert brief(the_one(ONECAPTCHA_CLOSE_ON_FATAL=True)) == ("hint", "JOBDIR")
    assert found(ONECAPTCHA_CLOSE_ON_FATAL=True, JOBDIR="job") == []


# Scrapy's own


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"COOKIES_ENABLED": False}, ("risk", "COOKIES_ENABLED")),
        ({"ROBOTSTXT_OBEY": False}, ("hint", "ROBOTSTXT_OBEY")),
        ({"HTTPCACHE_ENABLED": True}, ("risk", "HTTPCACHE_POLICY")),
        (
            {"HTTPCACHE_ENABLED": True, "HTTPCACHE_POLICY": "no.such.Policy"},
            ("error", "HTTPCACHE_POLICY"),
        ),
        ({"DOWNLOAD_DELAY": 40}, ("risk", "DOWNLOAD_DELAY")),
        ({"DOWNLOAD_SLOTS": {"shop": {"delay": 90}}}, ("risk", "DOWNLOAD_SLOTS")),
        ({"AUTOTHROTTLE_ENABLED": True}, ("hint", "AUTOTHROTTLE_MAX_DELAY")),
        ({"TELNETCONSOLE_HOST": "0.0.0.0"}, ("risk", "TELNETCONSOLE_HOST")),
        ({"TELNETCONSOLE_HOST": ""}, ("risk", "TELNETCONSOLE_HOST")),
        ({"REMOTE_CONTROL_ENABLED": True}, ("hint", "REMOTE_CONTROL_ENABLED")),
    ],
)
def test_scrapys_settings(settings: dict[str, Any], wanted: tuple[str, str]) -> None:
    assert brief(the_one(**settings)) == wanted


@pytest.mark.parametrize(
    "settings",
    [
        {"DOWNLOAD_DELAY": 39},
        {"DOWNLOAD_DELAY": 59, "RANDOMIZE_DOWNLOAD_DELAY": False},
        {"AUTOTHROTTLE_ENABLED": True, "AUTOTHROTTLE_MAX_DELAY": 20},
        {"TWISTED_REACTOR_ENABLED": False},
        {"RETRY_ENABLED": False, "REDIRECT_ENABLED": False},
        {"TELNETCONSOLE_HOST": "::1"},
        {"TELNETCONSOLE_HOST": "localhost"},
        {"TELNETCONSOLE_HOST": "0.0.0.0", "TELNETCONSOLE_ENABLED": False},
        {
            "HTTPCACHE_ENABLED": True,
            "HTTPCACHE_POLICY": "scrapy_onecaptcha.httpcache.GatelessDummyPolicy",
        },
    ],
)
def test_what_is_fine(settings: dict[str, Any]) -> None:
    assert found(**settings) == []


def test_no_concurrency_hangs_an_old_scrapy() -> None:
    (finding,) = found(CONCURRENT_REQUESTS=0, zero_hangs=True)
    assert brief(finding) == ("error", "CONCURRENT_REQUESTS")
    assert found(CONCURRENT_REQUESTS=0) == []


# Scripts


@pytest.mark.parametrize(
    "problem",
    [
        "No script engine is installed: pip install 'scrapy-onecaptcha[scripts]'",
        engine.problem(),
    ],
)
def test_scripts_without_an_engine(problem: str | None) -> None:
    said = found(problem=problem)
    if problem is None:
        assert said == []
        return
    (finding,) = said
    assert brief(finding) == ("risk", "ONECAPTCHA_SCRIPTS")
    assert finding.what == "No script engine is installed."
    assert finding.do.startswith("Run pip install 'scrapy-onecaptcha[scripts]', or")
    assert about("ONECAPTCHA_SCRIPTS", problem=problem, ONECAPTCHA_SCRIPTS="off") == []


# What is shared or left behind


def about(setting: str, **settings: Any) -> list[Finding]:
    return [
        each
        for each in found(**settings)
        if each.setting == setting and not each.what.startswith("There is no such")
    ]


def test_a_ledger_in_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    name = "ONECAPTCHA_LEDGER"
    for good in (tmp_path / "new.jsonl", "captchas.jsonl", None):
        assert about(name, ONECAPTCHA_LEDGER=good) == []
    (finding,) = about(name, ONECAPTCHA_LEDGER=str(tmp_path / "no" / "new.jsonl"))
    assert finding.severity == "error"
    assert f"{tmp_path / 'no'} does not exist" in finding.what
    assert finding.do == f"Make it: mkdir -p {tmp_path / 'no'}."


def test_a_store_behind_a_pool_of_proxies() -> None:
    pool = {MIDDLEWARES: {PATH: ORDER, RotatingProxies: 400}}
    name, store = "ONECAPTCHA_EGRESS", {"ONECAPTCHA_STORE": "sqlite:///c.db"}
    (finding,) = about(name, **store, **pool)
    assert finding.severity == "risk"
    assert "RotatingProxies uses proxies" in finding.what
    assert about(name, **pool) == []
    assert about(name, **store) == []
    assert about(name, **store, **pool, ONECAPTCHA_EGRESS="pool-1") == []


@pytest.mark.parametrize(
    ("store", "in_the_clear"),
    [
        ("redis://cache.example:6379/0", True),
        ("redis://:hush@cache.example", True),
        ("redis://[2001:db8::1]/0", True),
        ("redis://127.0.0.1:6379", False),
        ("redis://[::1]:6379", False),
        ("redis://localhost", False),
        ("rediss://cache.example", False),
        ("unix:///run/redis.sock", False),
        ("sqlite:///c.db", False),
        ("redis://[", False),
    ],
)
def test_a_store_whose_connection_is_not_encrypted(
    store: str, in_the_clear: bool
) -> None:
    said = [
        each
        for each in about("ONECAPTCHA_STORE", ONECAPTCHA_STORE=store)
        if each.severity == "risk"
    ]
    assert bool(said) == in_the_clear
    assert "hush" not in repr(said)


# All of it


def test_the_worst_comes_first() -> None:
    said = found(
        spider=Unbound,
        ROBOTSTXT_OBEY=False,
        COOKIES_ENABLED=False,
        ONECAPTCHA_API_KEY=None,
    )
    ranks = [SEVERITIES.index(each.severity) for each in said]
    assert ranks == sorted(ranks)
    assert set(ranks) == {0, 1, 2}


def test_what_a_person_reads() -> None:
    told = {
        "project": "mine",
        "spider": "shop",
        "findings": [
            {
                "severity": "risk",
                "setting": "X",
                "what": "It is off.",
                "why": "That costs.",
                "do": "Set it.",
            }
        ],
        "errors": 0,
        "risks": 1,
        "hints": 2,
        "account": None,
    }
    assert list(in_words(told)) == [
        "Project mine, spider shop",
        "risk: X: It is off.",
        "    That costs. Set it.",
        "0 errors, 1 risk, 2 hints",
    ]
