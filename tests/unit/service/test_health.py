"""What is known of the service, without a service."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.http import HtmlResponse

from scrapy_onecaptcha.exceptions import (
    AccountError,
    BlockedError,
    ProxyFailed,
    ServiceError,
    SiteRefusedError,
    TaskFailed,
    Unavailable,
)
from scrapy_onecaptcha.models import parse_proxy
from scrapy_onecaptcha.service import health as health_module
from scrapy_onecaptcha.service.health import MAX_UNKNOWN, Health
from scrapy_onecaptcha.settings import TASK_TYPES
from tests.unit.helpers import OTHER_SITE, OTHER_SITEKEY, SITE, SITEKEY, configure

if TYPE_CHECKING:
    from scrapy_onecaptcha.models import Proxy

FIRST, SECOND = TASK_TYPES


class Known:
    """What is known, the time, and what was told."""

    def __init__(self, **settings: Any) -> None:
        self.now = 1000.0
        self.told: list[tuple[int, str]] = []
        self.health = Health(
            configure(**settings),
            lambda: self.now,
            lambda level, message: self.told.append((level, message)),
        )

    def learn(self, *errors: ServiceError, creating: bool = True) -> None:
        for error in errors:
            self.health.learn(error, SITE, SITEKEY, creating=creating)

    def forbids(self, site: str = SITE, sitekey: str = SITEKEY) -> ServiceError | None:
        try:
            self.health.check(site, sitekey)
        except ServiceError as error:
            return error
        return None


def unknown(code: str = "ERROR_NEW", **more: Any) -> ServiceError:
    return ServiceError("no", code=code, **{"answered": True} | more)


def block(seconds: float = 60) -> BlockedError:
    error = BlockedError("blocked", code="ERROR_IP_BLOCKED", answered=True)
    error.seconds = seconds
    return error


def type_refused(code: str = "ERROR_TASK_NOT_SUPPORTED") -> SiteRefusedError:
    return SiteRefusedError("no such type", code=code, answered=True)


def test_nothing_is_known_at_first() -> None:
    known = Known()
    assert known.forbids() is None
    assert known.told == []
    assert known.health.snapshot() == {
        "account_refused": None,
        "blocked_seconds": 0.0,
        "unknown_in_a_row": 0,
        "refused": 0,
        "task_type": FIRST,
    }


def test_a_refused_account_forbids_every_call_for_good() -> None:
    known = Known()
    known.learn(*(AccountError("no points", code="ERROR_ZERO_POINT"),) * 3)
    known.now += 1e6
    assert isinstance(known.forbids(OTHER_SITE), AccountError)
    assert [level for level, _ in known.told] == [logging.CRITICAL]
    assert known.health.snapshot()["account_refused"] == "ERROR_ZERO_POINT"


def test_each_page_gets_an_error_of_its_own() -> None:
    known = Known()
    known.learn(AccountError("no points"))
    first, second = known.forbids(), known.forbids()
    assert first is not None
    first.response = HtmlResponse(SITE)
    assert second is not None
    assert second.response is None
    assert second is not first


def test_a_block_ends_with_one_probe() -> None:
    known = Known()
    known.learn(block(60))
    known.now += 59
    assert isinstance(known.forbids(OTHER_SITE), BlockedError)
    assert known.health.snapshot()["blocked_seconds"] == 1
    known.now += 1
    assert known.forbids() is None
    assert known.health.begin_probe()
    assert isinstance(known.forbids(), BlockedError)
    known.health.created(FIRST)
    known.health.end_probe()
    assert known.forbids() is None
    assert not known.health.begin_probe()


def test_a_refused_site_forbids_its_sitekey_only() -> None:
    known = Known(max_failures=2)
    known.learn(SiteRefusedError("no"))
    assert isinstance(known.forbids(), SiteRefusedError)
    assert known.forbids(SITE, OTHER_SITEKEY) is None
    assert known.forbids(OTHER_SITE) is None
    known.health.learn(SiteRefusedError("no"), SITE, OTHER_SITEKEY, creating=True)
    assert isinstance(known.forbids(SITE, "new"), SiteRefusedError)


def test_so_many_sites_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "MAX_REFUSED", 2)
    known = Known()
    for number in range(5):
        known.health.learn(SiteRefusedError("no"), f"{number}", SITEKEY, creating=True)
    assert known.health.snapshot()["refused"] == 2
    assert known.forbids("0") is None
    assert known.forbids("4")


# Unknown codes


def test_the_same_unknown_code_in_a_row_is_a_block() -> None:
    known = Known(cooldown=500)
    known.learn(*(unknown() for _ in range(MAX_UNKNOWN - 1)))
    assert known.forbids() is None
    assert known.told == []
    known.health.learn(unknown(), OTHER_SITE, OTHER_SITEKEY, creating=True)
    error = known.forbids()
    assert isinstance(error, BlockedError)
    assert (error.code, error.seconds) == ("ERROR_NEW", 500)
    ((level, message),) = known.told
    assert level == logging.WARNING
    assert "500 s" in message
    assert "5 times in a row" in message
    known.now += 500
    assert known.forbids() is None


def test_a_probe_that_meets_the_code_again_blocks_at_once_and_is_no_warning() -> None:
    known = Known(cooldown=500)
    known.learn(*(unknown() for _ in range(MAX_UNKNOWN)))
    known.now += 500
    known.learn(unknown())
    assert isinstance(known.forbids(), BlockedError)
    assert [level for level, _ in known.told] == [logging.WARNING, logging.INFO]


def test_more_of_them_under_way_do_not_prolong_the_block() -> None:
    known = Known(cooldown=500)
    known.learn(*(unknown() for _ in range(MAX_UNKNOWN)))
    known.now += 400
    known.learn(unknown())
    assert known.health.snapshot()["blocked_seconds"] == 100
    assert len(known.told) == 1


@pytest.mark.parametrize(
    "between",
    [
        unknown("ERROR_OTHER"),
        TaskFailed("no", code="ERROR_CAPTCHA_UNSOLVABLE", answered=True),
        Unavailable("no", code="ERROR_NO_SLOT_AVAILABLE", answered=True),
        None,
    ],
)
def test_another_answer_ends_the_row(between: ServiceError | None) -> None:
    known = Known()
    known.learn(*(unknown() for _ in range(MAX_UNKNOWN - 1)))
    if between is None:
        known.health.created(FIRST)
    else:
        known.learn(between)
    known.learn(*(unknown() for _ in range(MAX_UNKNOWN - 1)))
    assert known.forbids() is None


@pytest.mark.parametrize(
    ("between", "creating"), [(Unavailable("no answer"), True), (unknown("X"), False)]
)
def test_what_is_no_answer_to_create_task_leaves_the_row(
    between: ServiceError, creating: bool
) -> None:
    known = Known()
    known.learn(*(unknown() for _ in range(MAX_UNKNOWN - 1)))
    known.learn(between, creating=creating)
    known.learn(unknown())
    assert isinstance(known.forbids(), BlockedError)


def test_unknown_codes_of_polls_do_not_count() -> None:
    known = Known()
    known.learn(*(unknown() for _ in range(10)), creating=False)
    assert known.forbids() is None


def test_an_http_error_that_is_not_repeated_counts_too() -> None:
    known = Known()
    known.learn(*(unknown("HTTP_403", answered=False) for _ in range(MAX_UNKNOWN)))
    assert isinstance(known.forbids(), BlockedError)


# Types of task


@pytest.mark.parametrize(
    "code", ["ERROR_TASK_NOT_SUPPORTED", "ERROR_TASK_TYPE_DEPRECATED"]
)
def test_the_other_type_is_tried_once_and_kept(code: str) -> None:
    known = Known()
    assert known.health.task_type == FIRST
    assert known.health.falls_back(FIRST, type_refused(code))
    assert known.health.task_type == SECOND
    assert not known.health.falls_back(SECOND, type_refused(code))
    assert known.health.task_type == SECOND
    ((level, message),) = known.told
    assert level == logging.INFO
    for word in (FIRST, SECOND, code, "ONECAPTCHA_TASK_TYPE"):
        assert word in message


def test_tasks_under_way_with_the_first_type_follow() -> None:
    known = Known()
    assert known.health.falls_back(FIRST, type_refused())
    assert known.health.falls_back(FIRST, type_refused())
    assert len(known.told) == 1


def test_a_type_that_has_worked_is_kept() -> None:
    known = Known()
    known.health.created(FIRST)
    assert not known.health.falls_back(FIRST, type_refused())
    assert known.health.task_type == FIRST


@pytest.mark.parametrize("name", TASK_TYPES)
def test_a_type_that_is_named_is_the_only_one(name: str) -> None:
    known = Known(task_type=name)
    assert known.health.task_type == name
    assert not known.health.falls_back(name, type_refused())
    assert known.health.task_type == name


@pytest.mark.parametrize(
    "error",
    [
        SiteRefusedError("no", code="ERROR_DOMAIN_NOT_ALLOWED", answered=True),
        SiteRefusedError("no", code="ERROR_TASK_NOT_SUPPORTED", answered=False),
        unknown(),
    ],
)
def test_other_refusals_say_nothing_of_the_type(error: ServiceError) -> None:
    known = Known()
    assert not known.health.falls_back(FIRST, error)
    assert known.health.task_type == FIRST


# Other processes


def test_what_is_learnt_is_passed_on_once() -> None:
    known = Known()
    shared: list[ServiceError] = []
    known.health.share = shared.append
    known.learn(block(), block(), AccountError("empty", answered=True))
    known.learn(AccountError("empty", answered=True), TaskFailed("no"))
    assert [type(error) for error in shared] == [BlockedError, AccountError]


@pytest.mark.parametrize("error", [block(), AccountError("empty", answered=True)])
def test_what_is_heard_counts_and_is_not_passed_on(error: ServiceError) -> None:
    known = Known()
    shared: list[ServiceError] = []
    known.health.share = shared.append
    known.health.hear(error)
    assert type(known.forbids()) is type(error)
    assert shared == []


# Proxies that the service cannot use

GOOD, BAD = (parse_proxy(f"http://ann:word@{name}.example:8080") for name in "gb")


def proxy_failed() -> ProxyFailed:
    return ProxyFailed("no use", code="ERROR_PROXY_BANNED", answered=True)


def is_proxy_allowed(known: Known, proxy: Proxy | None) -> bool:
    try:
        known.health.check_proxy(proxy)
    except ProxyFailed:
        return False
    return True


def test_a_proxy_that_fails_in_a_row_rests_for_the_cooldown() -> None:
    known = Known(max_failures=3, cooldown=60)
    for _ in range(2):
        known.health.learn_proxy(proxy_failed(), BAD)
    assert is_proxy_allowed(known, BAD)
    known.health.learn_proxy(proxy_failed(), BAD)
    assert not is_proxy_allowed(known, BAD)
    assert is_proxy_allowed(known, GOOD)
    assert is_proxy_allowed(known, None)
    ((level, told),) = known.told
    assert level == logging.WARNING
    assert "No task by the proxy http://b.example:8080 for 60 s" in told
    assert "word" not in told
    known.now += 61
    assert is_proxy_allowed(known, BAD)
    known.health.learn_proxy(proxy_failed(), BAD)
    assert not is_proxy_allowed(known, BAD)  # one failure is enough from then on
    assert len(known.told) == 1


def test_a_proxy_that_has_worked_begins_anew() -> None:
    known = Known(max_failures=2, cooldown=60)
    known.health.learn_proxy(proxy_failed(), BAD)
    known.health.proxy_worked(BAD)
    known.health.learn_proxy(proxy_failed(), BAD)
    assert is_proxy_allowed(known, BAD)


def test_other_failures_are_not_the_proxys() -> None:
    known = Known(max_failures=1)
    known.health.learn_proxy(TaskFailed("no", answered=True), BAD)
    known.health.learn_proxy(proxy_failed(), None)
    known.health.proxy_worked(None)
    assert is_proxy_allowed(known, BAD)


def test_each_page_gets_an_error_of_its_own_for_the_proxy_too() -> None:
    known = Known(max_failures=1)
    error = proxy_failed()
    known.health.learn_proxy(error, BAD)
    error.response = HtmlResponse(SITE)
    with pytest.raises(ProxyFailed) as caught:
        known.health.check_proxy(BAD)
    assert caught.value.response is None
    assert caught.value.code == "ERROR_PROXY_BANNED"


def test_the_proxies_that_are_remembered_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health_module, "MAX_PROXIES", 2)
    known = Known(max_failures=1)
    many = [parse_proxy(f"http://p{number}.example:1") for number in range(3)]
    for proxy in many:
        known.health.learn_proxy(proxy_failed(), proxy)
    assert [is_proxy_allowed(known, proxy) for proxy in many] == [True, False, False]
