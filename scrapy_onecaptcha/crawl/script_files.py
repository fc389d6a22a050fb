"""Fetches what a page's scripts need: external scripts, and data of the same site."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.exceptions import IgnoreRequest
from scrapy.http import TextResponse
from scrapy.http.request import NO_CALLBACK
from twisted.internet.defer import CancelledError

from scrapy_onecaptcha._logging import get_logger
from scrapy_onecaptcha._twisted import Waiters
from scrapy_onecaptcha._values import Recent, is_within
from scrapy_onecaptcha.crawl import request_meta
from scrapy_onecaptcha.crawl.domains import registrable_domain
from scrapy_onecaptcha.crawl.statuses import is_success
from scrapy_onecaptcha.scripts.models import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scrapy.http import Response

    from scrapy_onecaptcha.crawl.engine import Engine

__all__ = ["LIBRARY_HOSTS", "ScriptFiles", "answer_of"]

logger = get_logger(__name__)

# Files of one page that are fetched, and those that are kept for the crawl.
MAX_FILES = 8
MAX_KEPT = 128
# Bytes of one file or answer.
MAX_SIZE = 1_000_000

#: Public hosts of libraries.
LIBRARY_HOSTS = (
    "ajax.aspnetcdn.com",
    "ajax.googleapis.com",
    "cdn.bootcdn.net",
    "cdn.jsdelivr.net",
    "cdn.staticfile.org",
    "cdnjs.cloudflare.com",
    "code.jquery.com",
    "maxcdn.bootstrapcdn.com",
    "stackpath.bootstrapcdn.com",
    "unpkg.com",
)
_ALGORITHMS = ("sha512", "sha384", "sha256")


@dataclass(frozen=True, slots=True)
class _File:
    """A script as its server gave it.

    Attributes:
        code: its text.
        digests: of its bytes, in base64, by algorithm.
    """

    code: str
    digests: Mapping[str, str]

    @classmethod
    def of(cls, response: Response) -> _File:
        digests = {
            name: base64.b64encode(hashlib.new(name, response.body).digest()).decode()
            for name in _ALGORITHMS
        }
        return cls(_text(response), digests)

    def is_intact(self, integrity: str) -> bool:
        """Compare it with the digests that a page names, as a browser does."""
        named = [each.partition("?")[0].partition("-") for each in integrity.split()]
        known = {name for name, _, _ in named}.intersection(_ALGORITHMS)
        if not known:
            return True
        strongest = next(name for name in _ALGORITHMS if name in known)
        return (strongest, "-", self.digests[strongest]) in named


class ScriptFiles:
    """Fetches by the crawl's own downloader, and keeps scripts for the crawl.

    Args:
        engine: the crawl's.
        hosts: where scripts may come from, subdomains included; ``None``: from the
            page's registrable domain and from `LIBRARY_HOSTS`.
    """

    def __init__(self, engine: Engine, hosts: tuple[str, ...] | None) -> None:
        self._engine = engine
        self._hosts = hosts
        self._kept: Recent[str, _File] = Recent(MAX_KEPT)
        self._fetching: dict[str, Waiters] = {}

    async def get(
        self,
        page: TextResponse,
        urls: list[str],
        integrity: Mapping[str, str],
        asked: set[str],
    ) -> dict[str, str]:
        """Return the code of those of *urls* that may be fetched.

        Args:
            page: names them.
            urls: absolute.
            integrity: what the page says of their contents.
            asked: those that the page has asked for already; this adds to it.
        """
        found: dict[str, str] = {}
        for url in urls:
            if url in asked or not self._allows(page.url, url):
                continue
            if len(asked) >= MAX_FILES:
                break
            asked.add(url)
            file = self._kept.get(url) or await self._file(page, url)
            if file is None:
                continue
            # For this page: another may say something else of the same file.
            if file.is_intact(integrity.get(url, "")):
                found[url] = file.code
            else:
                logger.info("%s is not what %s says it is (integrity)", url, page.url)
        return found

    async def answer(self, page: TextResponse, url: str) -> Answer | None:
        """Return the answer to a GET that the page makes, or ``None``."""
        response = await self._fetch(page, url, "*/*")
        return None if response is None else answer_of(response)

    def _allows(self, page: str, url: str) -> bool:
        parts = urlsplit(url)
        here = urlsplit(page)
        if parts.scheme not in ("http", "https"):
            return False
        if here.scheme == "https" and parts.scheme != "https":
            return False  # a browser blocks it
        host, own = parts.hostname or "", here.hostname or ""
        if self._hosts is not None:
            return any(is_within(host, domain) for domain in self._hosts)
        same = registrable_domain(host) == registrable_domain(own)
        return same or host in LIBRARY_HOSTS

    async def _file(self, page: TextResponse, url: str) -> _File | None:
        """Return a script that is not kept; pages that want it together share it."""
        if url in self._fetching:
            await self._fetching[url].wait()
            return self._kept.get(url)
        self._fetching[url] = Waiters()
        try:
            return await self._fetch_file(page, url)
        finally:
            self._fetching.pop(url).wake()

    async def _fetch_file(self, page: TextResponse, url: str) -> _File | None:
        """Fetch a script, and keep it; a failure may be that of this try alone."""
        response = await self._fetch(page, url, "*/*")
        if response is None or not is_success(response.status):
            return None
        file = self._kept[url] = _File.of(response)
        return file

    async def _fetch(
        self, page: TextResponse, url: str, accept: str
    ) -> Response | None:
        """Fetch *url* as a browser on *page* would, or return ``None``."""
        gate = page.request
        if gate is None:
            return None
        headers = {"Referer": page.url.partition("#")[0], "Accept": accept}
        meta = request_meta.mark(gate, "script") | {
            "download_maxsize": MAX_SIZE,
            "handle_httpstatus_all": True,
            "allow_offsite": True,
        }
        meta.pop("download_slot", None)
        request = Request(
            url,
            headers=headers,
            meta=meta,
            priority=gate.priority,
            dont_filter=True,
            callback=NO_CALLBACK,
        )
        for name in ("User-Agent", "Accept-Language", "Proxy-Authorization"):
            if (value := gate.headers.get(name)) is not None:
                request.headers[name] = value
        try:
            return await self._engine.download(request_meta.pin(request))
        except CancelledError:
            raise
        except IgnoreRequest as error:
            logger.info("Not fetched for the scripts of %s: %s", page.url, error)
        except Exception as error:  # noqa: BLE001  (whatever a download may raise)
            logger.info(
                "Not fetched for the scripts of %s: %s (%s)",
                page.url,
                url,
                type(error).__name__,
            )
        return None


def answer_of(response: Response) -> Answer:
    """Return *response* as a script is given it: without its cookies."""
    return Answer(
        status=response.status,
        body=_text(response),
        headers=tuple(
            (name.decode("latin-1").lower(), values[-1].decode("latin-1"))
            for name, values in response.headers.items()
            if name.lower() != b"set-cookie"
        ),
        url=response.url,
    )


def _text(response: Response) -> str:
    if isinstance(response, TextResponse):
        return response.text
    return response.body.decode("utf-8", "replace")
