"""How many runs a study still wants, and how long they will take, by how quick runs of these settings were before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from convtui.engine.errors import SpecError
from convtui.engine.spec import RunSpec
from convtui.engine.store import Run, Store, match
from convtui.engine.store.processes import hostname
from convtui.engine.study.plan import Wanted


@dataclass(frozen=True, slots=True)
class Estimate:
    """Of runs that are still to be trained."""

    runs: int
    seconds: float
    """Of those whose speed is known, one after another."""
    unknown: int
    """How many have settings of which none has been trained here."""


def estimate(store: Store, wanted: Sequence[Wanted]) -> Estimate:
    """What is missing of these runs. Raises StoreError."""
    runs = store.runs(study=wanted[0].study) if wanted else []
    of_settings: dict[str, list[Run]] = {}
    for run in runs:
        of_settings.setdefault(run.setting, []).append(run)
    missing = [one for one in wanted if match(of_settings.get(one.setting, ()), one.spec).is_open]
    speeds = _speeds(store, {_what(one.spec) for one in missing})
    seconds = [_seconds(one.spec, speeds) for one in missing]
    known = [each for each in seconds if each is not None]
    return Estimate(len(missing), sum(known), len(seconds) - len(known))


@dataclass(frozen=True, slots=True)
class _Speed:
    images_per_second: float
    images_per_epoch: int


def _speeds(store: Store, wanted: Set[str]) -> Mapping[str, _Speed]:
    """What is trained -> how quickly the newest run of it on this machine was, evaluations included; at least what is wanted."""
    found: dict[str, _Speed] = {}
    for run in store.runs(status=("finished", "stopped", "diverged")) if wanted else ():
        if wanted <= found.keys():
            break
        if run.is_training and (run.node or run.host) == hostname() and run.seconds and run.images and run.images_per_epoch:
            try:
                key = _what(run.settings)
            except SpecError:  # another program's
                continue
            found.setdefault(key, _Speed(run.images / run.seconds, run.images_per_epoch))
    return found


def _what(spec: RunSpec) -> str:
    """What decides how long an image takes: the net, and the size of images and batches; not how weights are updated."""
    return f"{spec.model.model_dump_json()} {spec.data.channels} {spec.data.sides} {spec.data.batch_size} {spec.training.precision}"


def _seconds(spec: RunSpec, speeds: Mapping[str, _Speed]) -> float | None:
    speed = speeds.get(_what(spec))
    if speed is None:
        return None
    return spec.images_in(spec.total_steps(speed.images_per_epoch), speed.images_per_epoch) / speed.images_per_second
