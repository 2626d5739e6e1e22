"""torch's global random generators, which dropout draws from: kept apart for each training and each trial."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from convtui.engine.models import GENERATORS


def states(device: torch.device) -> dict[str, Tensor]:
    """The states of the generators that a net on `device` draws from, by the kind of device."""
    found = {"cpu": torch.get_rng_state()}
    match device.type:
        case "cuda":
            found["cuda"] = torch.cuda.get_rng_state(device)
        case "mps":
            found["mps"] = torch.mps.get_rng_state()
    return found


def put(device: torch.device, wanted: dict[str, Tensor]) -> None:
    """Set the generators to these states."""
    torch.set_rng_state(wanted["cpu"])
    match device.type:
        case "cuda":
            torch.cuda.set_rng_state(wanted["cuda"], device)
        case "mps":
            torch.mps.set_rng_state(wanted["mps"])


def seeded(device: torch.device, seed: int) -> dict[str, Tensor]:
    """The states that generators seeded with `seed` begin with; torch's own are left as they are."""
    kinds = {"cpu": torch.device("cpu"), device.type: device}
    return {kind: torch.Generator(of).manual_seed(seed).get_state() for kind, of in kinds.items()}


class PrivateRng:
    """Random generators of one training or trial: torch's global ones while it is at work, and put away in between."""

    def __init__(self, device: torch.device, seed: int) -> None:
        self._device = device
        self.states = seeded(device, seed)
        """As they were when they were last put away."""

    @contextmanager
    def at_work(self, threads: int) -> Iterator[None]:
        """Put them in place, and so many threads; give the caller's back afterwards."""
        with GENERATORS:
            theirs, their_threads = states(self._device), torch.get_num_threads()
            put(self._device, self.states)
            if threads != their_threads:
                torch.set_num_threads(threads)
            try:
                yield
            finally:
                self.states = states(self._device)
                put(self._device, theirs)
                if threads != their_threads:
                    torch.set_num_threads(their_threads)
