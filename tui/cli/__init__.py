"""The command line. One file a command; what a command needs is imported when it runs, so that --help is instant."""

from __future__ import annotations

import os
import sys

import typer

from engine.errors import ConvtuiError
from tui.cli import application, control, data, doctor, look, predict, presets, resume, run, runs, store, study, views
from tui.log import log
from tui.text import clean

app = typer.Typer(
    name="convtui",
    help="Train small neural nets, watch them learn and open them up.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.callback()(application.application)
app.command()(run.run)
app.command()(resume.resume)
app.command()(control.stop)
app.command()(control.pause)
app.command()(control.lr)
app.add_typer(runs.app, name="runs")
app.add_typer(store.app, name="store")
app.add_typer(study.app, name="study")
app.command()(look.look)
app.command()(predict.predict)
app.command()(views.views)
app.command()(presets.presets)
app.add_typer(data.app, name="data")
app.command()(doctor.doctor)


def main() -> None:
    """The `convtui` script: every error becomes one line and its exit code, in this one place."""
    _make_printable()
    try:
        app()
    except ConvtuiError as error:
        print(f"convtui: {clean(error)}", file=sys.stderr)
        if error.__cause__ is not None:
            print(f"convtui: the full story is in {log(error)}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        print(f"convtui: {type(error).__name__}: {clean(error)}; the full story is in {log(error)}", file=sys.stderr)
        sys.exit(1)


def _make_printable() -> None:
    """Have streams to print on (a closed one is None), which take every character, as a question mark if need be."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123 - open for as long as the process
        stream = getattr(sys, name)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
