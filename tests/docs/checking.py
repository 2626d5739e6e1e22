"""Whether a command that a page names is one of the program's: its words and options, and the views, presets and settings in it."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.util import find_spec
from typing import Any

import typer

from convtui.engine.lens.registry import view
from convtui.engine.presets import preset
from convtui.engine.spec import changed
from convtui.engine.study.catalog import study
from convtui.tui.cli.commands import app
from convtui.tui.cli.look import asked
from convtui.tui.cli.run import changes_of
from tests.docs.blocks import ROOT, Command

VARIABLES = {"CONVTUI_GRAPHICS", "CONVTUI_NOTIFY_URL", "CONVTUI_STORE", "CONVTUI_DATA", "CONVTUI_CACHE"}
OTHERS = {"uv", "pipx", "pip", "ssh", "tensorboard"}
"""Programs that are not convtui's and are not run here."""


@cache
def program() -> Any:
    """The command line, as Click has it."""
    return typer.main.get_command(app)


def command_of(words: list[str]) -> tuple[str, Any, list[str]]:
    """The command that these words (without `convtui`) call, by its name, and the words behind it."""
    command, name = program(), "convtui"
    while words and words[0] in getattr(command, "commands", {}):
        name, *words = words
        command = command.commands[name]
    return name, command, words


def check(command: Command, *, mentioned: bool = False) -> None:
    """Raises where it names what there is not."""
    match command.words:
        case ["convtui" | ".venv/bin/convtui", *_] if mentioned or command.is_synopsis:
            of_synopsis(command.text.partition(" ")[2])
        case ["convtui" | ".venv/bin/convtui", *words]:
            of_program(words)
        case ["make", target, *_]:
            assert target in re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        case ["python", "-m", module, *_]:
            assert find_spec(module) is not None
        case ["python", script, *_]:
            assert script == "train.py"  # the page's own, which is run
        case ["export", setting]:
            assert setting.partition("=")[0] in VARIABLES
        case [name, *_]:
            assert name in OTHERS, "neither run nor checked"
            extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
            for named in re.findall(r"\[([\w,]+)\]", command.text):
                assert set(named.split(",")) <= set(extras)


def of_synopsis(text: str) -> None:
    """Each of its alternatives is a command, each of its options one that the command has."""
    first, *others = re.split(r" \| ", text)
    group = first.split()[:1] if first.split()[:1] and hasattr(command_of(first.split()[:1])[1], "commands") else []
    for alternative in (first, *(" ".join([*group, other]) for other in others)):
        name, found, rest = command_of(alternative.split())
        assert not hasattr(found, "commands") or not rest or not re.match(r"[a-z]", rest[0]), f"{name} has no {rest[:1]}"
        there = {option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
        missing = set(re.findall(r"(?<![\w'])--[a-z][\w-]*", alternative)) - there
        assert not missing, f"{name} has no {missing}"


def of_program(words: list[str]) -> None:
    """The program itself takes it apart, without running it; views, presets, studies and settings that it names are there."""
    name, found, rest = command_of(words)
    context = found.make_context(name, list(rest))
    values = context.params
    match words[:2]:
        case ["look", *_]:
            assert_there_is(values)
        case ["run", *_]:
            assert not context.args
            changed(preset(values["preset"] or "lenet5").spec, changes_of(values["settings"] or [], {}))
        case ["presets" | "views", str(named)] if not named.startswith("-"):
            (preset if name == "presets" else view)(named)
        case ["study", "run" | "show"]:
            study(values["reference"])


def assert_there_is(look: dict[str, Any]) -> None:
    """Its view, and each of its options with a value that it takes."""
    found = view(look["view"])
    found.make(asked(found, look["opt"] or [], {name: look[name] for name in ("layer", "map", "image", "label")}))
