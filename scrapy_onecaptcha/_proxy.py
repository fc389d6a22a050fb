"""The address of a proxy, as users write it and as the service takes it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from scrapy_onecaptcha._redact import Secret

__all__ = ["Proxy", "parse_proxy"]

_PORTS = {"http": 80, "https": 443, "socks4": 1080, "socks5": 1080}
#: Schemes that say where a host name is resolved, which the service does anyway.
_ALIASES = {"socks": "socks5", "socks4a": "socks4", "socks5h": "socks5"}
_ADDRESS = re.compile(
    r"(?:(?P<scheme>[a-z0-9]+)://)?(?:(?P<user_info>.*)@)?"
    r"(?:\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<host>[a-z0-9_.-]+))(?::(?P<port>[0-9]{1,5}))?/?",
    re.IGNORECASE | re.DOTALL,
)
_MAX_URL = 4096
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy that a task names.

    Attributes:
        scheme: ``http``, ``https``, ``socks4`` or ``socks5``.
        host: a name or an address, an IPv6 one without brackets.
        port: TCP port.
        login: user name, empty where there is none.
        password: empty where there is none.
    """

    scheme: str
    host: str
    port: int
    login: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        """Return the address without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether only this machine or network can reach it."""
        try:
            return not ipaddress.ip_address(self.host).is_global
        except ValueError:
            return "." not in self.host or self.host.lower().endswith(".local")


def parse_proxy(url: str) -> Proxy:
    """Return the proxy that *url* names; without a scheme it is an ``http`` one.

    The password may hold characters that a URL has to encode, as Scrapy accepts them.

    Raises:
        ValueError: it names no proxy that the service could use.
    """
    found = _ADDRESS.fullmatch(url.strip()) if len(url) <= _MAX_URL else None
    if found is None:
        raise ValueError
    scheme = (found["scheme"] or "http").lower()
    scheme = _ALIASES.get(scheme, scheme)
    if scheme not in _PORTS:
        raise ValueError
    if found["ipv6"]:
        ipaddress.IPv6Address(found["ipv6"])
    port = int(found["port"] or _PORTS[scheme])
    if not 0 < port <= _MAX_PORT:
        raise ValueError
    login, _, password = (found["user_info"] or "").partition(":")
    return Proxy(
        scheme=scheme,
        host=(found["ipv6"] or found["host"]).lower(),
        port=port,
        login=Secret(unquote(login)),
        password=Secret(unquote(password)),
    )
