"""Which cookies a site granted, out of Scrapy's jar as JSON and back into one.

A clearance is the cookies that the site set or changed from its gate's answer to the
page. Older ones, of a login or a cart, are neither stored nor overwritten.
"""

from __future__ import annotations

from http.cookiejar import Cookie
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["CookieKey", "granted", "inject", "lifetime", "older"]

#: A host name without a dot gets this one in a jar.
LOCAL = ".local"


class CookieKey(NamedTuple):
    """Names a cookie in a jar."""

    domain: str
    path: str
    name: str


def _key(cookie: Cookie) -> CookieKey:
    return CookieKey(cookie.domain, cookie.path, cookie.name)


def _is_for(domain: str, host: str) -> bool:
    """Tell whether a cookie of *domain* may be sent to *host*."""
    name = domain.removeprefix(".")
    return host in (domain, name) or host.endswith(f".{name}") or host + LOCAL == domain


def _of_host(jar: Iterable[Cookie], host: str) -> Iterator[Cookie]:
    return (cookie for cookie in jar if _is_for(cookie.domain, host))


def older(jar: Iterable[Cookie], host: str) -> dict[CookieKey, str | None]:
    """Return the cookies of *jar* that would be sent to *host* now, with their values.

    Args:
        jar: of the session, once the gate's answer has come.
        host: of the site.
    """
    return {_key(cookie): cookie.value for cookie in _of_host(jar, host)}


def granted(
    jar: Iterable[Cookie], host: str, before: Mapping[CookieKey, str | None]
) -> tuple[dict[str, object], ...]:
    """Return what was set or changed since the gate, as JSON.

    Args:
        jar: of the session, once the page has come.
        host: of the site.
        before: what was older than the gate (`older`).
    """
    return tuple(
        _to_json(cookie)
        for cookie in _of_host(jar, host)
        if _key(cookie) not in before or before[_key(cookie)] != cookie.value
    )


def _to_json(cookie: Cookie) -> dict[str, object]:
    data = dict(vars(cookie))
    data["rest"] = data.pop("_rest")
    return data


def lifetime(
    cookies: Iterable[Mapping[str, object]], now: float, max_age: float
) -> float:
    """Return for how many seconds a clearance may be kept.

    No longer than the last of its cookies lasts; one without an end lasts as long as
    may be.

    Args:
        cookies: of the clearance, as JSON.
        now: the time that the cookies go by, in seconds since 1970.
        max_age: the longest that is allowed.
    """
    ends = [cookie.get("expires") for cookie in cookies]
    known = [end for end in ends if isinstance(end, int | float)]
    if not ends or len(known) < len(ends):
        return max_age
    return min(max_age, max(known) - now)


def inject(
    jar: Any,
    host: str,
    cookies: Iterable[Mapping[str, object]],
    keep: Iterable[CookieKey] = (),
) -> list[CookieKey]:
    """Put *cookies* of a clearance into *jar*; return the keys of those that were put.

    Args:
        jar: of the session.
        host: of the site; cookies of others are left out.
        cookies: as JSON.
        keep: keys of cookies in the jar that must not be overwritten.
    """
    kept = frozenset(keep)
    put = []
    for data in cookies:
        cookie = _from_json(data)
        if cookie and _is_for(cookie.domain, host) and _key(cookie) not in kept:
            jar.set_cookie(cookie)
            put.append(_key(cookie))
    return put


#: Attributes of a cookie, with the types that they may have.
_TYPES: dict[str, tuple[type, ...]] = {
    "version": (int, type(None)),
    "name": (str,),
    "value": (str, type(None)),
    "port": (str, type(None)),
    "port_specified": (bool,),
    "domain": (str,),
    "domain_specified": (bool,),
    "domain_initial_dot": (bool,),
    "path": (str,),
    "path_specified": (bool,),
    "secure": (bool,),
    "expires": (int, float, type(None)),
    "discard": (bool,),
    "comment": (str, type(None)),
    "comment_url": (str, type(None)),
    "rest": (dict,),
    "rfc2109": (bool,),
}


def _from_json(data: Mapping[str, object]) -> Cookie | None:
    """Return a cookie, or ``None`` for data of another format."""
    if data.keys() != _TYPES.keys():
        return None
    if not all(isinstance(data[name], types) for name, types in _TYPES.items()):
        return None
    attributes: dict[str, Any] = dict(data)
    try:
        return Cookie(**attributes)
    except (ValueError, OverflowError):
        return None
