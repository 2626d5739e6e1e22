"""The program's commands by name. The file of each is imported, and its options are taken apart, when it is called."""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol

import typer

from convtui.tui.cli import application
from convtui.tui.cli.examples import ClickCommand, ClickGroup
from convtui.tui.cli.misuse import ClickException, misuse
from convtui.tui.render.text import told


class Entry(Protocol):
    """What a name stands for. Click's classes are Typer's own from 0.29 on: hence Any."""

    def made(self, name: str) -> Any:
        """As Click has it, with its options and the commands within it."""

    def listed(self, name: str) -> Any:
        """Its name and what it is for, as a list of commands tells them: a tenth of the work."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command is a function with Typer's annotations."""

    file: str
    """Its module, in this folder."""
    function: str
    context_settings: Mapping[str, Any] = field(default_factory=dict)
    """Click's, for taking its words apart."""

    def made(self, name: str) -> Any:
        app = typer.Typer(add_completion=False)
        app.command(name, cls=ClickCommand, context_settings=dict(self.context_settings))(self._found())
        return typer.main.get_command(app)

    def listed(self, name: str) -> Any:
        return ClickCommand(name, help=inspect.getdoc(self._found()))

    def _found(self) -> Any:
        return getattr(import_module(f"{__package__}.{self.file}"), self.function)


@dataclass(frozen=True, slots=True)
class Commands:
    """Several commands under one name."""

    help: str
    entries: Mapping[str, Entry]

    def made(self, name: str) -> Any:
        return Lazy(name=name, help=self.help, no_args_is_help=True, commands=self.entries)

    listed = made


COMMANDS: Mapping[str, Entry] = {
    "tour": Command("tour", "tour"),
    "run": Command("run", "run", {"allow_extra_args": True}),  # it says what they should have been
    "resume": Command("resume", "resume"),
    "stop": Command("control", "stop"),
    "pause": Command("control", "pause"),
    "checkpoint": Command("control", "checkpoint"),
    "lr": Command("control", "lr"),
    "exec": Command("exec_program", "exec_program", {"allow_interspersed_args": False}),
    "look": Command("look", "look"),
    "plot": Command("plot", "plot"),
    "report": Command("report", "report"),
    "bundle": Command("bundle", "bundle"),
    "open": Command("bundle", "open_bundle"),
    "predict": Command("predict", "predict"),
    "views": Command("views", "views"),
    "presets": Command("presets", "presets"),
    "serve": Command("serve", "serve"),
    "doctor": Command("doctor", "doctor"),
    "runs": Commands(
        "List, show, watch, compare, export, merge, rename, note or delete runs.",
        {
            "list": Command("list_runs", "list_runs"),
            "watch": Command("watch", "watch"),
            "compare": Command("compare", "compare"),
            "export": Command("export", "export"),
            "import": Command("import_logs", "import_logs"),
            "merge": Command("merge", "merge"),
            "output": Command("exec_program", "output"),
            "images": Command("images", "images"),
            "show": Command("runs", "show_run"),
            "rename": Command("runs", "rename"),
            "note": Command("runs", "note"),
            "delete": Command("runs", "delete"),
        },
    ),
    "store": Commands("Check the store and its folder.", {"check": Command("store", "check"), "copy": Command("store", "copy")}),
    "study": Commands(
        "List, run or show studies: many runs from one file, compared with published figures.",
        {"list": Command("study", "list_studies"), "run": Command("study", "run"), "show": Command("study", "show")},
    ),
    "data": Commands(
        "List, download or inspect datasets.",
        {"list": Command("data", "list_data"), "get": Command("data", "get"), "show": Command("data", "show_data")},
    ),
}
"""In the order in which they are listed."""


class Lazy(ClickGroup):
    """A group whose commands are made when they are called."""

    def __init__(self, *, commands: Mapping[str, Entry], **settings: Any) -> None:
        super().__init__(**settings)
        self._entries = commands
        self.commands: Any = _Made(commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Of a name that there is not, None; what fails while one is made is told as what it is."""
        return self.commands[cmd_name] if cmd_name in self._entries else None

    def list_commands(self, ctx: Any) -> list[str]:
        """In the table's order."""
        return list(self.commands)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Of the commands it tells no options: none is taken apart for it."""
        listed = copy.copy(self)
        listed.commands = {name: entry.listed(name) for name, entry in self._entries.items()}
        ClickGroup.format_help(listed, ctx, formatter)


class _Made(Mapping[str, Any]):
    """The commands of `entries` as Click has them, each once it is asked for."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = entries
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._entries[name].made(name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


class _Program(Lazy):
    """`convtui` itself, as Typer makes it."""

    def __init__(self, *, commands: object, **settings: Any) -> None:
        super().__init__(commands=COMMANDS, **settings)


app = typer.Typer(
    name="convtui",
    cls=_Program,
    help="Train small neural nets, watch them learn and look inside them.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.callback()(application.application)


def call() -> int:
    """Take the command line apart and do what it says; the exit code. A command line that makes no sense is told in one line."""
    try:
        return app(standalone_mode=False) or 0
    except (ClickException, typer.Abort) as error:
        if isinstance(error, typer.Abort):
            print()  # behind the question
        if type(error).__name__ == "NoArgsIsHelpError":  # its help was printed, but for what is below it
            print(error)
        else:
            print(f"convtui: {told(misuse(error))}", file=sys.stderr)
        return getattr(error, "exit_code", 1)
