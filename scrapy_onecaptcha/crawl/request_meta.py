"""What this package keeps in ``request.meta``: one plain dict, ``_onecaptcha``.

It survives redirects, retries, pickling and external schedulers, which all copy or
store ``meta``. A page's callback never sees it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from scrapy_onecaptcha.request_options import NOTES

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response

__all__ = [
    "KEY",
    "REDIRECTS",
    "Role",
    "borrow",
    "by_way_of",
    "first_of",
    "forget",
    "had_no_cookies",
    "is_evidence",
    "keep_way",
    "mark",
    "pin",
    "reached",
    "resume",
    "role_of",
    "stamp",
    "stamp_of",
    "was_given_back",
]

#: The key of the dict.
KEY = NOTES

#: What a request of our own is for; a crawl's request has none. A *look* asks for the
#: page after a token, a *replay* on another's clearance. A *script* is something
#: that the scripts of a page need.
Role = Literal["submission", "look", "replay", "refetch", "script"]

#: Set by Scrapy's redirects.
REDIRECTS = ("redirect_ttl", "redirect_times", "redirect_urls", "redirect_reasons")

#: Set by the download of a page and without a meaning for the next one.
_TRANSIENT = (
    *REDIRECTS,
    "retry_times",
    "download_slot",
    "download_latency",
    "cached_response",
    "cache_timestamp",
    "_dont_cache",
)

#: What says by which proxy a request leaves: the spider's own word, and what
#: HttpProxyMiddleware has made of it.
_WAY = ("proxy", "_auth_proxy", "_scheme_proxy", "download_slot")
_WAY_HEADER = "Proxy-Authorization"


def stamp(request: Request, generation: int) -> dict[str, Any]:
    """Note on *request*, as it leaves, the last clearance that the crawl has had.

    What it was when it was first sent is noted once: a redirect may turn its POST into
    a GET and lead it to another page.
    """
    state: dict[str, Any] = request.meta.get(KEY) or {}
    if not _is_about(state, request):
        state = {"first": _first(request)}
    elif "generation" in state and state.get("sent") != request.url:
        # A redirect that was under way: what led it here knew of no newer one.
        generation = min(generation, state["generation"])
    state = {**state, "generation": generation, "sent": request.url}
    for name in ("reached", "asked"):
        state.pop(name, None)
    request.meta[KEY] = state
    return state


def stamp_of(request: Request) -> int:
    """Return the last clearance that there was when *request* left."""
    state: dict[str, Any] = request.meta.get(KEY) or {}
    return int(state.get("generation", 0))


def had_no_cookies(request: Request) -> bool:
    """Tell whether *request*, or what a redirect made it of, left without a cookie."""
    return bool((request.meta.get(KEY) or {}).get("bare"))


def reached(request: Request) -> None:
    """Note that *request* is on its way to the site, and not answered by a cache."""
    state = request.meta.get(KEY)
    if state is not None:
        state["reached"] = True


def is_evidence(request: Request, response: Response) -> bool:
    """Tell whether the site itself had a part in *response*.

    A page that a cache has shown says nothing of a clearance; one that the site has
    confirmed (304) does.
    """
    if "cached" not in response.flags:
        return True
    return bool((request.meta.get(KEY) or {}).get("reached"))


def _is_about(state: dict[str, Any], request: Request) -> bool:
    """Tell whether *state* was made for *request*, not copied from another's meta."""
    if "role" in state:
        return True
    # A retry is sent to the same URL, a redirect knows where it came from.
    urls = request.meta.get("redirect_urls") or ()
    return "first" in state and state.get("sent") in (request.url, *urls[-1:])


def _first(request: Request) -> dict[str, Any]:
    first: dict[str, Any] = {"url": request.url, "priority": request.priority}
    if request.method != "GET" or request.body:
        first["method"] = request.method
        first["body"] = request.body
    # A redirect drops Referer, and Authorization where it leads to another host.
    first["headers"] = dict(request.headers)
    if "download_slot" in request.meta:
        first["download_slot"] = request.meta["download_slot"]
    return first


def first_of(request: Request) -> dict[str, Any]:
    """Return what *request* was when it was first sent.

    Keys: ``url``, ``priority``, ``headers`` and, where they say something, ``method``,
    ``body`` and ``download_slot``.
    """
    state = request.meta.get(KEY) or {}
    first: dict[str, Any] = state.get("first") or _first(request)
    return first


def role_of(request: Request) -> Role | None:
    """Return what *request* is for, or ``None`` if it is one of the crawl's own."""
    state = request.meta.get(KEY)
    return state.get("role") if state else None


def mark(request: Request, role: Role, user_agent: str | None = None) -> dict[str, Any]:
    """Return the meta of a request of our own made from *request*.

    With a *user_agent*, it is sent with that one, whatever its session has.
    """
    meta = {
        name: value for name, value in request.meta.items() if name not in _TRANSIENT
    }
    first = first_of(request)
    if "download_slot" in first:
        meta["download_slot"] = first["download_slot"]
    meta[KEY] = {"role": role, "user_agent": user_agent}
    return meta


def pin(request: Request) -> Request:
    """Note on *request*, one of our own, by which proxy it is to leave; return it."""
    way = {name: request.meta[name] for name in _WAY if name in request.meta}
    way[_WAY_HEADER] = request.headers.get(_WAY_HEADER)
    request.meta[KEY]["way"] = way
    return request


def keep_way(request: Request) -> None:
    """Have *request* leave as it was pinned, if it was.

    Many middlewares give another proxy to every request that passes them, but what a
    site grants to one proxy opens nothing to the next. Only what Scrapy retries is let
    go: its proxy may be the reason.
    """
    way = (request.meta.get(KEY) or {}).get("way")
    if way is None or "retry_times" in request.meta:
        return
    for name in _WAY:
        if name in way:
            request.meta[name] = way[name]
        else:
            request.meta.pop(name, None)
    if way[_WAY_HEADER] is None:
        request.headers.pop(_WAY_HEADER, None)
    else:
        request.headers[_WAY_HEADER] = way[_WAY_HEADER]


def by_way_of(request: Request, sent: Request) -> Request:
    """Return *request* with the proxy that *sent* has left by."""
    names = [name for name in _WAY if name != "download_slot"]
    meta = {name: value for name, value in request.meta.items() if name not in names}
    meta.update((name, sent.meta[name]) for name in names if name in sent.meta)
    headers = request.headers.copy()
    headers.pop(_WAY_HEADER, None)
    credentials = sent.headers.get(_WAY_HEADER)
    if credentials is not None:
        headers[_WAY_HEADER] = credentials
    return request.replace(meta=meta, headers=headers)


def was_given_back(request: Request) -> bool:
    """Tell whether *request* went back to the scheduler when a run stopped."""
    return "given_back" in (request.meta.get(KEY) or ())


def resume(request: Request) -> None:
    """Note that *request*, which an earlier run gave back, is on its way again."""
    state = request.meta[KEY]
    request.meta[KEY] = {n: v for n, v in state.items() if n != "given_back"}


def borrow(request: Request, **meta: Any) -> None:
    """Set keys of ``request.meta`` until the response is delivered."""
    state = request.meta.setdefault(KEY, {})
    new = {name: value for name, value in meta.items() if name not in request.meta}
    state["borrowed"] = [*state.get("borrowed", ()), *new]
    request.meta.update(new)


def forget(request: Request) -> None:
    """Remove all that this package has put into ``request.meta``."""
    state = request.meta.pop(KEY, None)
    for name in (state or {}).get("borrowed", ()):
        request.meta.pop(name, None)
