"""What a crawl pays, against a browser that goes from page to page."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .oracle import Cell, grid, run

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Cells of the grid that run in each test session.
MOST_CELLS = 150


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("scrapy_onecaptcha")
    logger.disabled = True
    yield
    logger.disabled = False


def test_the_grid_is_of_a_size_to_be_run_each_time() -> None:
    assert 100 <= len(list(grid())) <= MOST_CELLS


@pytest.mark.parametrize("cell", list(grid()), ids=str)
def test_a_crawl_pays_what_a_browser_would(cell: Cell) -> None:
    outcome = run(cell)
    assert not outcome.faults, str(outcome)
    assert outcome.excess <= max(1, outcome.least // 10), str(outcome)


LASTING_KINDS = st.sampled_from(
    [
        {},
        {"pages": 7.0},
        {"pages": 23.0},
        {"seconds": 6.0},
        {"seconds": 40.0},
        {"kind": "ip"},
        {"kind": "delayed"},
        {"kind": "section"},
        {"kind": "agent"},
        {"kind": "pass"},
        {"kind": "domain", "hosts": 7},
        {"kind": "hosts", "hosts": 5},
        {"kind": "answer"},
        {"kind": "once"},
        {"gate": "next"},
        {"gate": "memory"},
        {"gate": "one"},
        {"gate": "next", "pages": 9.0},
    ]
)


@settings(max_examples=40)
@given(
    site=LASTING_KINDS,
    pages=st.integers(1, 60),
    load=st.sampled_from([(16, 8), (1, 1), (4, 2), (32, 16)]),
    delay=st.sampled_from([0.0, 0.2, 0.7, 1.5]),
    failing=st.sampled_from([0.0, 0.3]),
    refusal=st.sampled_from([0.0, 0.3]),
    solving=st.sampled_from([(1.0, 5.0), (10.0, 60.0), (100.0, 115.0)]),
    seed=st.integers(0, 1000),
)
def test_any_crawl_ends_with_its_pages_and_few_tasks(
    site: dict[str, object],
    pages: int,
    load: tuple[int, int],
    delay: float,
    failing: float,
    refusal: float,
    solving: tuple[float, float],
    seed: int,
) -> None:
    cell = Cell(
        "random",
        pages,
        {**site, "refusal": refusal},
        concurrency=load[0],
        per_domain=load[1],
        delay=delay,
        solving=solving,
        failing=failing,
        seed=seed,
    )
    outcome = run(cell)
    assert not outcome.faults, str(outcome)
