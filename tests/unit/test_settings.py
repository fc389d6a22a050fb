"""Every setting: its default, what it takes, what it refuses, and how it says so."""

from __future__ import annotations

import dataclasses
import json
import logging
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scrapy.exceptions import NotConfigured
from scrapy.settings import Settings

from scrapy_onecaptcha.models import MAX_RQDATA
from scrapy_onecaptcha.request_options import KEYS
from scrapy_onecaptcha.settings import (
    DEFAULTS,
    SETTINGS,
    Config,
    RequestOptions,
)

KEY = "cc9c18d3e263515c2c072b36a7125eecc078618f"
SITEKEY = "338af34c-7bcb-4c7c-900b-acbec73d7d43"
COUNTS = "MAX_ATTEMPTS MAX_TASKS MAX_TASKS_PER_SITE MAX_FAILURES CONCURRENT_TASKS"
COUNTS += " MAX_PARKED SHARED_MAX_TASKS"
SECONDS = "COOLDOWN POLL_DELAY POLL_INTERVAL SOLVE_TIMEOUT API_TIMEOUT RETRY_DELAY"
SECONDS += " TOKEN_MAX_AGE GATE_MAX_AGE LOG_INTERVAL STORE_TIMEOUT CLEARANCE_MAX_AGE"
SWITCHES = "ENABLED SHARE_CLEARANCE CLOSE_ON_FATAL"


def gate(response: object, challenge: object) -> bool:
    return True


NOT_CALLABLE = 5


def configure(environ: Any = None, /, **values: Any) -> Config:
    """Parse settings, named without their prefix; a key is set unless one is given."""
    given = {f"ONECAPTCHA_{k}": v for k, v in {"API_KEY": KEY, **values}.items()}
    return Config.from_settings(Settings(given), environ or {})


def value_of(name: str, value: Any) -> Any:
    return getattr(configure(**{name: value}), name.lower())


def refusal(**values: Any) -> str:
    with pytest.raises(ValueError) as caught:
        configure(**values)
    return str(caught.value)


# The table


def test_defaults() -> None:
    assert dict(DEFAULTS) == {
        "ONECAPTCHA_API_KEY": None,
        "ONECAPTCHA_API_URL": "https://api.1captcha.vip",
        "ONECAPTCHA_ENABLED": True,
        "ONECAPTCHA_TASK_TYPE": "auto",
        "ONECAPTCHA_TASK_PROXY": None,
        "ONECAPTCHA_ALLOWED_DOMAINS": None,
        "ONECAPTCHA_EXPECT": None,
        "ONECAPTCHA_GATE": None,
        "ONECAPTCHA_SCRIPTS": "run",
        "ONECAPTCHA_SCRIPT_HOSTS": None,
        "ONECAPTCHA_SUBMITTERS": {},
        "ONECAPTCHA_MAX_ATTEMPTS": 3,
        "ONECAPTCHA_MAX_TASKS": 0,
        "ONECAPTCHA_MAX_TASKS_PER_SITE": 0,
        "ONECAPTCHA_MAX_FAILURES": 5,
        "ONECAPTCHA_COOLDOWN": 600,
        "ONECAPTCHA_CONCURRENT_TASKS": 32,
        "ONECAPTCHA_MAX_PARKED": 512,
        "ONECAPTCHA_MAX_HELD": None,
        "ONECAPTCHA_BREAKER_WAITS": 0,
        "ONECAPTCHA_SHARE_CLEARANCE": True,
        "ONECAPTCHA_POLL_DELAY": 5,
        "ONECAPTCHA_POLL_INTERVAL": 3,
        "ONECAPTCHA_SOLVE_TIMEOUT": 300,
        "ONECAPTCHA_API_TIMEOUT": 30,
        "ONECAPTCHA_RETRY_DELAY": 5,
        "ONECAPTCHA_TOKEN_MAX_AGE": 60,
        "ONECAPTCHA_GATE_MAX_AGE": 45,
        "ONECAPTCHA_ON_FAILURE": "error",
        "ONECAPTCHA_CLOSE_ON_FATAL": False,
        "ONECAPTCHA_TASK_COST": 7,
        "ONECAPTCHA_LOG_INTERVAL": 30,
        "ONECAPTCHA_LEDGER": None,
        "ONECAPTCHA_DRY_RUN": False,
        "ONECAPTCHA_STORE": None,
        "ONECAPTCHA_STORE_NAMESPACE": None,
        "ONECAPTCHA_STORE_TIMEOUT": 60,
        "ONECAPTCHA_STORE_ON_FAULT": "fail",
        "ONECAPTCHA_EGRESS": None,
        "ONECAPTCHA_CLEARANCE_MAX_AGE": 86_400,
        "ONECAPTCHA_SHARED_MAX_TASKS": 0,
        "ONECAPTCHA_BUDGET_PERIOD": None,
    }


def test_each_setting_is_one_field() -> None:
    names = [f.name for f in dataclasses.fields(Config) if f.init]
    assert names == [n.removeprefix("ONECAPTCHA_").lower() for n in SETTINGS]


def test_defaults_are_what_a_config_holds() -> None:
    config = configure()
    for name, default in DEFAULTS.items():
        field = name.removeprefix("ONECAPTCHA_").lower()
        assert getattr(config, field) == (KEY if field == "api_key" else default)


@pytest.mark.parametrize("name", [n for n in SETTINGS if DEFAULTS[n] is not None])
def test_defaults_pass_their_own_check(name: str) -> None:
    assert SETTINGS[name].read(name, DEFAULTS[name]) == DEFAULTS[name]


def test_none_is_unset() -> None:
    assert value_of("MAX_TASKS", None) == 0


def test_config_is_frozen_and_hides_the_key() -> None:
    config = configure()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.max_tasks = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        config.submitters["a.example"] = gate  # type: ignore[index]
    assert KEY not in repr(config)


# Without which it does not run


@pytest.mark.parametrize("value", [False, "False", "0", 0])
def test_switched_off(value: Any) -> None:
    with pytest.raises(NotConfigured, match="ONECAPTCHA_ENABLED is off"):
        configure(ENABLED=value, MAX_TASKS="bad", API_KEY=None)


@pytest.mark.parametrize("key", [None, "", "  "])
def test_no_key(key: Any) -> None:
    with pytest.raises(NotConfigured, match="set ONECAPTCHA_API_KEY"):
        configure({"ONECAPTCHA_API_KEY": ""}, API_KEY=key, MAX_TASKS="bad")


def test_a_dry_run_needs_no_key() -> None:
    config = configure(API_KEY=None, DRY_RUN=True)
    assert config.dry_run
    assert config.api_key
    with pytest.raises(NotConfigured, match="set ONECAPTCHA_API_KEY"):
        configure(API_KEY=None, DRY_RUN=False)


@pytest.mark.parametrize("value", ["captchas.jsonl", Path("captchas.jsonl")])
def test_a_ledger(value: Any) -> None:
    assert value_of("LEDGER", value) == "captchas.jsonl"


@pytest.mark.parametrize("value", ["", 7, True, b"x", "a\0b", "a\nb", ["x"]])
def test_what_is_no_path(value: Any) -> None:
    with pytest.raises(ValueError, match=r"ONECAPTCHA_LEDGER is .*; allowed: a path"):
        configure(LEDGER=value)


@pytest.mark.parametrize(
    ("setting", "variable", "key"),
    [(f" {KEY}\n", "other", KEY), (None, KEY, KEY), ("", f"{KEY} ", KEY)],
)
def test_where_the_key_is_from(setting: Any, variable: str, key: str) -> None:
    config = configure({"ONECAPTCHA_API_KEY": variable}, API_KEY=setting)
    assert config.api_key == key


@pytest.mark.parametrize("key", ["se cret", "se\ncret", "secret…", b"secret", 5, ["s"]])
def test_a_bad_key_is_not_shown(key: Any) -> None:
    with pytest.raises(ValueError) as caught:
        configure(API_KEY=key)
    assert str(caught.value).startswith("ONECAPTCHA_API_KEY is a value not shown here")
    assert "cret" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


# What they take


@pytest.mark.parametrize("name", COUNTS.split())
@pytest.mark.parametrize("value", [1, "1", " 1 ", 700, "700"])
def test_counts(name: str, value: Any) -> None:
    assert value_of(name, value) == int(value)
    assert type(value_of(name, value)) is int


@pytest.mark.parametrize("name", COUNTS.split())
@pytest.mark.parametrize(
    "value", [-1, "-1", "", "x", 1.5, "1.5", True, False, [1], "nan", "9" * 5000]
)
def test_bad_counts(name: str, value: Any) -> None:
    assert refusal(**{name: value}).startswith(f"ONECAPTCHA_{name} is ")


def test_zero_is_a_limit_only_where_it_means_none() -> None:
    zero = ["MAX_TASKS", "MAX_TASKS_PER_SITE", "MAX_PARKED", "SHARED_MAX_TASKS"]
    for name in COUNTS.split():
        if name in zero:
            assert value_of(name, "0") == 0
        else:
            assert "1 or more" in refusal(**{name: 0})


@pytest.mark.parametrize("name", SECONDS.split())
@pytest.mark.parametrize("value", ["7.5", 7.5, 7, "7"])
def test_seconds(name: str, value: Any) -> None:
    assert value_of(name, value) == float(value)


@pytest.mark.parametrize("name", [*SECONDS.split(), "TASK_COST"])
@pytest.mark.parametrize(
    "value", [-1, "-0.1", "", "x", "nan", "inf", float("nan"), True, [1], 10**400]
)
def test_bad_seconds(name: str, value: Any) -> None:
    assert refusal(**{name: value}).startswith(f"ONECAPTCHA_{name} is ")


def test_zero_seconds() -> None:
    zero = ["COOLDOWN", "POLL_DELAY", "GATE_MAX_AGE", "STORE_TIMEOUT"]
    for name in SECONDS.split():
        if name in zero:
            assert value_of(name, 0) == 0
        else:
            assert "more than 0" in refusal(**{name: 0})


def test_a_token_is_not_older_than_it_is_valid() -> None:
    assert value_of("TOKEN_MAX_AGE", 120) == 120
    assert "at most 120" in refusal(TOKEN_MAX_AGE=121)


@pytest.mark.parametrize("name", ["SHARE_CLEARANCE", "CLOSE_ON_FATAL"])
@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        *((v, True) for v in (True, 1, "1", "True", "true ")),
        *((v, False) for v in (False, 0, "0", "False", "false")),
    ],
)
def test_switches(name: str, value: Any, parsed: bool) -> None:
    assert value_of(name, value) is parsed


@pytest.mark.parametrize("name", SWITCHES.split())
@pytest.mark.parametrize("value", [2, "", "yes", "on", [], 1.0])
def test_bad_switches(name: str, value: Any) -> None:
    message = refusal(**{name: value})
    assert message == f"ONECAPTCHA_{name} is {value!r}; allowed: True or False."


@pytest.mark.parametrize("value", ["auto", "HCaptchaTaskProxyless", "HCaptchaTask"])
def test_task_type(value: str) -> None:
    assert value_of("TASK_TYPE", value) == value


@pytest.mark.parametrize("value", ["Auto", "", "HCaptcha", True, ["auto"], {}])
def test_bad_task_type(value: Any) -> None:
    assert '"auto" or "HCaptchaTaskProxyless" or' in refusal(TASK_TYPE=value)


def test_task_proxy() -> None:
    assert value_of("TASK_PROXY", "request") == "request"
    assert value_of("TASK_PROXY", None) is None
    proxy = value_of("TASK_PROXY", " socks5://me:secret@p.example:9 ")
    assert (str(proxy), proxy.password) == ("socks5://p.example:9", "secret")
    assert "secret" not in repr(configure(TASK_PROXY="http://secret@p.example"))


@pytest.mark.parametrize(
    "value",
    [
        *("", "Request", "ftp://me:secret@p.example", "http://me:secret@", 5, True),
        *(["request"], {}, b"request", "http://me:secret@p.example:99999"),
    ],
)
def test_a_bad_task_proxy_is_not_shown(value: Any) -> None:
    message = refusal(TASK_PROXY=value)
    assert message.startswith("ONECAPTCHA_TASK_PROXY is a value not shown here")
    assert "secret" not in message


def test_a_task_proxy_has_to_be_one_that_the_service_can_reach() -> None:
    local = "http://me:secret@127.0.0.1:3128"
    message = refusal(TASK_PROXY=local)
    assert message.startswith("ONECAPTCHA_TASK_PROXY is a proxy that only this machine")
    assert "secret" not in message
    sandbox = configure(API_URL="http://127.0.0.1:1", TASK_PROXY=local)
    assert str(sandbox.task_proxy) == "http://127.0.0.1:3128"


@pytest.mark.parametrize("value", ["Error", "", "raise", True, ["error"], {}])
def test_on_failure(value: Any) -> None:
    assert value_of("ON_FAILURE", "response") == "response"
    assert '"error" or "response"' in refusal(ON_FAILURE=value)


# Stores


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///store.db",
        "sqlite:////var/lib/store.db",
        "sqlite:///C:/crawls/store.db",
        "redis://localhost",
        "redis://:secret@[::1]:6379/2",
        "rediss://cache.example:6380/0?ssl_ca_certs=/etc/ca.pem",
        "unix:///run/redis.sock?db=3",
        " redis://localhost ",
    ],
)
def test_urls_of_stores(url: str) -> None:
    assert value_of("STORE", url) == url.strip()


@pytest.mark.parametrize(
    "url",
    [
        *("", " ", "store.db", "/var/lib/store.db", "sqlite:", "sqlite://", 7, True),
        *(
            "sqlite:///",
            "sqlite://store.db",
            "sqlite:///folder/",
            "redis://",
            "redis:///",
        ),
        *("http://cache.example", "mysql://host/db", "unix://", "redis://a\nb", ["x"]),
    ],
)
def test_bad_urls_of_stores(url: Any) -> None:
    message = refusal(STORE=url)
    assert message.startswith("ONECAPTCHA_STORE is ")
    assert "sqlite:///PATH" in message


def test_the_password_of_a_store_is_not_shown() -> None:
    assert "hunter2" not in refusal(STORE="rediz://me:hunter2@cache.example")
    assert "hunter2" not in repr(configure(STORE="redis://me:hunter2@cache.example"))


@pytest.mark.parametrize("value", ["", "Fail", "memory", True, 0])
def test_what_to_do_without_the_store(value: Any) -> None:
    assert value_of("STORE_ON_FAULT", "local") == "local"
    assert '"fail" or "local"' in refusal(STORE_ON_FAULT=value)


@pytest.mark.parametrize("value", ["", "Day", "week", 1, True, ["day"]])
def test_periods(value: Any) -> None:
    assert value_of("BUDGET_PERIOD", "day") == "day"
    assert value_of("BUDGET_PERIOD", "month") == "month"
    assert '"day" or "month"' in refusal(BUDGET_PERIOD=value)


@pytest.mark.parametrize("name", ["STORE_NAMESPACE", "EGRESS"])
def test_names_are_one_line(name: str) -> None:
    assert value_of(name, "my bot/ü") == "my bot/ü"
    for value in ("", "a\nb", "x" * 256, 7, True):
        assert refusal(**{name: value}).startswith(f"ONECAPTCHA_{name} is ")


def test_a_clearance_is_not_kept_for_ever() -> None:
    assert value_of("CLEARANCE_MAX_AGE", 2_592_000) == 2_592_000
    assert "at most" in refusal(CLEARANCE_MAX_AGE=2_592_001)


# The URL


@pytest.mark.parametrize(
    ("url", "kept", "loopback"),
    [
        ("https://api.example/", "https://api.example", False),
        (" https://api.example:8443/v1/ ", "https://api.example:8443/v1", False),
        ("http://localhost:80", "http://localhost:80", True),
        ("http://127.8.9.1:8080/", "http://127.8.9.1:8080", True),
        ("http://[::1]:8080", "http://[::1]:8080", True),
        ("https://localhost", "https://localhost", True),
        ("HTTPS://Api.Example", "HTTPS://Api.Example", False),
    ],
)
def test_api_url(url: str, kept: str, loopback: bool) -> None:
    config = configure(API_URL=url)
    assert (config.api_url, config.loopback) == (kept, loopback)
    assert config.max_polls == (None if loopback else 120)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example",
        "//api.example",
        "ftp://api.example",
        "http://api.example",
        "HTTP://api.example",
        "http://localhost.example",
        "http://localhost.",
        "http://localhost@evil.example",
        "http://localhost:80@evil.example",
        "http://localhost\\@evil.example",
        "http://localhost#@evil.example",
        "http://localhost%2eevil.example",
        "http://localhost;evil.example",
        "http://l\N{CYRILLIC SMALL LETTER O}calhost",
        "http://xn--lcalhost-r2g",
        "http://127.0.0.1.example",
        "http://10.0.0.1",
        "http://127.0.0.1%2eevil.example",
        "http://127.0.0.1@evil.example",
        "http://127.0.0.1\N{FULLWIDTH FULL STOP}evil.example",
        "http://1\N{SUPERSCRIPT TWO}7.0.0.1",
        "http://128.0.0.1",
        "http://0.0.0.0",
        "http://0",
        "http://[::]",
        "http://[::2]",
        "http://[::ffff:8.8.8.8]",
        "http://[::ffff:127.0.0.1]",
        "http://[::127.0.0.1]",
        "http://[::1]evil.example",
        "http://[::1].evil.example",
        "http://evil.example[::1]",
        "http://[::1",
        "http://::1",
        "http://0x7f.1",
        "http://0x7f000001",
        "http://2130706433",
        "http://0177.0.0.1",
        "http://127.1",
        "http:/127.0.0.1",
        "http:127.0.0.1",
        "http://",
        "https://",
        "https:///path",
        "https://api.example?",
        "https://api.example#",
        "https://api.example/a b",
        "https://api.example\n.evil.example",
        "https://api.example\\@evil.example",
        "https://api.example:99999",
        "https://api.example:port",
        "https://api.example:0",
        "https://[::1",
        "https://bücher.example",
        5,
        b"https://api.example",
    ],
)
def test_bad_api_url(url: Any) -> None:
    message = refusal(API_URL=url)
    assert message.startswith("ONECAPTCHA_API_URL is ")
    assert "allowed: an https URL" in message


@pytest.mark.parametrize(
    "url",
    [
        "https://me:hidden@api.example/",
        "https://hidden@api.example/",
        "https://me:a/hidden@api.example/",
        "me:hidden@api.example",
        "https://api.example/?key=hidden",
        "https://api.example/#hidden",
        "https://api.example:hidden@x:1",
        "http://localhost:hidden@evil.example",
        "http://hidden:@127.0.0.1",
        "http://127.0.0.1?hidden",
        "http://127.0.0.1/?a=1&key=hidden#hidden",
        "//hidden@api.example",
    ],
)
def test_what_hides_in_a_url_is_not_shown(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        configure(API_URL=url)
    assert "hidden" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize("before", ["", "http://api.example/", "key=", "api."])
def test_a_key_in_the_place_of_the_url_is_not_shown(before: str) -> None:
    for key in (KEY, KEY.upper(), "Ab3" * 8):
        message = refusal(API_URL=before + key)
        assert key not in message
        assert f"{before}***" in message


# What a reporter of crashes keeps


@pytest.mark.parametrize(
    "values",
    [
        {"MAX_TASKS": "many"},
        {"API_KEY": f"{KEY} {KEY}"},
        {"API_KEY": KEY.encode()},
        {"API_KEY": [KEY]},
        {"POLL_DELAY": 10, "SOLVE_TIMEOUT": 10},
    ],
)
@pytest.mark.parametrize("source", ["settings", "environment"])
def test_no_frame_of_a_refusal_keeps_the_key(
    values: dict[str, Any], source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {f"ONECAPTCHA_{k}": v for k, v in {"API_KEY": KEY, **values}.items()}
    if source == "environment":
        key = given.pop("ONECAPTCHA_API_KEY")
        monkeypatch.setenv("ONECAPTCHA_API_KEY", key if isinstance(key, str) else "ä")
    with pytest.raises(ValueError) as caught:
        Config.from_settings(Settings(given))
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)][1:]
    assert frames
    for frame in frames:
        assert KEY not in repr(frame.f_locals)


# Domains, selectors, callables


@pytest.mark.parametrize(
    ("value", "domains"),
    [
        ("a.example", ("a.example",)),
        ("a.example, B.Example ", ("a.example", "b.example")),
        (["a.example", "a.example"], ("a.example",)),
        (("bücher.example",), ("xn--bcher-kva.example",)),
        (["localhost", "127.0.0.1", "[::1]"], ("localhost", "127.0.0.1", "::1")),
        (["my_host", "x-y.example"], ("my_host", "x-y.example")),
    ],
)
def test_allowed_domains(value: Any, domains: tuple[str, ...]) -> None:
    assert value_of("ALLOWED_DOMAINS", value) == domains


@pytest.mark.parametrize(
    "domain",
    [
        "https://a.example",
        "a.example/path",
        "a.example:8080",
        ".a.example",
        "*.a.example",
        "a..example",
        "a b.example",
        "",
        "ü" * 70 + ".example",
    ],
)
def test_what_is_no_domain(domain: str) -> None:
    message = refusal(ALLOWED_DOMAINS=["b.example", domain])
    assert message.startswith("ONECAPTCHA_ALLOWED_DOMAINS is ")
    assert "bare domain" in message


@pytest.mark.parametrize("value", [[], "", 5, {"a.example": 1}, [5], [None], b"a"])
def test_bad_domain_lists(value: Any) -> None:
    assert "ONECAPTCHA_ALLOWED_DOMAINS is " in refusal(ALLOWED_DOMAINS=value)


def test_expect() -> None:
    assert value_of("EXPECT", " div.content > p::text ") == "div.content > p::text"


@pytest.mark.parametrize(
    "css", ["", " ", "div[", "::nothing", "ns|p", "p:nope", 5, "//div", ["p"]]
)
def test_bad_expect(css: Any) -> None:
    message = refusal(EXPECT=css)
    assert message == f"ONECAPTCHA_EXPECT is {css!r}; allowed: a CSS selector."


def test_gate() -> None:
    assert value_of("GATE", gate) is gate
    assert value_of("GATE", "os.path.join")("a", "b")


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("gate", "not a full path"),
        ("no.such.module", "ModuleNotFoundError"),
        ("os.no_such_name", "doesn't define"),
        ("os.name", "cannot be called"),
        ("broken_settings_module.gate", "RuntimeError: on import"),
        (5, "TypeError"),
        ("", "not a full path"),
    ],
)
def test_bad_gate(
    value: Any, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "broken_settings_module.py"
    module.write_text("raise RuntimeError('on import')\n")
    monkeypatch.syspath_prepend(tmp_path)
    message = refusal(GATE=value)
    assert message.startswith(f"ONECAPTCHA_GATE is {value!r}; allowed: a callable")
    assert hint in message


def test_a_failing_import_keeps_its_traceback() -> None:
    with pytest.raises(ValueError) as caught:
        configure(GATE="no.such.module")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


@pytest.mark.parametrize("as_text", [False, True])
def test_submitters(as_text: bool) -> None:
    value = {"Shop.Example": "os.path.join", "b.example": "os.path.split"}
    submitters = value_of("SUBMITTERS", json.dumps(value) if as_text else value)
    assert list(submitters) == ["shop.example", "b.example"]
    assert submitters["shop.example"]("a", "b")


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("{", "a dict"),
        ("[]", "a dict"),
        ([gate], "a dict"),
        ({"https://a.example": gate}, "bare domain"),
        ({5: gate}, "a dict"),
        ({"a.example": "os.nope"}, "doesn't define"),
        ({"a.example": None}, "TypeError"),
    ],
)
def test_bad_submitters(value: Any, hint: str) -> None:
    message = refusal(SUBMITTERS=value)
    assert message.startswith("ONECAPTCHA_SUBMITTERS is ")
    assert hint in message


# Taken together


def test_no_time_to_ask() -> None:
    message = refusal(POLL_DELAY=10, SOLVE_TIMEOUT=10)
    assert "ONECAPTCHA_POLL_DELAY" in message
    assert "ONECAPTCHA_SOLVE_TIMEOUT" in message
    assert "ONECAPTCHA_POLL_INTERVAL" in refusal(POLL_INTERVAL=11, SOLVE_TIMEOUT=10)
    assert configure(POLL_DELAY=9.9, POLL_INTERVAL=10, SOLVE_TIMEOUT=10)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("MAX_TASK", "; did you mean ONECAPTCHA_MAX_TASKS?"),
        ("ALOWED_DOMAINS", "; did you mean ONECAPTCHA_ALLOWED_DOMAINS?"),
        ("Q", "."),
    ],
)
def test_typos(name: str, said: str, caplog: pytest.LogCaptureFixture) -> None:
    configure(**{name: 1})
    ((_, level, message),) = caplog.record_tuples
    assert level == logging.WARNING
    expected = f"ONECAPTCHA_{name} is no setting of scrapy-onecaptcha{said}"
    assert message == expected


def test_a_good_config_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    configure()
    assert not caplog.records


def test_polling_too_fast(caplog: pytest.LogCaptureFixture) -> None:
    configure(POLL_DELAY=1, POLL_INTERVAL=1, API_URL="http://127.0.0.1:1")
    assert not caplog.records
    configure(POLL_DELAY=1, POLL_INTERVAL=1)
    configure(POLL_INTERVAL=2.9)
    configure(POLL_DELAY=0)
    assert len(caplog.records) == 3
    assert "POLL_INTERVAL" in caplog.messages[0]


def test_a_long_value_is_cut() -> None:
    assert len(refusal(EXPECT="[" * 10_000)) < 400


# What one request says


def options(value: Any, **settings: Any) -> RequestOptions:
    return RequestOptions.from_meta(value, configure(**settings).options)


def test_a_request_that_says_nothing_allocates_nothing() -> None:
    config = configure(EXPECT="h1", MAX_ATTEMPTS=2)
    found = RequestOptions.from_meta(None, config.options)
    assert found is config.options
    assert found is RequestOptions.from_meta(True, config.options)
    assert found == RequestOptions(expect="h1", max_attempts=2)
    assert found.enabled


def test_a_request_to_leave_alone() -> None:
    config = configure()
    ignored = RequestOptions.from_meta(False, config.options)
    assert ignored == replace(config.options, enabled=False)


def test_all_keys() -> None:
    given = {
        "gate": True,
        "expect": "h2",
        "sitekey": SITEKEY.upper(),
        "rqdata": "secret",
        "invisible": False,
        "field": "token",
        "submitter": gate,
        "max_attempts": 1,
    }
    assert set(given) == set(KEYS)
    found = options(given, EXPECT="h1")
    assert found == RequestOptions(**{**given, "sitekey": SITEKEY})  # type: ignore[arg-type]
    assert "secret" not in repr(found)
    assert options({"submitter": "os.path.join"}).submitter is not None


def test_what_is_left_out_is_the_crawls_own() -> None:
    found = options({"gate": None, "sitekey": SITEKEY}, EXPECT="h1", MAX_ATTEMPTS=9)
    assert found == RequestOptions(sitekey=SITEKEY, expect="h1", max_attempts=9)
    assert options({}, EXPECT="h1").expect == "h1"


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        *(("gate", v, "True or False") for v in (1, "True", 1.0)),
        *(("invisible", v, "True or False") for v in (0, "false")),
        *(("expect", v, "a CSS selector") for v in (5, "div[", "")),
        *(("sitekey", v, "a UUID") for v in ("x", SITEKEY[:-1], 5, f"{SITEKEY}\n0")),
        *(("field", v, "the name") for v in ("", 5, "x" * 201, "a\nb")),
        *(("submitter", v, "a callable") for v in ("os.nope", 5)),
        *(("max_attempts", v, "1 or more") for v in (0, "x", True, 1.5)),
    ],
)
def test_bad_values(key: str, value: Any, allowed: str) -> None:
    with pytest.raises(ValueError) as caught:
        options({key: value})
    start = f'meta["onecaptcha"]["{key}"] is {value!r}'
    assert str(caught.value).startswith(start[:200])
    assert allowed in str(caught.value)


@pytest.mark.parametrize("value", ["", "s3cret" + "x" * MAX_RQDATA, 5, ["s3cret"]])
def test_bad_rqdata_is_not_shown(value: Any) -> None:
    with pytest.raises(ValueError, match="not shown here") as caught:
        options({"rqdata": value})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("value", [0, 1, "no", [], ("gate",)])
def test_what_is_no_dict(value: Any) -> None:
    with pytest.raises(ValueError) as caught:
        options(value)
    message = f'meta["onecaptcha"] is {value!r}; allowed: True, False, or a dict of '
    assert str(caught.value).startswith(message)
    assert all(key in str(caught.value) for key in KEYS)


@pytest.mark.parametrize("key", ["site_key", "Gate", 5, None])
def test_unknown_keys(key: Any) -> None:
    with pytest.raises(ValueError) as caught:
        options({key: True})
    message = f'meta["onecaptcha"] has the key {key!r}; allowed: gate, expect, '
    assert str(caught.value).startswith(message)
