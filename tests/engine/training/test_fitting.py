"""Settings that cannot be trained on a device are refused before anything is started."""

from __future__ import annotations

import pytest
import torch

from engine.errors import SpecError
from engine.models import check
from engine.presets import preset
from engine.spec import changed
from engine.training import fitting
from engine.training.fitting import check_fits

LENET = preset("lenet5").spec
CPU = torch.device("cpu")


def test_memory_to_the_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = check(LENET).least_bytes(LENET.data.batch_size)
    monkeypatch.setattr(fitting, "memory", lambda device: needed)
    check_fits(LENET, CPU, classes=10)
    monkeypatch.setattr(fitting, "memory", lambda device: needed - 1)
    with pytest.raises(SpecError, match=r"needs at least 0\.1 GB at data\.batch_size = 128, cpu has 0\.1 GB"):
        check_fits(LENET, CPU, classes=10)


def test_a_batch_that_is_too_large_is_refused_where_a_smaller_one_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "memory", lambda device: 10**9)
    check_fits(LENET, CPU, classes=10)
    with pytest.raises(SpecError, match="make the batch"):
        check_fits(changed(LENET, {"data.batch_size": 65536}), CPU, classes=10)


def test_layers_that_do_not_fit_each_other() -> None:
    with pytest.raises(SpecError, match="does not fit"):
        check_fits(changed(LENET, {"model.conv_blocks": "4 90x90"}), CPU, classes=10)
