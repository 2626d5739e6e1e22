"""A run told in three lines: its net, how it was trained, and what is said of it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convtui.engine.named_code import short
from convtui.tui.render.text import clean, compact, counted

if TYPE_CHECKING:
    from convtui.engine.spec import RunSpec
    from convtui.engine.store import Run, Store

BETWEEN = " · "


@dataclass(frozen=True, slots=True)
class Settings:
    """A run's settings in words: parts of a line each, the most telling ones first."""

    net: str
    training: tuple[str, ...] = ()


def settings_words(store: Store, run_id: int) -> Settings:
    """A run's settings. Raises StoreError, RunNotFound."""
    from convtui.engine.errors import SpecError

    run = store.run(run_id)
    if not run.is_training:
        return Settings(own_settings(run) or _origin(run))
    try:
        spec = run.settings
    except SpecError as error:
        return Settings(f"its settings are from another program: {clean(error)}")
    return Settings(_net(spec), _training(spec, run))


def _origin(run: Run) -> str:
    """Where a run is from that says nothing of its settings."""
    if run.kind == "script":
        return "a script's own loop"
    if run.kind == "command":
        return clean(shlex.join(run.repeatable.get("command", [])))
    return f"a log of {clean(run.kind)}'s"


def own_settings(run: Run) -> str:
    """`lr 0.05 · epochs 3`: what a script said of itself."""
    return BETWEEN.join(f"{clean(name)} {clean(str(value))}" for name, value in run.spec_values.items())


def _net(spec: RunSpec) -> str:
    """`grey 32×32 → conv 32·64 5×5 pad 2 pool 2 → dense 1024 · relu`."""
    rows, columns = spec.data.sides
    words = [f"{spec.data.colour} {rows}×{columns}"]
    if spec.model.module:
        given = ", ".join(f"{name}={value}" for name, value in spec.model.keywords.items())
        return f"{words[0]} → {clean(short(spec.model.module))}({clean(given)})"
    blocks = [str(block).replace("x", "×").partition(" ") for block in spec.model.conv_blocks]
    if blocks:
        alike = len({rest for _, _, rest in blocks}) == 1
        together = f"{'·'.join(filters for filters, _, _ in blocks)} {blocks[0][2]}"
        words.append(f"conv {together if alike else ', '.join(map(''.join, blocks))}")
    if spec.model.cell != "none":
        words.append(f"{spec.model.cell} {'·'.join([str(spec.model.hidden)] * spec.model.layers)}")
    if spec.model.dense_blocks:
        words.append(f"dense {', '.join(map(str, spec.model.dense_blocks))}")
    activation = f"{BETWEEN}{spec.model.activation}" if spec.model.activations else ""
    return f"{' → '.join(words)}{activation}"


def _training(spec: RunSpec, run: Run) -> tuple[str, ...]:
    from convtui.engine.store.processes import hostname

    optimiser = spec.optimiser
    words = [f"{optimiser.name} {compact(optimiser.learning_rate)}"]
    words += [optimiser.schedule] if optimiser.schedule != "constant" else []
    words.append(f"batch {spec.data.batch_size}")
    words.append(_budget(spec))
    words += [f"{run.parameters:,} parameters"] if run.parameters else []
    words += [f"best epoch {run.best_epoch}"] if run.best_epoch else []
    words += [clean(run.device)] if run.device else []
    words += [f"{run.images_per_second:,.0f} images/s"] if run.images_per_second else []
    trainer = run.node or run.host
    words += [f"on {clean(trainer)}"] if trainer not in ("", hostname()) else []
    words.append(f"seed {spec.training.seed}")
    return tuple(words)


def _budget(spec: RunSpec) -> str:
    training = spec.training
    if training.images is not None:
        return f"{counted(training.images, 'image')} shown"
    return counted(training.epochs, "epoch") if training.steps is None else counted(training.steps, "step")
