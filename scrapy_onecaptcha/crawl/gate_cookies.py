"""The cookies that gates set, which must not end the session that is being solved.

A request carries the cookies that there were when it was queued. To a visitor without
its cookie a site gives a new one, and with it another session. But the form that is
being solved belongs to the first, and so may a clearance: a browser that goes from
page to page has no other.

A browser that downloads for Scrapy has a jar of its own: there nothing is put back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from scrapy_onecaptcha.crawl.cookie_headers import set_cookies_of
from scrapy_onecaptcha.crawl.session_key import is_in_browser

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response

    from scrapy_onecaptcha.crawl.engine import Engine

__all__ = ["GateCookies"]


class GateCookies:
    """Puts cookies back into the jars of a crawl.

    Args:
        engine: the crawl's.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._replaced: WeakKeyDictionary[Request, dict[Any, Any]] = WeakKeyDictionary()

    def note(self, request: Request, response: Response) -> None:
        """Note which cookies *response*, just downloaded, is about to replace.

        Only those that *request* did not carry: a site may replace what it was sent.
        """
        names = {name for name, _ in set_cookies_of(response)}
        if not names or is_in_browser(request):
            return
        unsent = self._engine.unsent_cookies(request)
        replaced = {
            key: cookie
            for key, cookie in self._engine.cookies(request).items()
            if cookie.name in names and (cookie.name, cookie.value) in unsent
        }
        if replaced:
            self._replaced[request] = replaced

    def put_back(self, request: Request, gate: Response) -> None:
        """Put back what *gate*, the response to *request*, has replaced."""
        replaced = self._replaced.pop(request, {})
        jar = self._engine.cookie_jar(request)
        if not replaced or jar is None:
            return
        now, came = self._engine.cookies(request), set_cookies_of(gate)
        for key, cookie in replaced.items():
            newest = now.get(key)
            if newest is None or (newest.name, newest.value) in came:
                jar.set_cookie(cookie)
