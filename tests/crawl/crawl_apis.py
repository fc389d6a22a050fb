"""A site with three APIs, each of which demands hCaptcha as a product does.

``POST /mediawiki`` (an edit: 200, and the token goes into ``captchaword``), ``POST
/better-auth`` (a log-in: 400 without a sitekey, and the token goes into a header), and
``POST /laravel``, whose validation names the field that is missing, and no sitekey.
``/cloudflare`` is a gate that no token can pass.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy_onecaptcha.sandbox import sitekey_of
from scrapy_onecaptcha.sandbox.forms import parse_urlencoded
from scrapy_onecaptcha.sandbox.messages import Reply, json_reply

if TYPE_CHECKING:
    from scrapy_onecaptcha.sandbox.ledger import Ledger
    from scrapy_onecaptcha.sandbox.messages import Visit

__all__ = ["Apis"]

PAGES = Path(__file__).parents[1] / "corpus" / "pages"
CLOUDFLARE = PAGES / "cloudflare-2021-branded.html"


class Apis:
    """The site.

    Args:
        name: of the site.
        ledger: knows the tokens.
    """

    def __init__(self, name: str, ledger: Ledger) -> None:
        self._sitekey = sitekey_of(name)
        self._ledger = ledger

    def answer(self, visit: Visit) -> Reply:
        """Answer one request."""
        if visit.path == "/mediawiki":
            return self._edited(visit)
        if visit.path == "/better-auth":
            return self._logged_in(visit)
        if visit.path == "/laravel":
            needed = ["The h-captcha-response field is required."]
            told = {"message": needed[0], "errors": {"h-captcha-response": needed}}
            return json_reply(told, status=422)
        if visit.path == "/cloudflare":
            return Reply(body=CLOUDFLARE.read_bytes(), content_type="text/html")
        return Reply(status=404)

    def _edited(self, visit: Visit) -> Reply:
        fields = dict(parse_urlencoded(visit.body))
        if self._is_right(fields.get(b"captchaword", b"").decode(), visit):
            return json_reply(
                {"edit": {"result": "Success", "text": fields[b"text"].decode()}}
            )
        captcha = {"type": "hcaptcha", "mime": "application/javascript"}
        captcha["key"] = self._sitekey
        return json_reply({"edit": {"captcha": captcha, "result": "Failure"}})

    def _logged_in(self, visit: Visit) -> Reply:
        if self._is_right(visit.headers.get("x-captcha-response", ""), visit):
            return json_reply({"user": "ada"})
        told: dict[str, Any] = {"message": "Missing CAPTCHA response"}
        return json_reply({"code": "MISSING_RESPONSE", **told}, status=400)

    def _is_right(self, token: str, visit: Visit) -> bool:
        verdict = self._ledger.verify(
            token, sitekey=self._sitekey, user_agent=visit.user_agent
        )
        return verdict.success
