"""benchmarks/gpu.py: what it finds is kept, whatever becomes of a part; on a processor it goes to its end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.arms import interval, rows
from benchmarks.gpu import CHECKS, SPEEDS, Part, run, save, written

TOP = Path(__file__).parents[2]
GOOD = '{"check": "a", "good": true, "detail": "b"}'


def ran(program: str, seconds: float = 60.0) -> Part:
    """A part whose process runs `program`."""
    part = Part("part")
    run(part, ["timeit", "-n", "1", "-r", "1", program], seconds)
    return part


def test_a_part_that_crashes_or_hangs_leaves_what_it_found() -> None:
    crashed = ran(f"import os; print({GOOD!r}, flush=True); os._exit(3)")
    assert (crashed.lines, crashed.ended, crashed.good) == ([json.loads(GOOD)], "exit code 3", False)
    hung = ran(f"import time; print({GOOD!r}, flush=True); time.sleep(600)", 2.0)
    assert (hung.lines, hung.ended, hung.good) == ([json.loads(GOOD)], "cut off after 2 s", False)
    raised = ran("raise ValueError('no such thing')")
    assert raised.ended == "exit code 1: ValueError: no such thing"


def test_results_are_written_in_both_forms(tmp_path: Path) -> None:
    speeds = (("tutorial", 100.0), ("convtui", 250.0), ("tutorial", 110.0))
    arms = [{"arm": arm, "figures": {"images/s": speed}} for arm, speed in speeds]
    parts = [Part("views", 1.0, "", [{"check": "a", "good": False, "detail": "b"}]), Part("lenet5", 2.0, "exit code 1", arms)]
    save(tmp_path, parts, "title")
    assert [part["name"] for part in json.loads((tmp_path / "results.json").read_text())["parts"]] == ["views", "lenet5"]
    text = (tmp_path / "results.md").read_text()
    assert text == written(parts, "title")
    assert "- **BAD**: a (b)" in text
    assert "**Ended early:** exit code 1" in text
    assert "| convtui | 250 [250 to 250] | 2.50 |" in text, "paired with the round that both have"


def test_paired_ratios_have_the_interval_of_student_s_t() -> None:
    """By hand: logarithms 0, ln 2, 2 ln 2; mean ln 2, standard error ln 2 / 3^0.5, t = 4.30 with two degrees of freedom."""
    mean, low, high = interval([1.0, 2.0, 4.0])
    assert mean == pytest.approx(2.0)
    assert (low, high) == (pytest.approx(2 / 2 ** (4.30 / 3**0.5)), pytest.approx(2 * 2 ** (4.30 / 3**0.5)))
    found = {"a": [{"ms": 4.0}, {"ms": 6.0}], "b": [{"ms": 2.0}, {"ms": 3.0}]}
    assert [row.ratio for row in rows(found, "ms", "a")] == pytest.approx([1.0, 2.0])
    assert [row.ratio for row in rows(found, "ms", "a", rate=True)] == pytest.approx([1.0, 0.5])


@pytest.mark.long
def test_on_a_processor_all_parts_go_to_their_end_and_are_good(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--out", str(tmp_path), "--minutes", "30"]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    parts = [Part(**part) for part in json.loads((tmp_path / "results.json").read_text())["parts"]]
    assert done.returncode == 0, done.stdout
    assert [(part.name, part.good) for part in parts] == [(name, True) for name in (*CHECKS, *SPEEDS)]
    assert all(any(line.get("arm") == "convtui" for line in part.lines) for part in parts if part.name in SPEEDS)
