"""The requests that are sent again: the original, the gate, the hop of a redirect."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import (
    parse_qsl,
    unquote_plus,
    urldefrag,
    urlencode,
    urljoin,
    urlsplit,
    urlunsplit,
)

from scrapy.http.request import NO_CALLBACK
from w3lib.url import safe_url_string

from scrapy_onecaptcha._redact import any_spelling
from scrapy_onecaptcha.crawl import request_meta
from scrapy_onecaptcha.crawl.session_key import GOTO

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Headers, Response

    from scrapy_onecaptcha.crawl.request_meta import Role

__all__ = [
    "ONCE",
    "added_to",
    "give_back",
    "hop",
    "inherit",
    "is_safe",
    "original",
    "redirect_target",
    "refetch",
    "replay",
    "retry",
    "url_without",
    "with_query",
]

#: Status codes after which a browser goes on with a GET, without the form's fields.
GET_REDIRECTS = (301, 302, 303)

#: A token must leave once: Scrapy may neither repeat nor redirect nor store it.
ONCE = {
    "dont_retry": True,
    "dont_redirect": True,
    "handle_httpstatus_all": True,
    "dont_cache": True,
    # The target was checked against the scope of this middleware already.
    "allow_offsite": True,
}


#: Headers that a cache below this middleware may have added.
CONDITIONAL = ("If-None-Match", "If-Modified-Since")


def is_safe(request: Request) -> bool:
    """Tell whether *request* changes nothing at the site, however often it is sent."""
    return request.method in ("GET", "HEAD", "OPTIONS")


def original(request: Request) -> Request:
    """Return the request that the spider made, of which *request* may be a redirect."""
    first = request_meta.first_of(request)
    if first["url"] == request.url and first.get("method", "GET") == request.method:
        return request
    meta = request_meta.mark(request, "replay")
    meta[request_meta.KEY] = request.meta.get(request_meta.KEY, {})
    headers = request.headers.__class__(first.get("headers", request.headers))
    # HttpProxyMiddleware has taken the credentials out of meta since, and the redirect
    # may have come by another proxy.
    headers.pop("Proxy-Authorization", None)
    proxied = request.headers.get("Proxy-Authorization")
    if proxied is not None:
        headers["Proxy-Authorization"] = proxied
    return request.replace(
        url=first["url"],
        method=first.get("method", "GET"),
        body=first.get("body", b""),
        headers=headers,
        priority=first.get("priority", request.priority),
        meta=meta,
    )


def replay(
    request: Request,
    role: Role = "replay",
    user_agent: str | None = None,
    *,
    cached: bool = False,
) -> Request:
    """Return *request* to be sent once more, without a token.

    Its answer is for us: the callback gets it by the spider's own request, so that a
    middleware which prepares what a callback is given does so once. Its ``cookies`` are
    left out: the jar has them, and would take the old values over the clearance that
    the site has set since.

    Args:
        request: the spider's, or the one that a redirect made of it.
        role: what it is for.
        user_agent: in place of the session's.
        cached: whether the HTTP cache keeps gates out, and so may have it.
    """
    meta = request_meta.mark(request, role, user_agent)
    if not cached:
        meta["dont_cache"] = True
    return request.replace(
        meta=meta,
        cookies={},
        headers=_unconditional(request),
        callback=NO_CALLBACK,
    )


def retry(request: Request, *, cached: bool = False) -> Request:
    """Return *request* to be sent once more as Scrapy retries one.

    It may leave by another proxy: many middlewares give a new one to each request, some
    only to what is retried.
    """
    again = replay(request, cached=cached)
    again.meta["retry_times"] = 1
    return again


def _unconditional(request: Request) -> Headers:
    """Return the headers of *request* without what a cache has put in.

    A site answers those by a bare 304.
    """
    first = request_meta.first_of(request).get("headers", {})
    headers = request.headers.copy()
    for name in CONDITIONAL:
        if name.encode() not in first and name not in first:
            headers.pop(name, None)
    return headers


def give_back(request: Request) -> Request:
    """Return *request* for the scheduler, to be crawled when the crawl goes on.

    The dupefilter knows it already, and it was on site when it first came.
    """
    first = request_meta.first_of(request)
    meta = {
        name: value for name, value in request.meta.items() if name != request_meta.KEY
    }
    meta[request_meta.KEY] = {"first": first, "sent": request.url, "given_back": True}
    return request.replace(meta=meta, dont_filter=True)


def inherit(request: Request, page: Response) -> None:
    """Give *request* what the download of its *page* has put into ``meta``.

    Such as ``download_latency``, ``redirect_urls`` or scrapy-playwright's page: a
    callback finds there what it would have found without a gate. What led on from a
    submission is left out: its URL may hold the token.
    """
    sent = page.request
    if sent is None or sent is request:
        return
    ours = {request_meta.KEY, "dont_cache", GOTO, *ONCE}
    if request_meta.role_of(sent) == "submission":
        ours.update(request_meta.REDIRECTS)
    request.meta.update(
        (name, value) for name, value in sent.meta.items() if name not in ours
    )


def refetch(request: Request, user_agent: str | None) -> Request:
    """Return a request for the same gate page that *request* brought."""
    return replay(request, "refetch", user_agent)


def redirect_target(response: Response) -> str | None:
    """Return where a browser would go on with a GET, or ``None``."""
    location = response.headers.get("Location")
    if response.status not in GET_REDIRECTS or not location:
        return None
    try:
        target = urljoin(response.url, safe_url_string(location))
        urlsplit(target).port  # noqa: B018  (raises for what is no port)
    except ValueError:  # a site may send any nonsense
        return None
    return target


def hop(submission: Request, url: str, token: str) -> Request:
    """Return the GET of *url* that follows a submission; it carries no *token*."""
    headers = submission.headers.copy()
    for name in ("Content-Type", "Content-Length", "Origin", "Referer"):
        headers.pop(name, None)
    spelled = any_spelling(token)
    for name in list(headers):
        values = headers.getlist(name)
        if any(spelled.search(value.decode("latin-1")) for value in values):
            del headers[name]
    url = urldefrag(url_without(token, url)).url
    if urlsplit(url).netloc != urlsplit(submission.url).netloc:
        for name in ("Authorization", "Cookie"):
            headers.pop(name, None)
    return submission.replace(
        url=url, method="GET", body=b"", headers=headers, callback=NO_CALLBACK
    )


def url_without(token: str, url: str) -> str:
    """Return *url* without the fields of its query that hold *token*.

    The address of a form without an action is that of its page, query and all; and a
    site may lead on with the query that it was sent.
    """
    parts = urlsplit(url)
    fields = parts.query.split("&")
    kept = "&".join(field for field in fields if token not in unquote_plus(field))
    return urlunsplit(parts._replace(query=kept)) if kept != parts.query else url


def with_query(url: str, pairs: tuple[tuple[str, str], ...]) -> str:
    """Return *url* with those of *pairs* in its query that it lacks."""
    parts = urlsplit(url)
    held = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    added = urlencode([pair for pair in pairs if pair[0] not in held])
    if not added:
        return url
    query = f"{parts.query}&{added}" if parts.query else added
    return urlunsplit(parts._replace(query=query))


def added_to(asked: str, got: str) -> tuple[tuple[str, str], ...]:
    """Return what the query of *got* has that the one of *asked* has not."""
    held = {
        name for name, _ in parse_qsl(urlsplit(asked).query, keep_blank_values=True)
    }
    pairs = parse_qsl(urlsplit(got).query, keep_blank_values=True)
    return tuple(pair for pair in pairs if pair[0] not in held)
