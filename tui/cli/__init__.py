"""The command line. One file per command, imported when it is called; what it needs is imported when it runs."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import typer

from convtui.engine.errors import ConvtuiError
from convtui.tui.cli.application import application
from convtui.tui.cli.commands import Program
from convtui.tui.cli.misuse import ClickException, misuse
from convtui.tui.log import log
from convtui.tui.render.text import told
from convtui.tui.terminal import is_dumb, silence_broken, write_look_alikes

app = typer.Typer(
    name="convtui",
    cls=Program,
    help="Train small neural nets, watch them learn and look inside them.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.callback()(application)


def main() -> None:
    """The `convtui` script: every error becomes one line and its exit code, in this one place."""
    _prepare_output()
    try:
        _call()
        sys.stdout.flush()
    except BrokenPipeError:
        _leave_quietly()
    except SystemExit as left:
        # Typer and Rich answer a closed pipe by leaving with 1.
        if isinstance(left.__context__, BrokenPipeError):
            _leave_quietly()
        for note in getattr(left, "__notes__", ()):
            print(f"convtui: {told(note)}", file=sys.stderr)
        silence_broken()
        raise


def _call() -> None:
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except (ClickException, typer.Abort) as error:
        if isinstance(error, typer.Abort):
            print()  # behind the question
        if type(error).__name__ == "NoArgsIsHelpError":  # its help was printed, but for what is below it
            print(error)
        else:
            print(f"convtui: {told(misuse(error))}", file=sys.stderr)
        sys.exit(getattr(error, "exit_code", 1))
    except ConvtuiError as error:
        print(f"convtui: {told(error)}", file=sys.stderr)
        if error.__cause__ is not None:
            print(f"convtui: the full story is in {log(error)}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        raise
    except Exception as error:
        print(f"convtui: {type(error).__name__}: {told(error)}; the full story is in {log(error)}", file=sys.stderr)
        sys.exit(1)


def _leave_quietly() -> NoReturn:
    """Nobody reads on (`| head -1`): the exit code of a program that SIGPIPE ended."""
    silence_broken()
    sys.exit(128 + 13)


def _prepare_output() -> None:
    """Have streams to print on (a closed one is None), which take every character, and no escapes on a dumb terminal."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123 - open for as long as the process
        write_look_alikes(getattr(sys, name))
    if is_dumb():
        os.environ["TERM"] = "dumb"  # Rich would write colours where TERM is not set
    for name in ("COLUMNS", "LINES"):
        if os.environ.get(name, "").strip("0") == "":
            os.environ.pop(name, None)  # Rich would draw in no columns at all
