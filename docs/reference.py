"""The reference pages, from the program itself: python -m docs.reference writes docs/settings.md and docs/commands.md."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import typer

from convtui.engine.spec import Hyperparameter, hyperparameters, written
from convtui.tui.cli.commands import app
from convtui.tui.cli.examples import examples

DOCS = Path(__file__).parent

SETTINGS = """# Settings

Every setting of a run, as `convtui presets --fields` lists them; `make reference` writes this page. A setting is given as
`--set NAME=VALUE`, as `"NAME" = VALUE` in a study's file, in its group in a preset's file, or in the form of the page New. A preset
sets some of them, all others have the default. A value outside of the bounds is refused, and the nearest valid one named.
[training.md](training.md) says what nets, losses, schedules and measures are, [data.md](data.md) how images are read.
"""

COMMANDS = """# Commands

Every command with its options and examples, from `--help`; `make reference` writes this page. RUN is an id, a name (the newest
run of it), a unique prefix of a name, `last` or `best`. `--store` and `--data-dir` may stand before the command too.
"""

PARTS = {"model": "Net", "data": "Images", "optimiser": "Optimiser", "training": "Training"}


def main() -> None:
    """Write both pages."""
    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """Each page's text by its file's name."""
    return {"settings.md": "\n".join(_settings()), "commands.md": "\n".join(_commands())}


def _settings() -> Iterator[str]:
    yield SETTINGS
    for part, fields in groupby(hyperparameters(), key=lambda field: field.path.partition(".")[0]):
        rows = [(f"`{field.path}`", f"`{written(field.default) or '-'}`", _values(field), _text(field.help)) for field in fields]
        yield f"## {PARTS[part]}\n"
        yield _table(("setting", "default", "values", "meaning"), rows)


def _values(field: Hyperparameter) -> str:
    """What may be written there."""
    if field.choices or field.kind is bool:
        return ", ".join(f"`{choice}`" for choice in field.choices or ("true", "false"))
    bounds = f"`{field.bounds}`" if field.bounds else {str: "text", tuple: "list, with commas"}.get(field.kind, "any")
    return f"{bounds} {field.unit}".rstrip()


def _commands() -> Iterator[str]:
    program: Any = typer.main.get_command(app)
    yield COMMANDS
    yield from _command(typer.Context(program, info_name="convtui"))


def _command(context: Any) -> Iterator[str]:
    """A command's section, then those of the commands within it. Click's classes are Typer's own from 0.29 on: hence Any."""
    command, path = context.command, context.command_path
    yield f"## {path}\n"
    yield _text(command.help or "") + "\n"
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{path} {usage}\n```\n"
    records = [parameter.get_help_record(context) for parameter in command.get_params(context) if "--help" not in parameter.opts]
    rows = [(f"`{names}`", _text(help)) for names, help in filter(None, records)]
    if rows:
        yield _table(("argument or option", "meaning"), rows)
    yield f"```\n{examples(path.partition(' ')[2])}\n```\n"
    for name, inner in getattr(command, "commands", {}).items():
        yield from _command(typer.Context(inner, info_name=name, parent=context))


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table, and the empty line behind it."""
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def _text(words: str) -> str:
    """Text that Markdown shows as it is."""
    for sign in "\\*<[":
        words = words.replace(sign, f"\\{sign}")
    return words


if __name__ == "__main__":
    main()
