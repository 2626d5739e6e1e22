"""torch's global random generators, which dropout draws from: kept apart for each training."""

from __future__ import annotations

import torch
from torch import Tensor


def states(device: torch.device) -> dict[str, Tensor]:
    """The states of the generators that a net on `device` draws from."""
    found = {"cpu": torch.get_rng_state()}
    return found | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def put(device: torch.device, wanted: dict[str, Tensor]) -> None:
    """Set the generators to these states."""
    torch.set_rng_state(wanted["cpu"])
    if device.type == "cuda" and "cuda" in wanted:
        torch.cuda.set_rng_state(wanted["cuda"], device)


def seeded(device: torch.device, seed: int) -> dict[str, Tensor]:
    """The states that generators seeded with `seed` begin with; torch's own are left as they are."""
    found = {"cpu": torch.Generator().manual_seed(seed).get_state()}
    return found | ({"cuda": torch.Generator(device).manual_seed(seed).get_state()} if device.type == "cuda" else {})
