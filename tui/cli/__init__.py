"""The command line. One file per command; of each, no more is imported than what was called needs."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from convtui.engine.errors import ConvtuiError
from convtui.tui.garbage import leave_quickly, put_off
from convtui.tui.log import log
from convtui.tui.render.text import told
from convtui.tui.terminal import is_dumb, silence_broken, write_look_alikes


def main() -> None:
    """The `convtui` script: every error becomes one line and its exit code, in this one place."""
    leave_quickly()
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
        sys.exit(_called())
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


def _called() -> int:
    """What the command line says, done; the exit code."""
    # Where there is nothing to take apart. A shell that completes a line says what is to be completed in `_CONVTUI_COMPLETE`, or
    # as the script is called otherwise.
    if not sys.argv[1:] and not any(name.endswith("_COMPLETE") for name in os.environ):
        from convtui.tui.cli.opening import open_application

        return open_application()
    with put_off():
        from convtui.tui.cli.commands import call

    return call()


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
