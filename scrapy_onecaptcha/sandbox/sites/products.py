"""Sites that behave like well-known products; opened by name.

So do some of the sandbox's other sites: ``hidden`` is an antibot page whose widget is
outside of its form, ``wall`` a bot wall with a GET form, and ``bookshop`` has a form
like those of web frameworks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_onecaptcha.sandbox.sitekeys import sitekey_of
from scrapy_onecaptcha.sandbox.sites.api import Api
from scrapy_onecaptcha.sandbox.sites.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PRODUCTS"]

PRODUCTS: Mapping[str, Gate | Api] = {
    # CrowdSec in nginx: it remembers client addresses, and each gate for a minute.
    "crowdsec": Gate(
        sitekey=sitekey_of("crowdsec"),
        grants="ip",
        by_address=True,
        page_seconds=60.0,
    ),
    # CrowdSec in HAProxy: a cookie, and one word where Accept has no HTML.
    "haproxy": Gate(sitekey=sitekey_of("haproxy"), html_only=True),
    # A firewall module of nginx: the callback sends the token, then reloads the page.
    "xhr": Gate(
        sitekey=sitekey_of("xhr"),
        sender="xhr",
        status=503,
        action="/captcha",
        answer="word",
    ),
    # A plugin of WordPress that protects content.
    "wordpress": Gate(
        sitekey=sitekey_of("wordpress"),
        heading="Verifying you are human. This may take a few seconds.",
        widget="element",
        spelled_action=True,
        ticket_field="hcaptcha_protect_content_nonce",
        nonce=True,
        constants=(
            ("hcaptcha-widget-id", "eyJzb3VyY2UiOltdLCJmb3JtX2lkIjoicCJ9-5f0a6b"),
            ("hcap_hp_sig", "b1946ac92492d2347c6235b4d2611184"),
        ),
        honeypot=True,
        honeypot_field="hcap_hp_4a7d1e",
        clearance_seconds=300.0,
    ),
    # A bot check that needs a proof of work as well, so that a token is not enough.
    "pow": Gate(
        sitekey=sitekey_of("pow"),
        heading="Checking your browser for robots",
        entered="redirect",
        entrance="/bot-check",
        status=403,
        ticket_field="pow_response",
        proof_of_work=True,
        compat=False,
    ),
    # APIs that demand a captcha for each call.
    "api": Api(sitekey=sitekey_of("api"), rqdata=True),
    "apikey": Api(sitekey=sitekey_of("apikey")),
    "apiheader": Api(sitekey=sitekey_of("apiheader"), header="x-captcha-response"),
}
"""The gate of each site."""
