"""Where the widget's callback hands its token on to."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from scrapy_onecaptcha.pages.script_reader import Function

if TYPE_CHECKING:
    from scrapy_onecaptcha.pages.script_reader import Script

__all__ = ["reached", "token_names"]

# Functions that are looked for; each look is one pass over the scripts.
MAX_LOOKUPS = 8
# Calls of a callback, and of what it calls, whose arguments are read. Each may run to
# the end of its function: calls in calls in calls took 54 s.
MAX_CALLS = 100

_HELPER = re.compile(r"(?<![\w$])(?:(?:this|self|window)\.)?([\w$]{1,100})\s*\(")
_WORDS = frozenset({"if", "function", "encodeURIComponent", "String", "append", "set"})


def token_names(function: Function) -> frozenset[str]:
    """Return how the body of *function* may name the token, its first parameter."""
    if not function.parameters:
        return frozenset()
    name = re.sub(r"[{}\s]", "", function.parameters[0]).rpartition(":")[2]
    return frozenset({name, f"{name}.response"}) if name else frozenset()


def reached(script: Script, callback: Function) -> tuple[Function, ...]:
    """Return *callback* and the functions of the page that it hands its token to.

    The token is the first parameter of each.
    """
    found, looked_up, left = [callback], 0, MAX_CALLS
    for function in found:
        names = token_names(function)
        calls = _HELPER.finditer(script.bare, function.start, function.end)
        for call in islice((c for c in calls if c[1] not in _WORDS), left):
            left -= 1
            if looked_up == MAX_LOOKUPS:
                break
            arguments = [script.text(span) for span in script.arguments(call.end() - 1)]
            places = [n for n, text in enumerate(arguments) if text in names]
            if not places:
                continue
            looked_up += 1
            helper = script.function(call[1])
            if helper and places[0] < len(helper.parameters):
                token = helper.parameters[places[0]]
                found.append(Function((token,), helper.start, helper.end))
    return tuple(found)
