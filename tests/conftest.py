"""How tests run, on a machine of any size and with much else to do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.versions import is_independent

if TYPE_CHECKING:
    from pathlib import Path

# The examples are the same in each run, but for those of `make fuzz`: what a change is
# told is about that change.
settings.register_profile(
    "unhurried",
    deadline=None,
    derandomize="FUZZ" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("unhurried")

# A process that meets its first cookie would ask the internet for the list of public
# suffixes, and wait as long as that takes.
os.environ["TLDEXTRACT_PUBLIC_SUFFIX_LIST_URLS"] = ""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return one worker more than there are cores: real crawls wait for a while."""
    return (os.cpu_count() or 1) + 1


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add an option for environments with other versions than the newest."""
    parser.addoption(
        "--versions",
        action="store_true",
        help="only what other versions of Scrapy, Twisted and treq may change",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what is the same on all versions, if that is wanted."""
    if config.getoption("versions") and collection_path.suffix == ".py":
        return is_independent(collection_path) or None
    return None


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave out crawls that are not marked, if only ``--versions`` are wanted."""
    if not config.getoption("versions"):
        return
    marks = [{mark.name for mark in item.iter_markers()} for item in items]
    left_out = ["crawl" in names and "versions" not in names for names in marks]
    both = list(zip(items, left_out, strict=True))
    config.hook.pytest_deselected(items=[item for item, out in both if out])
    items[:] = [item for item, out in both if not out]
