"""Every promise is checked by tests that exist."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.soak.kinds import LANES
from tests.soak.promises import PROMISES, page
from tests.soak.trial import Fault, Outcome

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "promises.md"
NAMED = re.compile(r"tests/([\w/]+\.py)::(\w+)")


def is_there(file: str, test: str) -> bool:
    path = TESTS / file
    return path.is_file() and re.search(rf"^(async )?def {test}\(", path.read_text(encoding="utf-8"), re.MULTILINE) is not None


def test_every_test_that_a_promise_names_is_there() -> None:
    named = NAMED.findall(page([], seed=0, seconds=0))
    assert len(named) >= len(PROMISES)
    assert [name for name in named if not is_there(*name)] == []


@pytest.mark.skipif(not PAGE.exists(), reason="no soak has been run for an hour yet")
def test_the_page_of_promises_has_every_promise_and_names_tests_that_are_there() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert [promise.says for promise in PROMISES if promise.says not in written] == []
    assert [name for name in NAMED.findall(written) if not is_there(*name)] == []


def test_every_promise_is_tested_by_some_kind_of_fault_and_every_kind_of_fault_tests_one() -> None:
    kinds = [kind.name for lane in LANES.values() for kind in lane]
    assert [promise.says for promise in PROMISES if not any(kind.startswith(promise.kinds) for kind in kinds)] == []
    assert [kind for kind in kinds if not any(kind.startswith(promise.kinds) for promise in PROMISES)] == []


def test_a_fault_shows_in_the_table() -> None:
    outcome = Outcome("disk")
    assert "| `disk` |  | 0 |" in page([outcome], seed=1, seconds=3600)
    outcome.skipped = "a small disk can be mounted by root only"
    row = next(line for line in page([outcome], seed=1, seconds=3600).splitlines() if line.startswith("| A full disk"))
    assert "not tested" in row


def test_an_outcome_comes_whole_from_another_process() -> None:
    outcome = Outcome("disk", Counter({"kills": 3}), [Fault("disk", "a row was lost", "again")], "", 1.5)
    assert Outcome.of_json(json.loads(json.dumps(outcome.as_json()))) == outcome
