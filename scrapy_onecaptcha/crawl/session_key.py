"""Names the session of a request: its site, cookiejar and proxy."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from scrapy.utils.httpobj import urlparse_cached

if TYPE_CHECKING:
    from collections.abc import Hashable
    from urllib.parse import ParseResult, SplitResult

    from scrapy import Request

__all__ = ["GOTO", "SessionKey", "is_in_browser", "session_key", "site_of"]

#: The key of ``meta`` by which scrapy-playwright is told how to go to a page.
GOTO = "playwright_page_goto_kwargs"


class SessionKey(NamedTuple):
    """Names a session.

    Attributes:
        site: scheme and netloc.
        cookiejar: the request's ``meta["cookiejar"]``; for scrapy-playwright, the
            context of the browser, which has cookies of its own.
        proxy: host of the proxy and a hash of the credentials; ``""`` for none, or for
            the environment's, which is the same all through a crawl.
    """

    site: str
    cookiejar: Hashable
    proxy: str

    @property
    def host(self) -> str:
        """The host of the site, without its port."""
        return urlsplit(self.site).hostname or ""


def session_key(request: Request, auth_encoding: str = "latin-1") -> SessionKey:
    """Return the session that *request* belongs to.

    Args:
        request: of the crawl.
        auth_encoding: ``HTTPPROXY_AUTH_ENCODING``.
    """
    site = site_of(urlparse_cached(request))
    proxy = _proxy_identity(request, auth_encoding)
    return SessionKey(site, _cookiejar(request), proxy)


def site_of(url: SplitResult | ParseResult) -> str:
    """Return scheme and netloc of *url*."""
    return f"{url.scheme}://{url.netloc}"


def is_in_browser(request: Request) -> bool:
    """Tell whether scrapy-playwright's browser downloads *request*."""
    return bool(request.meta.get("playwright"))


def _cookiejar(request: Request) -> Hashable:
    if is_in_browser(request):
        return "playwright", request.meta.get("playwright_context", "default")
    jar: Hashable = request.meta.get("cookiejar")
    return jar


def _proxy_identity(request: Request, auth_encoding: str) -> str:
    """Return the same before and after HttpProxyMiddleware has seen *request*.

    It moves the credentials from the URL to a header, and marks the proxies that come
    from the environment by ``_scheme_proxy``.
    """
    proxy = request.meta.get("proxy")
    if not proxy or request.meta.get("_scheme_proxy"):
        return ""
    # By hand, because a password may have characters that no URL may have.
    netloc = re.split(r"[/?#]", proxy.split("//", 1)[-1], maxsplit=1)[0]
    user_info, _, host = netloc.rpartition("@")
    name, _, password = user_info.partition(":")
    if name:  # without a user that middleware drops the password, too
        user = f"{unquote(name)}:{unquote(password)}"
        encoded = user.encode(auth_encoding, "replace")
        credentials = b"Basic " + base64.b64encode(encoded)
    else:
        credentials = request.headers.get("Proxy-Authorization") or b""
    digest = hashlib.sha256(credentials).hexdigest()[:12] if credentials else ""
    return f"{host}#{digest}"
