"""The gates of LSTM and GRU layers at each row of an image (Hochreiter and Schmidhuber 1997; Cho et al. 2014)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Ramp, Result, Sheet, Target, Tile
from convtui.engine.lens import recurrent, selection
from convtui.engine.lens.recurrent import OfCells, Unrolled, cells, reads_steps
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import Chosen, OfOneImage
from convtui.engine.lens.subject import Subject
from convtui.engine.lens.tiles import image_sheet

_NAMES = {
    "i": "i, input gate", "f": "f, forget gate", "o": "o, output gate", "g": "g, candidate", "c": "c, cell state", "h": "h, state",
    "r": "r, reset gate", "z": "z, update gate", "n": "n, candidate",
}  # fmt: skip
_OPENINGS = "ifrzo"
"""From 0, closed, to 1, open."""


class GatesOptions(OfCells, OfOneImage):
    """Of which layers, for which image."""


def _has_gates(subject: Subject) -> str | None:
    if any(isinstance(cell, nn.LSTM | nn.GRU) for cell in cells(subject.net).values()):
        return None
    return "the net's recurrent layers are plain ones, which have no gates; use 'hidden'"


@register("gates", "the gates of LSTM and GRU layers at each row of an image", GatesOptions, reads_steps, _has_gates)
def gates(subject: Subject, options: GatesOptions) -> list[Result]:
    """The image, and for each layer and direction a sheet of its gates and one of what they let through, [units, steps] each.

    LSTM: c = f c' + i g, h = o tanh(c). GRU: n = tanh(W x + b + r (U h' + b')), h = (1 - z) n + z h', as torch has it. Worked out
    from the module's weights in float64, and held against what the module gives.
    """
    chosen = selection.image(subject, options)
    layers = [layer for layer in recurrent.unrolled(subject, chosen.images, options) if len(layer.values) > 1]
    if not layers:
        raise NotApplicable(f"layer {options.layer} is a plain recurrent layer, which has no gates; use 'hidden'")
    results: list[Result] = [image_sheet(subject, f"image {chosen.names[0]} · {subject.title}", chosen)]
    for layer in layers:
        results += _sheets(layer, chosen, beside=len(results) == 1)
    return results


def _sheets(layer: Unrolled, chosen: Chosen, *, beside: bool) -> list[Sheet]:
    """Its gates; what lies within -1 and 1; and of an LSTM the cell state, which has no bounds."""
    lstm = "c" in layer.values
    says = "c = f c' + i g, h = o tanh(c)" if lstm else "h = (1 - z) n + z h', n = tanh(W x + b + r (U h' + b'))"
    kind = "LSTM" if lstm else "GRU"
    rest = [key for key in layer.values if key not in _OPENINGS and key != "c"]
    of = partial(_sheet, layer, chosen)
    return [
        of(
            f"gates of {layer.label} ({kind}) over the steps of {chosen.names[0]}",
            _openings(layer),
            "even",
            0,
            1,
            says,
            beside=beside,
        ),
        of(f"candidate and state of {layer.label}", rest, "diverging", -1, 1, says),
        *([of(f"cell state of {layer.label}", ["c"], "diverging", *_about_zero(layer.values["c"]), says)] if lstm else []),
    ]


def _openings(layer: Unrolled) -> list[str]:
    return [key for key in layer.values if key in _OPENINGS]


def _about_zero(values: Tensor) -> tuple[float, float]:
    most = float(values.abs().max()) or 1.0
    return -most, most


def _sheet(
    layer: Unrolled,
    chosen: Chosen,
    title: str,
    keys: Sequence[str],
    ramp: Ramp,
    low: float,
    high: float,
    says: str,
    *,
    beside: bool = False,
) -> Sheet:
    tiles = [Tile(layer.heat(key), _NAMES[key], Target(layer.name, image=chosen.numbers[0])) for key in keys]
    captions = [f"{layer.label}: {', '.join(keys)}"] if len(tiles) > 1 else []
    notes = [layer.axes, f"gates are closed at 0 and open at 1: {says}"]
    by_rows = layer.shape[1] == chosen.images.shape[2]
    block = (1, len(tiles))
    return Sheet(title, tiles, ramp, low, high, block=block, captions=captions, notes=notes, beside=beside, over_rows=by_rows)
