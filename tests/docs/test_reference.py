"""The reference pages say what the program says."""

from __future__ import annotations

from pathlib import Path

from convtui.engine.spec import hyperparameters
from docs.reference import pages

DOCS = Path(__file__).parents[2] / "docs"


def test_the_reference_is_what_the_program_says_now() -> None:
    for name, text in pages().items():
        assert (DOCS / name).read_text(encoding="utf-8") == text, f"docs/{name} is out of date: make reference"


def test_every_setting_is_told_with_its_bounds_and_help() -> None:
    lines = pages()["settings.md"].splitlines()
    for field in hyperparameters():
        (line,) = [line for line in lines if line.startswith(f"| `{field.path}` |")]
        assert field.bounds in line
        assert all(f"`{choice}`" in line for choice in field.choices)
        assert field.help.split(",")[0].split("[")[0] in line
