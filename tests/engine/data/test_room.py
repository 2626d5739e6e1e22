"""Sets that memory has no room for: the same images, mapped from a file that leaves nothing behind."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convtui.engine.data import catalog, room
from convtui.engine.data.folder import FOLDER
from convtui.engine.data.split import Dataset
from convtui.engine.errors import DataError
from convtui.engine.spec import make


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes; one file is large enough to be decoded in a thread, one is none."""
    root = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for label in ("a", "b"):
        (root / label).mkdir()
        for number in range(12):
            side = 120 if number == 3 else 10
            pixels = generator.integers(0, 256, (side, side, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / label / f"{number}.png")
    (root / "a" / "4.png").write_bytes(b"none")
    return root


@pytest.mark.parametrize("data", [{"colour": "rgb"}, {"colour": "grey", "validation_fraction": 0.3}, {"colour": "rgba"}])
@pytest.mark.parametrize("is_kept", [False, True])
def test_a_set_that_is_mapped_is_the_same(
    pictures: Path, data: dict[str, object], is_kept: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = make({"data": {"source": f"folder:{pictures}", "size": 8} | data}).data
    monkeypatch.setenv("CONVTUI_CACHE", str(tmp_path / "one"))
    expected = catalog.load(spec)
    monkeypatch.setenv("CONVTUI_CACHE", str(tmp_path / "other"))
    monkeypatch.setattr(room, "free_ram", lambda: 0)
    if is_kept:
        catalog.load(spec)
    assert _same(catalog.load(spec), expected)
    assert all(path.suffix == ".safetensors" for path in (tmp_path / "other").iterdir())


def _same(one: Dataset, other: Dataset) -> bool:
    splits = [(one.train, other.train), (one.test, other.test), (one.validation, other.validation)]
    return (one.notes, one.digests) == (other.notes, other.digests) and all(
        (mine is None) == (theirs is None) and (mine is None or torch.equal(mine.images, theirs.images)) for mine, theirs in splits
    )


def test_what_is_mapped_is_not_counted_as_the_process_s_own_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONVTUI_CACHE", str(tmp_path))
    size = 64 << 20
    anonymous = _anonymous()
    monkeypatch.setattr(room, "free_ram", lambda: 2 * size - 1)
    images = room.empty((64, 1, 1024, 1024))
    images[:] = 7
    assert _anonymous() - anonymous < size / 4
    assert images.sum() == 7 * size
    monkeypatch.setattr(room, "free_ram", lambda: 2 * size)
    assert room.empty((64, 1, 1024, 1024)).base is None
    assert list(tmp_path.iterdir()) == []


def test_reading_a_set_that_is_mapped_makes_no_copy_of_it_in_memory(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CONVTUI_CACHE", str(tmp_path))
    monkeypatch.setattr(room, "free_ram", lambda: 0)
    FOLDER.read(pictures, 8)  # modules are imported
    tracemalloc.start()
    try:
        raw = FOLDER.read(pictures, 256)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A picture at a time as Pillow hands it over, and files that are read ahead.
    assert peak < (raw.train.images.nbytes + raw.test.images.nbytes) / 3


def _anonymous() -> int:
    """Bytes of memory that the process has and no file stands behind."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon"))


def test_where_the_disk_has_no_room_either_it_is_said_before_an_image_is_read(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("CONVTUI_CACHE", str(tmp_path))
    monkeypatch.setattr(room, "free_ram", lambda: 0)
    monkeypatch.setattr(room.os, "posix_fallocate", full)
    told: list[str] = []
    with pytest.raises(
        DataError, match=r"24 images need 0\.0 GiB: .*No space left on device.*set a smaller data\.size, or CONVTUI_CACHE"
    ):
        catalog.load(
            make({"data": {"source": f"folder:{pictures}", "size": 9}}).data, progress=lambda what, done, total: told.append(what)
        )
    assert told == []
