"""``scrapy onecaptcha store``: which clearances are kept, and how to drop them."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scrapy.exceptions import UsageError

from scrapy_onecaptcha._logging import counted
from scrapy_onecaptcha.cli.base import DONE, FAILED, Tool, exits
from scrapy_onecaptcha.cli.runner import run
from scrapy_onecaptcha.crawl.store import place_of
from scrapy_onecaptcha.report.dates import iso
from scrapy_onecaptcha.settings import PREFIX, SETTINGS
from scrapy_onecaptcha.stores import open_store
from scrapy_onecaptcha.stores.base import StoreFault
from scrapy_onecaptcha.stores.naming import parts_of, site_of

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from scrapy.settings import BaseSettings

    from scrapy_onecaptcha.cli.base import Call
    from scrapy_onecaptcha.stores.base import Entry, Store

__all__ = ["StoreTool", "in_words", "tell"]

_STORE = f"{PREFIX}STORE"
_ACTIONS = {"show": 0, "forget": 1, "clear": 0}


class StoreTool(Tool):
    """Shows what is in the store of the settings, or drops it."""

    syntax = "[options] {show|forget SITE|clear}"
    about = (
        "Show which clearances the store of ONECAPTCHA_STORE, or of the JOBDIR, keeps, "
        "without their cookies; forget all that is known of a site; or clear it all, "
        "the count of ONECAPTCHA_SHARED_MAX_TASKS and the circuit breakers included. "
        "Clear it when no crawl uses it."
    )
    epilog = exits("when it was done", "when the store cannot be reached or used")

    def check(self, arguments: list[str], options: Namespace) -> None:  # noqa: ARG002
        """Refuse what cannot be meant."""
        action, *rest = arguments or [""]
        if action not in _ACTIONS:
            raise UsageError("name an action: show, forget SITE or clear")
        if len(rest) != _ACTIONS[action]:
            wanted = "a SITE (https://shop.example)" if _ACTIONS[action] else "none"
            raise UsageError(f"{action} takes {wanted}, not {' '.join(rest) or 'none'}")
        if rest and not _is_site(rest[0]):
            raise UsageError(
                f"{rest[0]!r} is no site; write it as show does, with its scheme: "
                "https://shop.example"
            )

    def run(self, call: Call) -> int:
        """Open the store, and do it."""
        url, namespace = _place(call.settings)
        store = _store_of(url, namespace)
        try:
            told = run(call.settings, lambda _: _do(store, call.arguments))
        except StoreFault as fault:
            call.terminal.say(str(fault))
            return FAILED
        if call.options.json:
            for line in told if isinstance(told, list) else [told]:
                call.terminal.as_json(line)
        else:
            call.terminal.result(*in_words(told, namespace))
        return DONE


def _is_site(text: str) -> bool:
    parts = urlsplit(text)
    return bool(parts.scheme and parts.netloc) and not (
        parts.path or parts.query or parts.fragment
    )


def _place(settings: BaseSettings) -> tuple[str | None, str]:
    """Return URL and namespace of the store that a crawl with *settings* uses.

    Raises:
        UsageError: a setting is bad.
    """
    named = _read(settings, _STORE), _read(settings, f"{_STORE}_NAMESPACE")
    return place_of(*named, settings)


def _store_of(url: str | None, namespace: str) -> Store:
    """Return the store at *url*.

    Raises:
        UsageError: there is none.
    """
    if url is None:
        raise UsageError(f"there is no store: set {_STORE}, or JOBDIR")
    path = url.removeprefix("sqlite:///")
    if path != url and not Path(path).exists():
        raise UsageError(f"there is no store yet: {path}")
    return open_store(url, uuid.uuid4().hex, namespace=namespace)


def _read(settings: BaseSettings, name: str) -> Any:
    """Return the value of a setting of ours, ``None`` where it is not set.

    Raises:
        UsageError: it is bad.
    """
    value = settings.get(name)
    try:
        return None if value is None else SETTINGS[name].read(name, value)
    except ValueError as error:
        raise UsageError(str(error)) from None


async def _do(store: Store, arguments: list[str]) -> Any:
    """Do what was asked for; return what to tell."""
    action, *rest = arguments
    try:
        await store.open()
        if action == "show":
            return [tell(entry) for entry in await store.show()]
        if action == "forget":
            return {"forgotten": await store.forget(rest[0])}
        entries = await store.show()
        await store.clear()
        return {"forgotten": len(entries)}
    finally:
        await store.close()


def tell(entry: Entry) -> dict[str, Any]:
    """Return what is known of a session, as JSON has it; no value of a cookie."""
    clearance = entry.clearance
    _, cookiejar, egress = parts_of(entry.session)
    return {
        "site": site_of(entry.session),
        "cookiejar": cookiejar,
        "egress": egress,
        "token_per_page": entry.token_per_page,
        "generation": clearance and clearance.generation,
        "earned_at": clearance and iso(clearance.earned_at).replace("+00:00", "Z"),
        "seconds": round(entry.seconds) if clearance else None,
        "user_agent": clearance and clearance.user_agent,
        "cookies": None
        if clearance is None
        else sorted(str(cookie.get("name")) for cookie in clearance.cookies),
        "url_pass": clearance and sorted(name for name, _ in clearance.url_pass),
    }


def in_words(told: Any, namespace: str = "") -> Sequence[str]:
    """Return the same for a person, who may have looked into the wrong *namespace*."""
    if isinstance(told, dict):
        return [f"Forgotten: {counted(told['forgotten'], 'session')}."]
    if not told:
        named = f"namespace {namespace!r}: ONECAPTCHA_STORE_NAMESPACE, or BOT_NAME"
        return [f"No site is known to the store ({named})."]
    return [line for one in told for line in _lines(one)]


def _lines(one: dict[str, Any]) -> list[str]:
    jar = "" if one["cookiejar"] is None else f", cookiejar {one['cookiejar']!r}"
    lines = [f"{one['site']} (from {one['egress']}{jar})"]
    if one["generation"] is not None:
        left = timedelta(seconds=one["seconds"])
        lines += [
            f"  clearance {one['generation']}, earned {one['earned_at']}, kept {left}",
            f"  cookies: {', '.join(one['cookies']) or 'none'}",
            f"  User-Agent: {one['user_agent'] or 'any'}",
        ]
    if one["url_pass"]:
        lines.append(f"  pass in the URL: {', '.join(one['url_pass'])}")
    if one["token_per_page"]:
        lines.append("  wants a token for each page")
    return lines
