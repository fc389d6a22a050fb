"""Script-driven pages as tools write them: minified, and as ES5. Only in ``make fuzz``.

The tools come from npm, into a folder that does not outlive the tests.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from scrapy_onecaptcha.scripts.visit import DRY_TOKENS
from tests.blocking_pool import shared_child
from tests.corpus.script_pages import FOLDER, TRUTHS, told_apart, visit_of
from tests.fuzz.fuzzing import NEEDS_NPM, install_by_npm

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = NEEDS_NPM

TOOLS = ("esbuild", "terser", "@babel/core", "@babel/preset-env")
TRANSFORM = Path(__file__).with_name("transform_scripts.mjs")
INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tools")
    shutil.copy(TRANSFORM, folder)
    install_by_npm(folder, TOOLS)
    return folder


def transformed(folder: Path, jobs: Sequence[tuple[str, str]]) -> list[str | None]:
    done = subprocess.run(
        ["node", TRANSFORM.name],
        cwd=folder, input=json.dumps(jobs), capture_output=True, text=True,
        check=True, timeout=300,
    )  # fmt: skip
    written: list[str | None] = json.loads(done.stdout)
    return written


def pages(folder: Path, tool: str) -> list[tuple[dict[str, Any], str]]:
    """Return the truths whose pages have inline scripts, and those pages rewritten."""
    held = [
        (truth, (FOLDER / truth["page"]).read_text(encoding="utf-8"))
        for truth in TRUTHS
    ]
    codes = [(tool, code) for _, html in held for code in INLINE.findall(html)]
    written = iter(transformed(folder, codes))
    found = []
    for truth, html in held:
        parts = [next(written) for _ in INLINE.findall(html)]
        if not parts or None in parts:
            continue
        queue = iter(parts)
        fresh = INLINE.sub(lambda _, q=queue: f"<script>{next(q)}</script>", html)  # type: ignore[misc]
        found.append((truth, fresh))
    return found


@pytest.mark.parametrize("tool", ["terser", "esbuild", "babel"])
def test_rewritten_pages_send_the_same(tool: str, workshop: Path) -> None:
    wrong = {}
    tried = pages(workshop, tool)
    for truth, html in tried:
        reading = shared_child().visit(visit_of(truth, html=html))
        assert reading is not None
        said = told_apart(truth, reading, DRY_TOKENS[0])
        if said:
            wrong[truth["page"]] = said
    # None sends anything wrong; some may send nothing.
    assert all("sends nothing" in " ".join(said) for said in wrong.values()), wrong
    assert len(wrong) <= len(tried) // 40, wrong
