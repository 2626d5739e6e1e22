"""Every --help ends with examples that can be copied. That they are true is held by tests/docs, which has them in commands.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from convtui.tui.cli.examples import EXAMPLES, examples
from tests.cli.conftest import Convtui
from tests.docs.checking import program


def paths(command: Any, path: str = "") -> Iterator[str]:
    """Of all commands, and of the groups that they are in."""
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from paths(inner, f"{path} {name}".strip())


def test_each_command_has_a_few_with_a_line_about_each() -> None:
    assert set(paths(program())) == set(EXAMPLES)
    for path in EXAMPLES:
        lines = examples(path).splitlines()
        assert 4 <= len(lines) <= 8, path
        assert all(line.startswith("# ") for line in lines[::2]), path
        assert all(line.startswith("convtui ") for line in lines[1::2]), path
        assert any(line.startswith(f"convtui {path}".strip()) for line in lines[1::2]), path


@pytest.mark.parametrize("path", ["", "run", "runs", "runs import"])
def test_help_ends_with_them_a_line_each(convtui: Convtui, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    printed = convtui(*path.split(), "--help")
    assert printed.code == 0
    told = printed.out.rstrip().splitlines()
    wanted = examples(path).splitlines()
    assert [line.removeprefix("   ") for line in told[-len(wanted) :]] == wanted
    assert max(map(len, told)) <= 80
