"""The right name that is nearest to a wrong one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from convtui.engine.spec.base import LONGEST_QUOTED


def nearest(wrong: str, right: Iterable[str]) -> str:
    """` (did you mean X?)` for the closest of the `right` names, or nothing when none is close."""
    wrong, names = wrong[:LONGEST_QUOTED], list(right)
    plain = {_plain(name): name for name in names}
    tails = {name.rpartition(".")[2]: name for name in names}
    plain_tails = {name.rpartition(".")[2]: whole for name, whole in plain.items()}
    asked = _plain(wrong)
    close = (
        [name for name in (plain.get(asked), plain_tails.get(asked.rpartition(".")[2])) if name]
        or difflib.get_close_matches(wrong, names, n=1, cutoff=0.5)
        or [tails[tail] for tail in difflib.get_close_matches(wrong.rpartition(".")[2], list(tails), n=1, cutoff=0.6)]
    )
    return f" (did you mean {close[0]}?)" if close else ""


def alike(typed: str, right: Iterable[str]) -> list[str]:
    """Those of the `right` names that `typed` is, but for how it is written (`lr`, `batch-size`): whole, or else the last part."""
    asked, plain = _plain(typed), {name: _plain(name) for name in right}
    whole = [name for name, written in plain.items() if written == asked]
    return whole or [name for name, written in plain.items() if written.rpartition(".")[2] == asked]


_SYNONYMS = {
    "lr": "learningrate", "optimizer": "optimiser", "optim": "optimiser", "opt": "optimiser", "wd": "weightdecay", "bs":
    "batchsize", "gray": "grey", "color": "colour", "normalize": "standardise", "standardize": "standardise", "dropoutrate":
    "dropout", "nonlinearity": "activation", "criterion": "loss", "swish": "silu",
    "scheduler": "schedule", "crossentropyloss": "crossentropy",
    "mse": "sumsquares", "mseloss": "sumsquares", "kaiming": "he", "glorot": "xavier", "cosineannealinglr": "cosine",
    "onecyclelr": "onecycle", "exponentiallr": "exponential", "steplr": "step", "bf16": "bfloat16", "fp32": "float32", "dataset":
    "source", "epoch": "epochs", "maxepochs": "epochs", "numepochs": "epochs", "maxsteps": "steps",
}  # fmt: skip
"""What other programs call what we call otherwise, both as `_plain` writes them."""


def _plain(name: str) -> str:
    """`optimizer.Batch-Size` -> `optimiser.batchsize`: what is left where names differ by how they are written only."""
    parts = (re.sub(r"[\s_-]", "", part).casefold() for part in name.split("."))
    return ".".join(_SYNONYMS.get(part, part) for part in parts)
