"""Checkpoints from strangers: bytes that were changed, and files that are whole and hold what no training wrote."""

from __future__ import annotations

import json
from typing import Any

import torch
from hypothesis import assume
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from convtui.engine.checkpoint import load
from tests.soak.fuzz import called, command, fuzzed, mutated, texts, values
from tests.soak.fuzz_stores import strangers
from tests.soak.site import newest_file
from tests.soak.trial import Broken, Trial

UNCHECKED = "convtui 1"
"""The format that had no checksum: what a stranger would write."""
LOOKS = (
    ("look", "filters", "1", "--device", "cpu"),
    ("look", "summary", "1", "--device", "cpu"),
    ("resume", "1", "--steps", "30", "--json"),
)


def changed_bytes(trial: Trial) -> None:
    """Not one byte of a checkpoint can be another one without its being refused."""
    original = newest_file(strangers(trial)).read_bytes()
    path = trial.folder / "checkpoint.safetensors"

    def case(trial: Trial, data: st.DataObject) -> None:
        changed = data.draw(mutated(original), "bytes")
        assume(changed != original)
        path.write_bytes(changed)
        if called(lambda: load(path)) is not None:
            raise Broken(f"a checkpoint with changed bytes is used: {_difference(original, changed)}")

    fuzzed(trial, case)


def _difference(original: bytes, changed: bytes) -> str:
    places = [place for place, (before, after) in enumerate(zip(original, changed, strict=False)) if before != after]
    return f"{len(original)} bytes became {len(changed)}, the first other one is at {places[:1]}"


def strange_content(trial: Trial) -> None:
    """A sound file whose header or tensors are a stranger's: refused in one line, or read as what it says."""
    store = strangers(trial)
    path = newest_file(store)
    with safe_open(path, framework="pt") as file:
        header = dict(file.metadata()) | {"format": UNCHECKED}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    header.pop("checksum", None)

    def case(trial: Trial, data: st.DataObject) -> None:
        strange = data.draw(_strange(header), "header"), data.draw(_strange_tensors(tensors), "tensors")
        try:
            save_file(strange[1], path, strange[0])
        except (ValueError, UnicodeEncodeError, RuntimeError):
            assume(False)  # no such file can be made
        if called(lambda: load(path)) is not None:
            command(*data.draw(st.sampled_from(LOOKS), "command"), "--store", str(store))

    fuzzed(trial, case)


@st.composite
def _strange(draw: st.DrawFn, header: dict[str, str]) -> dict[str, str]:
    """The header with a few of its values made up, at any depth of those that are JSON."""
    strange = dict(header)
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from(sorted(header)))
        if name in ("format", "dataset") or draw(st.booleans()):
            strange[name] = draw(texts)
        else:
            strange[name] = json.dumps(_replaced(draw, json.loads(header[name])))
    return strange


def _replaced(draw: st.DrawFn, value: Any) -> Any:
    """`value` with one thing in it another one."""
    if isinstance(value, dict) and value and draw(st.integers(0, 4)):
        name = draw(st.sampled_from(sorted(value)))
        return value | {name: _replaced(draw, value[name])}
    if isinstance(value, list) and value and draw(st.integers(0, 4)):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], _replaced(draw, value[place]), *value[place + 1 :]]
    made_up = draw(values)
    return made_up.hex() if isinstance(made_up, bytes) else made_up


@st.composite
def _strange_tensors(draw: st.DrawFn, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors, one or two of them of another shape or type, not finite, renamed or missing."""
    strange = dict(tensors)
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from(sorted(tensors)))
        tensor = tensors[name]
        match draw(st.integers(0, 5)):
            case 0:
                strange.pop(name, None)
            case 1:
                strange[draw(texts)] = tensor
            case 2:
                strange[name] = torch.zeros(draw(st.lists(st.integers(0, 5), max_size=4)))
            case 3:
                strange[name] = tensor.to(draw(st.sampled_from([torch.float64, torch.int64, torch.bool, torch.float16])))
            case 4:
                strange[name] = torch.full_like(tensor, float("nan")) if tensor.is_floating_point() else tensor
            case _:
                strange[name] = torch.cat([tensor.reshape(-1)] * 2)
    return strange
