"""Set-up in one line: ``ADDONS = {"scrapy_onecaptcha.Addon": 500}``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_onecaptcha.middleware import OneCaptchaMiddleware

if TYPE_CHECKING:
    from scrapy.settings import BaseSettings

__all__ = ["ORDER", "Addon"]

#: Among the downloader middlewares: what decompresses (590), redirects (600) and keeps
#: cookies (700) has seen the response; what retries (550) has not.
ORDER = 585


class Addon:
    """Adds `OneCaptchaMiddleware` where it belongs, unless the project has it."""

    def update_settings(self, settings: BaseSettings) -> None:
        """Add the middleware to *settings*; called by Scrapy."""
        settings.setdefault_in_component_priority_dict(
            "DOWNLOADER_MIDDLEWARES", OneCaptchaMiddleware, ORDER
        )
