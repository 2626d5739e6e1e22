"""What is written to disk of a training: everything it needs to go on, or the weights alone.

A file is safetensors (no code in it), whole or absent, and its checksum is verified when it is read. Tensors are named `net.*`,
`optimiser.INDEX.KEY`, `best.*`, `generator.*`; numbers and the spec are JSON in the header, where a float keeps every bit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from safetensors import SafetensorError
from torch import Tensor, nn

from convtui.engine import tensors as files
from convtui.engine.data.batches import Standardise
from convtui.engine.data.digest import differing
from convtui.engine.errors import CheckpointError, ConvtuiError
from convtui.engine.files import written_whole
from convtui.engine.models import layout
from convtui.engine.spec import RunSpec, make
from convtui.engine.spec.choices import StepPath

FORMAT = "convtui 2"
"""With a checksum."""
UNCHECKED = "convtui 1"
"""What files are of that were written before there were checksums."""


@dataclass(slots=True)
class State:
    """How far a training is: all of it that is not a tensor."""

    step: int = 0
    """Updates done."""
    step_path: StepPath = "eager"
    """How steps are computed; the same path gives the same numbers."""
    scored_step: int = 0
    """The step at which the weights were last evaluated, or an epoch ended without that being due."""
    epoch: int = 0
    """Epochs done, their evaluation included."""
    position: int = 0
    """Steps done in the current epoch."""
    loss_sum: float = 0.0
    """Of the current epoch: sum of the losses of its images."""
    correct: int = 0
    """Of the current epoch: images predicted right."""
    seen: int = 0
    """Of the current epoch: images trained on."""
    sums: dict[str, float] = field(default_factory=dict)
    """Of the current epoch: sums over its images of what else is measured of each of them."""
    step_seconds: float = 0.0
    """Of the current epoch: seconds spent in its steps."""
    images: int = 0
    """Images trained on in all."""
    seconds: float = 0.0
    """Seconds spent in all, evaluation included, pauses not."""
    rate_factor: float = 1.0
    """Product of all changes of the learning rate by hand."""
    best_score: float | None = None
    best_epoch: int | None = None
    best_step: int | None = None
    best_values: dict[str, float] = field(default_factory=dict)
    """What was measured at the end of the best epoch, as `values`; empty in files of before it was kept."""
    patience_from: int = 0
    """The epoch from which patience is counted where no later one is the best: that of the last early stop, or 0."""
    early: bool = False
    """True once early stopping has ended the training."""
    values: dict[str, float] = field(default_factory=dict)
    """The newest epoch's losses and accuracies."""
    images_per_second: float = 0.0
    """Of the newest epoch's steps."""

    def begin_epoch(self, done: int) -> None:
        """`done` epochs are behind; the next begins with empty sums."""
        self.epoch, self.position = done, 0
        self.loss_sum, self.correct, self.seen, self.sums, self.step_seconds = 0.0, 0, 0, {}, 0.0


_LONGEST_INDEX = 6
"""Digits of an optimiser's parameter."""
_SAME = 1e-5
"""Means and deviations, of 1, that differ by less are of the same images: processors rounded resized ones differently."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a file must say for its weights to be of use without the store: which net, fed how."""

    spec: RunSpec
    channels: int
    classes: tuple[str, ...]
    dataset: str
    standardise: Standardise

    digests: Mapping[str, str] = field(default_factory=dict)
    """Split -> what its images are, in short; empty in files of before they were kept."""

    def other_images(self, other: Identity) -> str:
        """Which of its images are not those of `other`, in words: `test images`; empty where they are the same.

        Where one of both has no digests, as far as classes, channels, mean and deviation of the training images tell.
        """
        if self.digests and other.digests:
            return differing(self.digests, other.digests)
        same = (
            (self.channels, self.classes) == (other.channels, other.classes)
            and torch.allclose(self.standardise.mean, other.standardise.mean, rtol=0, atol=_SAME)
            and torch.allclose(self.standardise.std, other.standardise.std, rtol=0, atol=_SAME)
        )
        return "" if same else "images"


@dataclass(frozen=True, eq=False, slots=True)
class Checkpoint:
    """A file read back. `optimiser`, `best` and `generators` are empty where it holds weights only."""

    identity: Identity
    state: State
    net: dict[str, Tensor]
    optimiser: dict[int, dict[str, Tensor]]
    best: dict[str, Tensor]
    generators: dict[str, Tensor]


def save(
    path: Path,
    identity: Identity,
    state: State,
    net: dict[str, Tensor],
    *,
    optimiser: torch.optim.Optimizer | None = None,
    best: dict[str, Tensor] | None = None,
    generators: dict[str, Tensor] | None = None,
) -> int:
    """Write the file and return its size in bytes. Raises CheckpointError when the disk will not take it."""
    tensors = {f"net.{name}": tensor for name, tensor in net.items()}
    tensors |= {f"best.{name}": tensor for name, tensor in (best or {}).items()}
    tensors |= {f"generator.{name}": tensor for name, tensor in (generators or {}).items()}
    for index, moments in (optimiser.state_dict()["state"] if optimiser else {}).items():
        tensors |= {f"optimiser.{index}.{key}": value for key, value in moments.items() if isinstance(value, Tensor)}
    header = {
        "format": FORMAT,
        "state": json.dumps(asdict(state)),
        "spec": identity.spec.model_dump_json(),
        "channels": str(identity.channels),
        "classes": json.dumps(identity.classes),
        "dataset": identity.dataset,
        "mean": json.dumps(identity.standardise.mean.tolist()),
        "std": json.dumps(identity.standardise.std.tolist()),
        "digests": json.dumps(dict(identity.digests)),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as temporary:
            files.write(temporary, tensors, header)
        return path.stat().st_size
    except OSError as error:
        raise CheckpointError(f"checkpoint {path} could not be written: {error}; free some disk space or move the store") from None


def load(path: Path) -> Checkpoint:
    """Read a file back, on the CPU. Raises CheckpointError where it is missing, damaged or of another format."""
    try:
        header, tensors, checked = files.read(path)
        if header.get("format") not in (FORMAT, UNCHECKED):
            raise CheckpointError(f"checkpoint {path} is not in a format that convtui reads ({FORMAT})")
        if header["format"] == FORMAT and not checked:
            raise ValueError("its checksum is missing")
        spec = make(_parsed(header["spec"]))
        if _parsed(header["channels"]) != spec.data.channels:
            raise ValueError("it has other channels than its settings")
        standardise = Standardise(_numbers(header["mean"]), _numbers(header["std"]), layout(spec.model))
        identity = Identity(
            spec,
            spec.data.channels,
            TypeAdapter(tuple[str, ...]).validate_python(_parsed(header["classes"])),
            header["dataset"],
            standardise,
            TypeAdapter(dict[str, str]).validate_python(_parsed(header.get("digests", "{}"))),
        )
        state = _state().validate_python(_parsed(header["state"]))
        optimiser: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _group(tensors, "optimiser.").items():
            index, _, key = name.partition(".")
            if not (index.isdecimal() and len(index) <= _LONGEST_INDEX):
                raise ValueError("a tensor of its optimiser has no number")
            optimiser.setdefault(int(index), {})[key] = tensor
    except FileNotFoundError:
        raise CheckpointError(
            f"checkpoint {path} is missing; the run may have others: 'convtui runs show RUN' lists them"
        ) from None
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"checkpoint {path} is damaged: {' '.join(str(error).split())}") from None
    except ConvtuiError as error:
        raise CheckpointError(f"checkpoint {path}: {error}") from None
    return Checkpoint(identity, state, _group(tensors, "net."), optimiser, _group(tensors, "best."), _group(tensors, "generator."))


def restore_net(net: nn.Module, tensors: dict[str, Tensor], path: Path | str) -> None:
    """Put weights into the net. Raises CheckpointError where they belong to another one."""
    try:
        net.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(f"checkpoint {path} belongs to another net: {str(error).splitlines()[-1].strip()}") from None


def restore_optimiser(optimiser: torch.optim.Optimizer, moments: dict[int, dict[str, Tensor]]) -> None:
    """Put moments back, each laid out in memory as its parameter is: fused kernels walk both in one order."""
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    for index, named in moments.items():
        parameter = parameters[index]
        for key, value in named.items():
            if value.shape == parameter.shape and value.ndim:
                optimiser.state[parameter][key] = torch.empty_like(parameter).copy_(value)
            else:  # a count of steps is wanted beside its parameter by fused and captured kernels, on the CPU by all others
                beside = optimiser.defaults.get("fused") or optimiser.defaults.get("capturable")
                optimiser.state[parameter][key] = value.to(parameter.device) if beside else value


@cache
def _state() -> TypeAdapter[State]:
    return TypeAdapter(State)


def _parsed(text: str) -> Any:
    """Raises ValueError where the text is not JSON, or JSON that no checkpoint needs."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("its header is nested too deeply") from None
    except ValueError:  # also for a number of thousands of digits
        raise ValueError("its header is not JSON, or has a number that is too long") from None


def _numbers(text: str) -> Tensor:
    """float32 [C]."""
    return torch.tensor(TypeAdapter(list[float]).validate_python(_parsed(text)))


def _group(tensors: dict[str, Any], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
