"""Which tests may come out otherwise with other versions of Scrapy, Twisted and treq.

``pytest --versions`` runs those only, as `.ci/run` does on the oldest versions. The
others would say there what they say on the newest: lxml, parsel, w3lib, redis-py and
the script engine are the same in both environments. A new test runs in both, unless it
is a crawl without the mark ``versions``.
"""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

__all__ = ["INDEPENDENT", "LIBRARIES", "is_independent"]

#: What the environments of ``tox.ini`` differ in.
LIBRARIES = ("scrapy", "treq", "twisted")

#: Tests of rooms and modules that use none of these libraries, but for the responses of
#: Scrapy (`tests/test_package.py` checks that), and tests of other things than these.
INDEPENDENT = (
    "unit/pages/*",
    "unit/report/*",
    "unit/scripts/test_child.py",
    "unit/scripts/test_engine.py",
    "unit/scripts/test_models.py",
    "unit/scripts/test_runtime_*.py",
    "unit/scripts/test_tree.py",
    "unit/scripts/test_visit.py",
    "unit/test_redact.py",
    # The grid of loads that the rules are held against, and the time that pages take.
    # The other flows bring every kind of gate.
    "flow/test_flow_oracle.py",
    "flow/test_flow_slow_pages.py",
    "corpus/*",
    "docs/*",
    "faults/*",
    "fuzz/*",
    "sandbox/*",
    "thirdparty/*",
    "test_*.py",
)

_HERE = Path(__file__).parent


def is_independent(path: Path) -> bool:
    """Tell whether a file of tests is in `INDEPENDENT`."""
    if not path.is_relative_to(_HERE):
        return False
    relative = path.relative_to(_HERE)
    depths = len(relative.parts)
    return any(
        pattern.count("/") == depths - 1 and fnmatch(relative.as_posix(), pattern)
        for pattern in INDEPENDENT
    )
