"""HTTP by treq; its bounds are tested in ``test_http_bounds.py``."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.web.client import URI
from zope.interface import implementer  # type: ignore[import-untyped]

from scrapy_onecaptcha.service import http_treq


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_it_takes_to_connect_is_made_only_to_connect(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent asks for an endpoint with each poll, over a connection that is kept."""
    made: list[Any] = []

    @implementer(IStreamClientEndpoint)
    class Endpoint:
        def __init__(self, *_: Any, **__: Any) -> None:
            made.append(self)

        def connect(self, _: Factory) -> Deferred[Any]:
            return Deferred()

    monkeypatch.setattr(http_treq, "HostnameEndpoint", Endpoint)
    endpoints = http_treq._Endpoints(Clock(), 5.0)
    parse: Any = URI.fromBytes
    uri = parse(f"{scheme}://127.0.0.1/getTaskResult".encode())
    asked = [endpoints.endpointForURI(uri) for _ in range(3)]
    assert made == []
    asked[0].connect(Factory())
    assert len(made) == 1
