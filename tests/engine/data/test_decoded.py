"""The cache of decoded images: quick the second time, and never able to do harm."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from convtui.engine.data import cache, room
from convtui.engine.data.decoded import Decoded, decoded
from convtui.engine.data.raw import ProgressCallback, RawDataset, RawSplit


class Source:
    """A source that counts how often it is read."""

    def __init__(self, fingerprint: str = "first", masks: bool = False) -> None:
        self.version, self.masks, self.reads = fingerprint, masks, 0

    def on_disk(self, place: Path) -> bool:
        return True

    def fingerprint(self, place: Path) -> str:
        return self.version

    def read(self, place: Path, size: int, progress: ProgressCallback | None = None, *, crop: bool = False) -> RawDataset:
        self.reads += 1
        splits = []
        for count, seed in ((30, 0), (13, 1)):
            generator = np.random.default_rng(seed)
            images = generator.integers(0, 256, (count, 3, 9, 9), np.uint8)
            splits.append(RawSplit(images, np.arange(count) % 3, images[:, 0] > 99 if self.masks else None))
        return RawDataset(splits[0], splits[1], ("a", "b", "c"), ("2 files skipped",))


def get(source: Source, colour: str = "rgb", size: int = 9, place: Path = Path("/data")) -> Decoded:
    return decoded(source, "toy", place, channels=3, colour=colour, size=size, progress=None)


def files() -> list[Path]:
    return sorted(room.folder().glob("*"))


def same(one: Decoded, other: Decoded) -> bool:
    tensors = [
        (one.train.images, other.train.images),
        (one.test.images, other.test.images),
        (one.train.labels, other.train.labels),
        (one.test.labels, other.test.labels),
        (one.sums, other.sums),
        (one.squares, other.squares),
    ]
    return all(torch.equal(*pair) for pair in tensors) and (one.notes, one.train.classes) == (other.notes, other.train.classes)


@pytest.mark.parametrize("colour", ["rgb", "grey"])
@pytest.mark.parametrize("size", [9, 12])
def test_the_second_start_reads_nothing_and_is_the_same(colour: str, size: int) -> None:
    source = Source()
    first, second = get(source, colour, size), get(source, colour, size)
    assert source.reads == 1
    assert same(first, second)
    assert second.train.images.shape == (30, 3 if colour == "rgb" else 1, size, size)
    assert second.notes == ("2 files skipped",)


def test_masks_are_kept() -> None:
    source = Source(masks=True)
    first, second = get(source), get(source)
    assert first.train.masks is not None
    assert second.train.masks is not None
    assert torch.equal(first.train.masks, second.train.masks)
    assert source.reads == 1


def test_the_other_colour_needs_no_second_reading() -> None:
    source = Source()
    get(source, "grey")
    get(source, "rgb")
    assert source.reads == 1


def test_images_from_the_cache_are_mapped_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    get(Source())
    (path,) = files()
    kept = get(Source())
    with Path("/proc/self/maps").open() as maps:
        lines = [line for line in maps if path.name in line]
    assert lines
    low, high = (int(part, 16) for part in lines[0].split()[0].split("-"))
    assert low <= kept.train.images.data_ptr() < high


def test_a_changed_source_is_read_again_and_the_outdated_file_removed() -> None:
    get(Source("first"))
    before = files()
    changed = Source("second")
    get(changed)
    assert changed.reads == 1
    assert len(files()) == 1
    assert files() != before


def test_sources_in_other_places_keep_their_files() -> None:
    one, other = Source(), Source("other")
    get(one, place=Path("/one"))
    get(other, place=Path("/other"))
    get(one, place=Path("/one"))
    assert one.reads == 1


def test_what_an_older_decoder_made_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source()
    get(source)
    monkeypatch.setattr(cache, "VERSION", cache.VERSION + 1)
    get(source)
    assert source.reads == 2


def test_a_file_of_other_content_under_this_name_is_not_taken() -> None:
    get(Source("first"))
    (first,) = files()
    content = first.read_bytes()
    get(Source("second"))
    (second,) = files()
    second.write_bytes(content)
    source = Source("second")
    get(source)
    assert source.reads == 1


def rewritten(path: Path, **changed: torch.Tensor) -> None:
    """The file with other tensors under the same key, checksum made to fit."""
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["about"])
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()} | changed  # noqa: SIM118
    about["checksum"] = cache.checksum(tensors)
    save_file(tensors, path, metadata={"about": json.dumps(about)})


@pytest.mark.parametrize("damage", ["cut", "empty", "one bit", "header", "other shape", "label out of range", "other kind of file"])
def test_a_damaged_file_is_noticed_and_made_anew(damage: str) -> None:
    source = Source()
    first = get(source)
    (path,) = files()
    content = bytearray(path.read_bytes())
    match damage:
        case "cut":
            path.write_bytes(content[:-5])
        case "empty":
            path.write_bytes(b"")
        case "one bit":
            content[-100] ^= 1
            path.write_bytes(content)
        case "header":
            content[:8] = b"\xff" * 8
            path.write_bytes(content)
        case "other shape":
            rewritten(path, **{"train.images": torch.zeros(30, 1, 9, 9, dtype=torch.uint8)})
        case "label out of range":
            rewritten(path, **{"test.labels": torch.full((13,), 3)})
        case "other kind of file":
            save_file({"weights": torch.zeros(3)}, path)
    assert same(get(source), first)
    assert source.reads == 2
    assert same(get(source), first)
    assert source.reads == 2


@pytest.mark.parametrize("fault", ["no folder can be made", "the disk is full"])
def test_without_a_place_to_write_it_goes_on_and_says_so(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if fault == "no folder can be made":
        (tmp_path / "file").write_text("in the way")
        monkeypatch.setenv("CONVTUI_CACHE", str(tmp_path / "file" / "cache"))
    else:

        def full(path: Path, *_: Any) -> None:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("convtui.engine.tensors.write", full)
    source = Source()
    made = get(source, "grey")
    assert made.train.images.shape == (30, 1, 9, 9)
    trouble = [note for note in made.notes if "could not be cached" in note]
    assert len(trouble) == 1
    assert "decoded again next time" in trouble[0]
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".partial", ".safetensors")]


def test_what_a_killed_process_left_half_written_goes_when_it_is_old() -> None:
    get(Source("first"))
    (path,) = files()
    old, new = path.with_name(f".{path.name}.1.partial"), path.with_name(f".{path.name}.2.partial")
    for half in (old, new):
        half.write_bytes(b"half")
    os.utime(old, (1, 1))
    get(Source("second"))
    assert not old.exists()
    assert new.exists()


def _get_in_a_process(start: Any, done: Any) -> None:
    start.wait(60)
    done.put(get(Source()).train.images.sum().item())


def test_two_processes_may_make_the_same_file_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVTUI_CACHE", str(tmp_path / "shared"))
    context = multiprocessing.get_context("spawn")
    start, done = context.Barrier(2), context.Queue()
    both = [context.Process(target=_get_in_a_process, args=(start, done)) for _ in range(2)]
    for process in both:
        process.start()
    sums = {done.get(timeout=120) for _ in both}
    for process in both:
        process.join()
    source = Source()
    assert sums == {get(source).train.images.sum().item()}
    assert source.reads == 0
    assert len(files()) == 1


def test_the_cache_lies_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert room.folder() == tmp_path / "xdg" / "convtui" / "decoded"
    monkeypatch.setenv("CONVTUI_CACHE", str(tmp_path / "own"))
    assert room.folder() == tmp_path / "own"
