"""`convtui study run --on`: the engine that makes a study's runs, where that is not this program and its workers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from convtui.engine.errors import UsageError
from convtui.tui.cli.options import named_value
from convtui.tui.render.text import clean

PLACES = "slurm, slurm-local, ray or ray://HOST:PORT"
_KNOWN = re.compile(r"slurm|slurm-local|ray|ray://\S+")

On = Annotated[str | None, typer.Option("--on", metavar="WHERE", help=f"have the runs made elsewhere: {PLACES}; docs/scale.md")]
JobSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--job", metavar="NAME=VALUE", help="with --on: what each run asks of Slurm or Ray, e.g. partition=gpu, num_gpus=1"
    ),
]
JobFolder = Annotated[
    Path | None,
    typer.Option("--jobs", metavar="FOLDER", help="with --on: where runs and this program meet; beside the store if left out"),
]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What a person said of where runs are to be made."""

    where: str
    """As it was typed."""
    settings: Mapping[str, str]
    """Of --job."""
    folder: Path | None
    """Of --jobs."""
    device: str
    """Of --device, which is there, not here."""
    at_once: int
    """Of --workers."""


def elsewhere(
    where: str | None, settings: Sequence[str] | None, folder: Path | None, device: str, at_once: int
) -> Elsewhere | None:
    """What was said, None where runs are made here. Raises UsageError."""
    if where is None:
        if settings or folder:
            raise UsageError(f"{'--job' if settings else '--jobs'} is for runs that are made elsewhere: add --on {PLACES}")
        return None
    if not _KNOWN.fullmatch(where):
        raise UsageError(f"--on {clean(where)}: there is no such place; write {PLACES}")
    given = dict(named_value("--job", text, "as in --job time=60") for text in settings or ())
    return Elsewhere(where, given, folder, device, at_once)
