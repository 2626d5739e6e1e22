"""What many tests share: nothing of the person's own settings, caches or stores is touched."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from convtui.engine import device
from convtui.engine.data.split import Dataset, Split  # before torch: see engine/__init__.py

import torch  # isort: skip

# Nets of tests are so small that a second thread only waits, and on a busy machine for long.
torch.set_num_threads(1)

# A shell has a background command of a script ignore Ctrl+C, nohup has one ignore hang-ups, and so would all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True, scope="session")
def _machine_unmeasured() -> None:
    """What the machine is busy with is no test's business, except where it asks for it."""
    device.SYSTEM_SECONDS = 3600.0


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test has folders of its own for settings, caches and data, and begins with the same random numbers of torch."""
    torch.manual_seed(0)
    for name in ("CONVTUI_STORE", "CONVTUI_DATA", "CONVTUI_CACHE", "CONVTUI_GRAPHICS", "CONVTUI_NOTIFY_URL", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home" / name))


def pytest_xdist_auto_num_workers() -> int:
    """`-n auto`: one more than there are cores, since many tests wait for another process."""
    return (os.cpu_count() or 1) + 1


def toy_dataset(*, train: int = 200, validation: int = 0, test: int = 60, seed: int = 0, misleading: bool = False) -> Dataset:
    """Three classes of noisy 8x8 images, told apart by which third of the picture is lighter; learnt in a few steps.

    With `misleading`, what is learnt makes the validation loss worse from some epoch on: half its labels are wrong.
    """
    count = train + validation + test
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 160, (count, 1, 8, 8), generator=generator, dtype=torch.uint8)
    labels = torch.arange(count) % 3
    for index, label in enumerate(labels.tolist()):
        images[index, 0, :, 3 * label : 3 * label + 2] += 60
    if misleading:
        labels[train : train + validation : 2] = (labels[train : train + validation : 2] + 1) % 3
    whole = Split(images, labels, ("left", "middle", "right"))
    scaled = images[:train].float() / 255
    return Dataset(
        source="toy",
        train=whole.select(torch.arange(train)),
        validation=whole.select(torch.arange(train, train + validation)) if validation else None,
        test=whole.select(torch.arange(train + validation, count)),
        mean=scaled.mean().reshape(1),
        std=scaled.std().reshape(1),
    )
