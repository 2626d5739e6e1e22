"""`convtui run --try`: what can be learnt of settings before a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias

import torch

from convtui.engine.data.preview import count, preview
from convtui.engine.data.split import Dataset
from convtui.engine.errors import DeviceError
from convtui.engine.figures.figure import Result
from convtui.engine.lens.tiles import class_sheet
from convtui.engine.spec import RunSpec
from convtui.engine.spec.parts import RUN
from convtui.engine.store_address import StoreAddress
from convtui.engine.training import StartingWeights, starting_weights
from convtui.engine.training.trials import bfloat16_gain, images_at_hand, lr_range_test, memorised, overfit, speed, suggest_lr
from convtui.tui.cli.options import existing_store
from convtui.tui.cli.presets import untrained
from convtui.tui.cli.train import reporter_for
from convtui.tui.render.json_lines import line
from convtui.tui.render.text import clean
from convtui.tui.render.trial_words import gain_words, overfit_words, range_words, speed_words

EACH = 6
"""Training images of each class that are shown."""

Found: TypeAlias = tuple[str, dict[str, object], bool]
"""In words, in numbers, and whether it is as one wants it."""


def tried(
    trial: Literal["speed", "overfit", "rates"],
    spec: RunSpec,
    device: torch.device,
    data_dir: Path | None,
    store_path: StoreAddress,
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    """Print what the trial found: a line, or an object with all its numbers. Nothing is recorded.

    The exit code: 1 where a batch was not memorised, or the loss never fell. Raises UsageError, SpecError, DeviceError, DataError.
    """
    start = _start(spec, store_path)
    if trial == "speed":
        words, values, good = _speed(spec, device, data_dir, start)
    else:
        reporter = reporter_for(0, as_json=as_json, quiet=quiet)
        try:
            dataset = images_at_hand(spec, data_dir, reporter.preparing)
        finally:
            reporter.close()
        words, values, good = (_overfit if trial == "overfit" else _rates)(spec, dataset, device, start)
    print(line({"try": trial} | values) if as_json else clean(words))
    return 0 if good else 1


def before_training(what: Literal["net", "images"], spec: RunSpec, data_dir: Path | None) -> list[Result]:
    """The net that the settings make, layer by layer; or training images of each class as they make them, before standardising."""
    if what == "net":
        return untrained(spec, "these settings")
    known = preview(spec.data, data_dir, each=EACH)
    sheet = class_sheet(known.examples, range(known.looked_at), EACH)
    train, test = sum(known.train), sum(known.test)
    title = f"{known.source}: {train:,} training and {test:,} test images in {len(known.classes)} classes"
    return [replace(sheet, title=title, notes=known.notes)]


def _start(spec: RunSpec, store_path: StoreAddress) -> StartingWeights | None:
    source = spec.training.start_from
    if not source.startswith(RUN):
        return starting_weights(source) if source else None
    with existing_store(store_path) as store:
        return starting_weights(source, store)


def _overfit(spec: RunSpec, dataset: Dataset, device: torch.device, start: StartingWeights | None) -> Found:
    losses = list(overfit(spec, dataset, device, start))
    good = memorised(losses)
    words = overfit_words(losses, min(spec.data.batch_size, len(dataset.train)), dataset.source)
    return words, {"losses": losses, "memorised": good}, good


def _rates(spec: RunSpec, dataset: Dataset, device: torch.device, start: StartingWeights | None) -> Found:
    points = list(lr_range_test(spec, dataset, device, start))
    rate = suggest_lr(points) if points else None
    values: dict[str, object] = {"learning_rate": rate, "points": [[point.rate, point.loss] for point in points]}
    return range_words(points, dataset.source), values, rate is not None


def _speed(spec: RunSpec, device: torch.device, data_dir: Path | None, start: StartingWeights | None) -> Found:
    counts = count(spec.data, data_dir)
    *_, found = speed(spec, device, counts, start)
    words = speed_words(found)
    values: dict[str, object] = {"seconds_per_step": found.step_seconds, "steps": found.total_steps}
    try:
        *_, gain = bfloat16_gain(spec, device, counts, start)
    except DeviceError:  # it has none
        return words, values, True
    return f"{words} · {gain_words(gain)}", values | {"bfloat16_gain": gain}, True
