"""A stand-in for the service, and gated sites to crawl, on loopback.

For a demo and for tests. It imports nothing of the package around it, so that it cannot
share its errors. It checks what it is sent: each site counts what it refused, and why,
in ``sandbox.ledger.rejections``.

    sandbox = Sandbox(sites=("bookshop", "wall")).start()
    sandbox.urls["wall"], sandbox.settings(), sandbox.ledger
    await sandbox.stop()

Without sockets and in virtual time: ``clock=Clock().seconds``, and the parts as
resources for treq's test helpers, ``StubTreq(AnswerResource(sandbox.service.answer))``.

``python -m scrapy_onecaptcha.sandbox`` runs it in a process of its own.
"""

from scrapy_onecaptcha.sandbox.ledger import Ledger, Task, Token, Verdict
from scrapy_onecaptcha.sandbox.rejections import REASONS
from scrapy_onecaptcha.sandbox.server import Sandbox
from scrapy_onecaptcha.sandbox.service.api import ServiceOptions
from scrapy_onecaptcha.sandbox.service.faults import FAULTS, parse_fault
from scrapy_onecaptcha.sandbox.sites.api import Api
from scrapy_onecaptcha.sandbox.sites.awkward import AWKWARD
from scrapy_onecaptcha.sandbox.sites.behaviours import BEHAVIOURS
from scrapy_onecaptcha.sandbox.sites.bot_manager import BotManager
from scrapy_onecaptcha.sandbox.sites.gate import Gate
from scrapy_onecaptcha.sandbox.sites.hostile import HOSTILE
from scrapy_onecaptcha.sandbox.sites.hostile_site import Hostile
from scrapy_onecaptcha.sandbox.sites.products import PRODUCTS
from scrapy_onecaptcha.sandbox.sites.registry import GATES, STATES, sitekey_of
from scrapy_onecaptcha.sandbox.web import AnswerResource

__all__ = [
    "AWKWARD",
    "BEHAVIOURS",
    "FAULTS",
    "GATES",
    "HOSTILE",
    "PRODUCTS",
    "REASONS",
    "STATES",
    "AnswerResource",
    "Api",
    "BotManager",
    "Gate",
    "Hostile",
    "Ledger",
    "Sandbox",
    "ServiceOptions",
    "Task",
    "Token",
    "Verdict",
    "parse_fault",
    "sitekey_of",
]
