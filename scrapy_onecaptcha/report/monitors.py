"""The alarms as monitors of Spidermon (extra ``spidermon``).

.. code-block:: python

    EXTENSIONS = {"spidermon.contrib.scrapy.extensions.Spidermon": 500}
    SPIDERMON_ENABLED = True
    SPIDERMON_SPIDER_CLOSE_MONITORS = [
        "scrapy_onecaptcha.report.monitors.CaptchaMonitorSuite"
    ]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spidermon import Monitor, MonitorSuite, monitors

from scrapy_onecaptcha.report.alarms import Limits, complaint

if TYPE_CHECKING:
    from scrapy.settings import BaseSettings

__all__ = ["LIMITS", "CaptchaMonitor", "CaptchaMonitorSuite", "limits_of"]

#: The settings of the limits.
LIMITS = {
    "lost": "SPIDERMON_ONECAPTCHA_MAX_LOST",
    "rejected": "SPIDERMON_ONECAPTCHA_MAX_REJECTED",
    "failed": "SPIDERMON_ONECAPTCHA_MAX_FAILED",
    "seconds": "SPIDERMON_ONECAPTCHA_MAX_SECONDS",
    "points": "SPIDERMON_ONECAPTCHA_MAX_POINTS",
}


def limits_of(settings: BaseSettings) -> Limits:
    """Return the limits that *settings* name, the defaults for the others.

    Raises:
        ValueError: a limit is no number.
    """
    named = {
        field: settings.getfloat(name)
        for field, name in LIMITS.items()
        if settings.get(name) is not None
    }
    return Limits(**named, tasks=settings.getint("ONECAPTCHA_MAX_TASKS"))


@monitors.name("hCaptcha")
class CaptchaMonitor(Monitor):
    """Looks at what the captchas of a crawl cost and brought."""

    @monitors.name("The service accepts the account")
    def test_account(self) -> None:
        """Fail where key, balance or address were refused."""
        self._judge("account")

    @monitors.name("No site is left alone")
    def test_breaker(self) -> None:
        """Fail where a site refused too many tokens in a row."""
        self._judge("breaker")

    @monitors.name("Gated pages are delivered")
    def test_lost(self) -> None:
        """Fail where too many pages were lost."""
        self._judge("lost")

    @monitors.name("Sites accept the tokens")
    def test_rejected(self) -> None:
        """Fail where sites refused too many tokens."""
        self._judge("rejected")

    @monitors.name("Tasks give tokens")
    def test_failed(self) -> None:
        """Fail where too many tasks gave none."""
        self._judge("failed")

    @monitors.name("Tokens come in time")
    def test_slow(self) -> None:
        """Fail where tokens took too long."""
        self._judge("slow")

    @monitors.name("The crawl spends what it may")
    def test_spend(self) -> None:
        """Fail where too much was spent, or the budget is near its end."""
        self._judge("spend")

    def _judge(self, alarm: str) -> None:
        limits = limits_of(self.data.crawler.settings)
        told = complaint(alarm, self.data.stats, limits)
        if told is not None:
            self.fail(f"Captchas: {told}")


class CaptchaMonitorSuite(MonitorSuite):
    """All of it, for ``SPIDERMON_SPIDER_CLOSE_MONITORS`` or a periodic run."""

    monitors = (CaptchaMonitor,)
