"""Every command that README and the documentation show is one of the program's. Those that can be run are, in test_running.py."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager

import convtui
from tests.docs.blocks import Command, blocks, commands, spans
from tests.docs.checking import check

LANGUAGES = {"", "sh", "python", "toml", "csv", "text"}


def test_each_block_is_of_a_kind_that_is_checked() -> None:
    for block in blocks():
        assert block.kind in LANGUAGES, f"{block.page}:{block.line}: {block.kind}: tests/docs checks no such block"
        if block.kind == "text" and block.page != "commands.md":
            assert not re.search(r"^(convtui|make|pip|uv) ", block.text, re.MULTILINE), f"{block.page}:{block.line}"
        if block.kind == "toml":
            tomllib.loads(block.text)
        if block.kind == "python":
            names = [node for node in ast.walk(ast.parse(block.text)) if isinstance(node, ast.Attribute)]
            used = {node.attr for node in names if isinstance(node.value, ast.Name) and node.value.id == "convtui"}
            assert used <= set(convtui.__all__), f"{block.page}:{block.line}"


def test_commands_in_blocks_are_taken_by_the_program() -> None:
    found = list(commands())
    assert len(found) > 90
    for command in found:
        with naming(command):
            check(command)


def test_commands_within_texts_have_names_and_options_that_there_are() -> None:
    found = list(spans())
    assert len(found) > 120
    for command in found:
        with naming(command):
            check(command, mentioned=True)


@contextmanager
def naming(command: Command) -> Iterator[None]:
    """What is wrong is told with the command's place."""
    try:
        yield
    except BaseException as error:
        raise AssertionError(f"{command.page}:{command.line}: {command.text}: {error}") from error
