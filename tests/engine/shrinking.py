"""Presets made small: the same kinds of layers and the same images, with few filters, units and steps, so that tests stay quick."""

from __future__ import annotations

from convtui.engine.presets import Preset, presets
from convtui.engine.spec import RunSpec, changed

PRESETS = {name: preset for name, preset in presets().items() if isinstance(preset, Preset)}


def shrunk(spec: RunSpec) -> RunSpec:
    """The spec with at most 6 filters and 8 units a layer."""
    model = spec.model
    small = {
        "conv_blocks": [block.model_copy(update={"filters": min(block.filters, 6)}) for block in model.conv_blocks],
        "dense_blocks": [block.model_copy(update={"units": min(block.units, 8)}) for block in model.dense_blocks],
        "hidden": min(model.hidden, 8),
    }
    return changed(spec, {f"model.{name}": value for name, value in small.items()})


def kinds_of_net() -> dict[str, RunSpec]:
    """A shrunk spec for every net that presets have, by the names of those that come to it."""
    found: dict[str, tuple[list[str], RunSpec]] = {}
    for name, preset in PRESETS.items():
        spec = shrunk(preset.spec)
        key = repr((spec.model.model_copy(update={"init": "default", "first_filters": "drawn"}), spec.data.colour, spec.data.size))
        found.setdefault(key, ([], spec))[0].append(name)
    return {" ".join(names): spec for names, spec in found.values()}
