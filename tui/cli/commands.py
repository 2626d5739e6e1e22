"""The program's commands by name. The file of each is imported, and its options are taken apart, when it is called."""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand

from convtui.tui.cli import application
from convtui.tui.cli.examples import Group, add_examples
from convtui.tui.cli.misuse import ClickException, misuse
from convtui.tui.render.text import told


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """One command, or a group of them. Click's classes are Typer's own from 0.29 on: hence Any."""

    file: str
    """Its module, in this folder."""
    attribute: str
    """The function; the Typer of a group."""
    context_settings: Mapping[str, Any] = field(default_factory=dict)
    """Click's, for taking its words apart."""

    def made(self, name: str) -> Any:
        """With its options, and the commands within it."""
        found = self._found()
        if isinstance(found, typer.Typer):
            app = found
        else:
            app = typer.Typer(add_completion=False)
            app.command(context_settings=dict(self.context_settings))(found)
        add_examples(app)
        command: Any = typer.main.get_command(app)
        command.name = name
        return command

    def listed(self, name: str) -> Any:
        """Its name and what it is for, as the list of commands tells them: a tenth of the work."""
        found = self._found()
        return TyperCommand(name, help=found.info.help if isinstance(found, typer.Typer) else inspect.getdoc(found))

    def _found(self) -> Any:
        return getattr(import_module(f"{__package__}.{self.file}"), self.attribute)


COMMANDS = {
    "tour": LazyCommand("tour", "tour"),
    "run": LazyCommand("run", "run", {"allow_extra_args": True}),  # it says what they should have been
    "resume": LazyCommand("resume", "resume"),
    "stop": LazyCommand("control", "stop"),
    "pause": LazyCommand("control", "pause"),
    "checkpoint": LazyCommand("control", "checkpoint"),
    "lr": LazyCommand("control", "lr"),
    "exec": LazyCommand("exec_program", "exec_program", {"allow_interspersed_args": False}),
    "look": LazyCommand("look", "look"),
    "plot": LazyCommand("plot", "plot"),
    "report": LazyCommand("report", "report"),
    "bundle": LazyCommand("bundle", "bundle"),
    "open": LazyCommand("bundle", "open_bundle"),
    "predict": LazyCommand("predict", "predict"),
    "views": LazyCommand("views", "views"),
    "presets": LazyCommand("presets", "presets"),
    "serve": LazyCommand("serve", "serve"),
    "doctor": LazyCommand("doctor", "doctor"),
    "runs": LazyCommand("runs", "app"),
    "store": LazyCommand("store", "app"),
    "study": LazyCommand("study", "app"),
    "data": LazyCommand("data", "app"),
}
"""In the order in which `convtui --help` lists them."""


class Program(Group):
    """`convtui` itself."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: Any = _Made()

    def list_commands(self, ctx: Any) -> list[str]:
        """In the table's order."""
        return list(self.commands)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Of the commands it tells no options: none is taken apart for it."""
        listed = copy.copy(self)
        listed.commands = {name: command.listed(name) for name, command in COMMANDS.items()}
        Group.format_help(listed, ctx, formatter)


class _Made(Mapping[str, Any]):
    """COMMANDS as Click has them, each once it is asked for."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = COMMANDS[name].made(name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


app = typer.Typer(
    name="convtui",
    cls=Program,
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
