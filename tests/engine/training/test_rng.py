"""Private generators, also on a GPU: here one whose global generator is a generator of ours."""

from __future__ import annotations

import pytest
import torch

from convtui.engine.training.rng import PrivateRng


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_a_gpu_has_ones_own_generator_at_work_and_gets_its_own_back(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = torch.Generator
    of_gpu = made().manual_seed(3)
    monkeypatch.setattr(torch, "Generator", lambda device: made())
    monkeypatch.setattr(getattr(torch, kind), "get_rng_state", lambda *_: of_gpu.get_state())
    monkeypatch.setattr(getattr(torch, kind), "set_rng_state", lambda state, *_: of_gpu.set_state(state))
    private = PrivateRng(torch.device(kind), 5)
    drawn, theirs = [], []
    for _ in range(2):
        with private.at_work(torch.get_num_threads()):
            drawn.append(torch.rand(3, generator=of_gpu))
        theirs.append(torch.rand(3, generator=of_gpu))
    for seed, found in ((5, drawn), (3, theirs)):
        alone = made().manual_seed(seed)
        assert torch.equal(torch.stack(found), torch.stack([torch.rand(3, generator=alone) for _ in range(2)]))
