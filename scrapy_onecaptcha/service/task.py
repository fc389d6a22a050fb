"""What the service is asked to solve, and by which proxy."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scrapy_onecaptcha._redact import Secret
from scrapy_onecaptcha.models import Proxy, parse_proxy
from scrapy_onecaptcha.settings import TASK_TYPES

if TYPE_CHECKING:
    from scrapy import Request

__all__ = ["Task", "proxy_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the service is asked to solve.

    Attributes:
        url: of the page; sent without its user-info and fragment.
        sitekey: of the widget, a UUID.
        user_agent: the one that the page was fetched with; sent where there is one.
        invisible: whether the widget is the invisible one; sent where it is.
        rqdata: what the site hands to the widget (Enterprise); sent where there is any.
        type: the service's name for this type of task.
        proxy: the proxy that the page was fetched by. It is sent only as
            ``ONECAPTCHA_TASK_PROXY`` says, which the solver applies.
    """

    url: str
    sitekey: str
    user_agent: str | None = None
    invisible: bool = False
    rqdata: str | None = field(default=None, repr=False)
    type: str = TASK_TYPES[0]
    proxy: Proxy | None = None

    def payload(self) -> dict[str, Any]:
        """Return the ``task`` object of the service's description."""
        payload: dict[str, Any] = {
            "type": self.type,
            "websiteURL": _public_url(self.url),
            "websiteKey": self.sitekey,
        }
        if self.user_agent:
            payload["userAgent"] = self.user_agent
        if self.invisible:
            payload["isInvisible"] = True
        if self.rqdata:
            payload["rqdata"] = self.rqdata
        if self.proxy is not None:
            payload |= _proxy_fields(self.proxy)
        return payload


def _proxy_fields(proxy: Proxy) -> dict[str, Any]:
    """Return *proxy* as the service's other types of task take it."""
    fields: dict[str, Any] = {
        "proxyType": proxy.scheme,
        "proxyAddress": proxy.host,
        "proxyPort": proxy.port,
    }
    if proxy.login:
        fields["proxyLogin"] = proxy.login
    if proxy.password:
        fields["proxyPassword"] = proxy.password
    return fields


def proxy_of(request: Request, auth_encoding: str = "latin-1") -> Proxy | None:
    """Return the proxy that *request* was sent by, if it names one.

    Scrapy's HttpProxyMiddleware has moved the credentials from the URL to a header by
    then, and has filled in the proxy that the environment names.

    Args:
        request: of the crawl, as it was downloaded.
        auth_encoding: ``HTTPPROXY_AUTH_ENCODING``.
    """
    url = request.meta.get("proxy")
    if not isinstance(url, str):
        return None
    try:
        proxy = parse_proxy(url)
    except ValueError:
        return None
    header = request.headers.get("Proxy-Authorization")
    if header is None:
        return proxy
    login, password = _credentials(header, auth_encoding)
    return Proxy(
        scheme=proxy.scheme,
        host=proxy.host,
        port=proxy.port,
        login=Secret(login),
        password=Secret(password),
    )


def _credentials(header: bytes, encoding: str) -> tuple[str, str]:
    """Return login and password of a Basic ``Proxy-Authorization`` header."""
    scheme, _, encoded = header.partition(b" ")
    if scheme.lower() != b"basic":
        return "", ""
    try:
        login, _, password = base64.b64decode(encoded).partition(b":")
    except binascii.Error:
        return "", ""
    return login.decode(encoding, "replace"), password.decode(encoding, "replace")


def _public_url(url: str) -> str:
    return re.sub(r"^([a-zA-Z][\w+.-]*://)[^/?#]*@", r"\1", url).partition("#")[0]
