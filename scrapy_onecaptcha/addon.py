"""Set-up in one line: ``ADDONS = {"scrapy_onecaptcha.Addon": 500}``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy.utils.misc import load_object

from scrapy_onecaptcha.httpcache import gateless
from scrapy_onecaptcha.middleware import OneCaptchaMiddleware

if TYPE_CHECKING:
    from scrapy.settings import BaseSettings

__all__ = ["ORDER", "Addon"]

#: Among the downloader middlewares: what decompresses (590), redirects (600) and keeps
#: cookies (700) has seen the response; what retries (550) has not.
ORDER = 585


class Addon:
    """Adds `OneCaptchaMiddleware`, and keeps gates out of the HTTP cache.

    Where the project has the middleware already, it stays where it is. The project's
    own cache policy is kept, and asked after ours.
    """

    def update_settings(self, settings: BaseSettings) -> None:
        """Change *settings*; called by Scrapy."""
        settings.setdefault_in_component_priority_dict(
            "DOWNLOADER_MIDDLEWARES", OneCaptchaMiddleware, ORDER
        )
        name = "HTTPCACHE_POLICY"
        policy = gateless(load_object(settings[name]))
        settings.set(name, policy, settings.getpriority(name) or "addon")
