"""What the service's error codes mean: the error that each raises, and what to do."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from scrapy_onecaptcha.exceptions import (
    AccountError,
    BadTaskError,
    BlockedError,
    ProxyFailed,
    ServiceError,
    SiteRefusedError,
    TaskFailed,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "BLOCK_SECONDS",
    "PREFIXES",
    "RULES",
    "TYPE_CODES",
    "Rule",
    "family",
    "rule",
    "stated_seconds",
]

BLOCK_SECONDS = (1.0, 3600.0)  # the least and the most that a stated block is taken for


class Rule(NamedTuple):
    """What an error code of the service means: the error raised, and what to do."""

    error: type[ServiceError]
    advice: str


_KEY = Rule(AccountError, "the key is not known there; check ONECAPTCHA_API_KEY")
_RIGHTS = Rule(AccountError, "the key may not be used for this; ask the service why")
_EMPTY = Rule(AccountError, "the account is out of points; top it up")
_CHARGE = Rule(AccountError, "the account could not be charged; check its balance")
_BANNED = Rule(AccountError, "the account is suspended; ask the service why")
_ADDRESS = Rule(AccountError, "this machine's address is not on the account's list")
_BLOCKED = Rule(BlockedError, "the service blocks this client for a time; wait")
_BAD = Rule(BadTaskError, "the service finds the call malformed; do not repeat it")
_IMAGE = Rule(BadTaskError, "the service took the task for one with an image")
_TYPE = Rule(SiteRefusedError, "the service does not offer this type of task")
_SITE = Rule(SiteRefusedError, "the service does not solve for this site or sitekey")
_NO_SLOT = Rule(Unavailable, "the service has no free worker; try again later")
_THREADS = Rule(Unavailable, "too many tasks open; lower ONECAPTCHA_CONCURRENT_TASKS")
_FAULT = Rule(Unavailable, "a passing fault of the service; try again later")
_RATE = Rule(Unavailable, "the service asks for fewer calls; try again later")
_FAILED = Rule(TaskFailed, "the service gave this task up; another one may succeed")
_PROXY = Rule(ProxyFailed, "the service could not use the proxy of this task")
_UNKNOWN = Rule(ServiceError, "this client does not know that error; not retried")

#: Every known code. The service's description of its hCaptcha task has no list; these
#: are the codes of its other descriptions and of the protocol family, which also
#: misspells some.
RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "ERROR_KEY_DOES_NOT_EXIST": _KEY,
        "ERROR_WRONG_USER_KEY": _KEY,
        "ERROR_CLIENTKEY_UNAUTHORIZED": _RIGHTS,
        "ERROR_KEY_DENIED_ACCESS": _RIGHTS,
        "ERROR_ZERO_BALANCE": _EMPTY,
        "ERROR_ZERO_POINT": _EMPTY,
        "ERROR_SETTLEMENT_FAILED": _CHARGE,
        "ERROR_KEY_BANNED": _BANNED,
        "ERROR_ACCOUNT_SUSPENDED": _BANNED,
        "ERROR_IP_NOT_ALLOWED": _ADDRESS,
        "ERROR_IP_BANNED": _BLOCKED,
        "ERROR_IP_BLOCKED": _BLOCKED,
        "ERROR_KEY_TEMP_BLOCKED": _BLOCKED,
        "ERROR_REQUIRED_FIELDS": _BAD,
        "ERROR_BAD_REQUEST": _BAD,
        "ERROR_PAGE_NOT_FOUND": _BAD,
        "ERROR_INVALID_TASK_DATA": _BAD,
        "ERROR_TASK_ABSENT": _BAD,
        "ERROR_NO_SUCH_METHOD": _BAD,
        "ERROR_BAD_PARAMETERS": _BAD,
        "ERROR_TOO_BIG_CAPTCHA_FILESIZE": _IMAGE,
        "ERROR_IMAGE_TYPE_NOT_SUPPORTED": _IMAGE,
        "ERROR_TASK_NOT_SUPPORTED": _TYPE,
        "ERROR_TASK_TYPE_DEPRECATED": _TYPE,
        "ERROR_DOMAIN_NOT_ALLOWED": _SITE,
        "ERROR_RECAPTCHA_INVALID_SITEKEY": _SITE,
        "ERROR_RECAPTCHA_INVALID_DOMAIN": _SITE,
        "ERROR_NO_SLOT_AVAILABLE": _NO_SLOT,
        "ERROR_THREADS_MAXIMUM": _THREADS,
        "ERROR_SERVICE_UNAVALIABLE": _FAULT,
        "ERROR_SERVICE_UNAVAILABLE": _FAULT,
        "ERROR_INTERNAL_SERVER_ERROR": _FAULT,
        "ERROR_INVOCATION_SERVICE": _FAULT,
        "ERROR_RATE_LIMIT": _RATE,
        "ERROR_TOO_MUCH_REQUESTS": _RATE,
        "ERROR_CAPTCHA_UNSOLVABLE": _FAILED,
        "ERROR_TASK_TIMEOUT": _FAILED,
        "ERROR_TASKID_INVALID": _FAILED,
        "ERROR_NO_SUCH_CAPCHA_ID": _FAILED,
        "WRONG_CAPTCHA_ID": _FAILED,
        "ERROR_TOKEN_EXPIRED": _FAILED,
        "ERROR_FAILED_LOADING_WIDGET": _FAILED,
        "ERROR_MAXIMUM_TIME_EXCEED": _FAILED,
    }
)

#: Families of codes, told by how they begin (the protocol family).
PREFIXES: Mapping[str, Rule] = MappingProxyType(
    {
        "ERROR_IP_BLOCKED": _BLOCKED,
        "ERROR_NO_SLOT_AVAILABLE": _NO_SLOT,
        "ERROR_PROXY": _PROXY,
    }
)

#: Codes that refuse the type of task, for which there may be another one.
TYPE_CODES = frozenset({"ERROR_TASK_NOT_SUPPORTED", "ERROR_TASK_TYPE_DEPRECATED"})


def rule(code: str) -> Rule:
    """Return what *code* means; for an unknown one a plain `ServiceError`."""
    known = RULES.get(code)
    if known is not None:
        return known
    return next(
        (r for begin, r in PREFIXES.items() if code.startswith(begin)), _UNKNOWN
    )


def family(code: str) -> str:
    """Return *code*, or the prefix of its family; ``""`` for an unknown code."""
    if code in RULES:
        return code
    return next((begin for begin in PREFIXES if code.startswith(begin)), "")


_UNITS = {"s": 1, "秒": 1, "m": 60, "分": 60, "h": 3600, "小": 3600}
_SPAN = re.compile(
    r"(?<![\d.])(\d{1,6})\s*"
    r"(s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)|h(?:ours?)?|秒|分钟?|小时)(?![a-z])"
)


def stated_seconds(text: str) -> float | None:
    """Return the time that *text* states, in seconds; of several their sum."""
    spans = [int(n) * _UNITS[unit[0]] for n, unit in _SPAN.findall(text.lower())]
    if not spans:
        return None
    least, most = BLOCK_SECONDS
    return min(max(float(sum(spans)), least), most)
