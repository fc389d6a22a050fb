"""The README is held against the code: settings, meta keys, errors, stats, commands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from scrapy_onecaptcha import exceptions
from scrapy_onecaptcha.options import KEYS
from scrapy_onecaptcha.report import STATS, VARIANTS
from scrapy_onecaptcha.settings import DEFAULTS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """Return what stands below a heading, up to the next one of any level."""
    found = re.search(
        rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", README, re.MULTILINE | re.DOTALL
    )
    assert found is not None, f"no section {title!r}"
    return found[1]


def rows(title: str) -> list[list[str]]:
    """Return the cells of a section's table, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def code(cell: str) -> str:
    """Return the text of a cell that is one piece of code."""
    found = re.fullmatch(r"`([^`]+)`", cell)
    assert found is not None, f"no code: {cell!r}"
    return found[1]


def shown(default: Any) -> str:
    """Return how the README shows a default."""
    if default is None:
        return "none"
    if isinstance(default, str):
        return f'`"{default}"`'
    return "`{}`" if default == {} else f"`{default!r}`"


def words(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def test_every_setting_is_documented_with_its_default() -> None:
    documented = {code(name): default for name, default, _ in rows("Settings")}
    assert documented == {name: shown(default) for name, default in DEFAULTS.items()}


def test_the_settings_stand_in_the_order_of_the_code() -> None:
    assert [code(row[0]) for row in rows("Settings")] == list(DEFAULTS)


def test_every_key_of_meta_is_documented() -> None:
    assert [code(row[0]) for row in rows("One request")] == list(KEYS)


def test_the_error_tree_is_that_of_the_code() -> None:
    doc = exceptions.__doc__ or ""
    tree = re.findall(r"^ *((?:OneCaptchaError|[│├└]).*)$", doc, re.MULTILINE)
    assert tree
    assert "```\n" + "\n".join(tree) + "\n```" in section("Errors")


def test_every_error_is_documented_with_its_reason() -> None:
    documented = {code(name): code(reason) for name, reason, _ in rows("Errors")}
    assert documented == {
        name: getattr(exceptions, name).reason for name in exceptions.__all__
    }


def test_every_stat_is_documented() -> None:
    documented = [code(row[0]).removeprefix("onecaptcha/") for row in rows("Stats")]
    assert documented == list(STATS)


@pytest.mark.parametrize("stat", ["unsolvable/{reason}", "refused/{reason}"])
def test_every_reason_is_documented(stat: str) -> None:
    cells = {code(name): meaning for name, meaning in rows("Stats")}
    assert words(cells[f"onecaptcha/{stat}"]) == VARIANTS[stat]


def test_the_codes_of_our_own_are_documented() -> None:
    cells = {code(name): meaning for name, meaning in rows("Stats")}
    own = {name for name in VARIANTS["tasks/failed/{code}"] if name.islower()}
    assert words(cells["onecaptcha/tasks/failed/{code}"]) == own


def test_every_setting_that_is_named_anywhere_exists() -> None:
    for path in (ROOT / "README.md", ROOT / "CHANGES.md", *ROOT.glob("docs/*.md")):
        named = re.findall(r"\bONECAPTCHA_[A-Z_]+[A-Z]", path.read_text("utf-8"))
        assert set(named) <= set(DEFAULTS), path.name


def test_the_commands_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"^make ([a-z]+)", README, re.MULTILINE))
    assert {"demo", "test"} <= named <= targets


def test_what_is_linked_exists() -> None:
    for path in (ROOT / "README.md", *ROOT.glob("docs/*.md")):
        for target in re.findall(
            r"\]\((?!https?://|#)([^)#]+)", path.read_text("utf-8")
        ):
            assert (path.parent / target).exists(), f"{path.name}: {target}"
