"""Connects the commands to the service: settings, client and balance."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from scrapy.exceptions import NotConfigured, UsageError

from scrapy_onecaptcha.service.client import Client
from scrapy_onecaptcha.settings import PREFIX, Config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from scrapy.settings import BaseSettings

    from scrapy_onecaptcha.exceptions import ServiceError

__all__ = ["balance_of", "connected", "has_no_balance", "read_config"]

#: Error codes of a service that does not know getBalance: its own, or of HTTP.
_NO_SUCH_CALL = frozenset(
    {"NO_BALANCE", "ERROR_NO_SUCH_METHOD", "HTTP_404", "HTTP_405", "HTTP_501"}
)


def read_config(settings: BaseSettings) -> Config:
    """Return the settings of the service.

    ``ONECAPTCHA_ENABLED`` is ignored, because it is meant for crawls.

    Raises:
        UsageError: there is no key, or a setting is bad.
    """
    settings = settings.copy()
    settings.set(f"{PREFIX}ENABLED", value=True, priority="cmdline")
    settings.set(f"{PREFIX}DRY_RUN", value=False, priority="cmdline")
    try:
        return Config.from_settings(settings)
    except (NotConfigured, ValueError) as error:
        raise UsageError(str(error)) from None


@asynccontextmanager
async def connected(config: Config, reactor: Any) -> AsyncIterator[Client]:
    """Return a client of the service, and close its connections at the end."""
    client = Client.over_network(
        config.api_key, config.api_url, reactor=reactor, timeout=config.api_timeout
    )
    try:
        yield client
    finally:
        await client.close()


async def balance_of(config: Config, reactor: Any) -> float:
    """Return what the account has left, in points.

    Raises:
        ServiceError: the service does not tell it.
    """
    async with connected(config, reactor) as client:
        return await client.get_balance()


def has_no_balance(error: ServiceError) -> bool:
    """Tell whether *error* means that the service has no ``getBalance``."""
    return error.code in _NO_SUCH_CALL
