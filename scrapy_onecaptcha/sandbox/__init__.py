"""A service and gated sites on loopback, for a demo and for tests.

It imports nothing of the package around it, so that it cannot agree with its errors,
and it really checks what it is sent: every site keeps a count of what it refused, and
why, in ``sandbox.ledger.rejections``.

    sandbox = Sandbox(sites=("bookshop", "wall")).start()
    sandbox.urls["wall"], sandbox.settings(), sandbox.ledger
    await sandbox.stop()

Without sockets, in virtual time: ``clock=Clock().seconds``, and the parts as resources
for treq's test helpers, ``StubTreq(AnswerResource(sandbox.service.answer))``.

``python -m scrapy_onecaptcha.sandbox`` runs it in a process of its own.
"""

from .api import Api
from .awkward import AWKWARD
from .faults import FAULTS, parse_fault
from .gate import Gate
from .hostile import HOSTILE, Hostile
from .ledger import Ledger, Task, Token, Verdict
from .products import PRODUCTS
from .reasons import REASONS
from .server import Sandbox
from .service import ServiceOptions
from .sites import GATES, STATES, sitekey_of
from .web import AnswerResource

__all__ = [
    "AWKWARD",
    "FAULTS",
    "GATES",
    "HOSTILE",
    "PRODUCTS",
    "REASONS",
    "STATES",
    "AnswerResource",
    "Api",
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
