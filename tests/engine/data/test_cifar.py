"""CIFAR-10's pickles are unpickled only when their md5 is that of the original (here: of what this test made)."""

from __future__ import annotations

import hashlib
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import CIFAR10, CIFAR100

from convtui.engine.data.cifar import CIFAR10 as cifar
from convtui.engine.data.cifar import CIFAR100 as cifar100
from convtui.engine.errors import DataError, DataUnavailable

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.fixture
def originals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory whose small CIFAR-10 torchvision takes for the original."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    md5 = {}
    for number, name in enumerate([*(f"data_batch_{index}" for index in range(1, 6)), "test_batch"]):
        # Red is the batch's number, green the image's place in it, blue 200.
        images = np.stack([np.repeat([[number], [place], [200]], 1024, axis=1).ravel() for place in range(20)]).astype(np.uint8)
        (folder / name).write_bytes(pickle.dumps({"data": images, "labels": [place % 10 for place in range(20)]}))
        md5[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": NAMES}))
    meta = hashlib.md5((folder / "batches.meta").read_bytes()).hexdigest()
    monkeypatch.setattr(CIFAR10, "train_list", [[name, md5[name]] for name in md5 if name != "test_batch"])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": meta})
    return tmp_path


def archived(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    archive = place / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(place / "cifar-10-batches-py", "cifar-10-batches-py")
    for path in (place / "cifar-10-batches-py").iterdir():
        path.unlink()
    (place / "cifar-10-batches-py").rmdir()
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    return archive


@pytest.mark.parametrize("as_archive", [False, True])
def test_pixels_labels_and_names_come_in_the_original_order(
    originals: Path, monkeypatch: pytest.MonkeyPatch, as_archive: bool
) -> None:
    if as_archive:
        archived(originals, monkeypatch)
    before = sorted(originals.rglob("*"))
    raw = cifar.read(originals, 32)
    assert raw.classes == tuple(NAMES)
    assert raw.train.images.shape == (100, 3, 32, 32)
    assert (raw.train.images[47, :, 5, 9] == [2, 7, 200]).all()
    assert raw.train.labels[47] == 7
    assert (raw.test.images[3, :, 31, 0] == [5, 3, 200]).all()
    assert sorted(originals.rglob("*")) == before


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_file_with_another_checksum_is_never_unpickled(originals: Path, name: str) -> None:
    trap = originals / "sprung"
    (originals / "cifar-10-batches-py" / name).write_bytes(pickle.dumps(Trap(trap)))
    with pytest.raises(DataError, match="checksum"):
        cifar.read(originals, 32)
    assert not trap.exists()


def test_an_archive_with_another_checksum_is_not_unpacked(originals: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = archived(originals, monkeypatch)
    archive.write_bytes(archive.read_bytes() + b"\0")
    monkeypatch.setattr(tarfile, "open", lambda *_: pytest.fail("the archive was opened"))
    with pytest.raises(DataError, match=r"cifar-10-python.tar.gz has the wrong md5"):
        cifar.read(originals, 32)


def test_nothing_on_disk_is_unavailable(tmp_path: Path) -> None:
    assert not cifar.on_disk(tmp_path)
    with pytest.raises(DataUnavailable, match="neither cifar-10-batches-py nor"):
        cifar.fingerprint(tmp_path)


def test_the_hundred_classes_are_read_likewise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    contents = {
        "train": {"data": np.full((30, 3072), 7, np.uint8), "fine_labels": list(range(70, 100)), "coarse_labels": [0] * 30},
        "test": {"data": np.full((5, 3072), 9, np.uint8), "fine_labels": list(range(5)), "coarse_labels": [0] * 5},
        "meta": {"fine_label_names": [f"kind {number:03}" for number in range(100)]},
    }
    md5 = {}
    for name, content in contents.items():
        (folder / name).write_bytes(pickle.dumps(content))
        md5[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    monkeypatch.setattr(CIFAR100, "train_list", [["train", md5["train"]]])
    monkeypatch.setattr(CIFAR100, "test_list", [["test", md5["test"]]])
    monkeypatch.setattr(CIFAR100, "meta", CIFAR100.meta | {"md5": md5["meta"]})
    assert cifar100.on_disk(tmp_path)
    assert not cifar.on_disk(tmp_path)
    raw = cifar100.read(tmp_path, 32)
    assert (raw.train.images.shape, raw.train.labels.tolist()) == ((30, 3, 32, 32), list(range(70, 100)))
    assert (raw.test.images == 9).all()
    assert raw.classes[99] == "kind 099"
    trap = tmp_path / "sprung"
    (folder / "test").write_bytes(pickle.dumps(Trap(trap)))
    with pytest.raises(DataError, match=r"checksum of the original CIFAR-100.*'convtui data get cifar100'"):
        cifar100.read(tmp_path, 32)
    assert not trap.exists()


def binary(place: Path, *, fine: bool = False, names: tuple[str, ...] = tuple(NAMES), records: int = 3) -> None:
    """Red is the file's number, green the image's place in it, blue 200; coarse labels are 9."""
    folder = place / ("cifar-100-binary" if fine else "cifar-10-batches-bin")
    folder.mkdir(parents=True)
    files = ["train.bin", "test.bin"] if fine else [*(f"data_batch_{index}.bin" for index in range(1, 6)), "test_batch.bin"]
    for number, name in enumerate(files):
        content = b""
        for index in range(records):
            labels = bytes([9, index]) if fine else bytes([index])
            content += labels + bytes([number]) * 1024 + bytes([index]) * 1024 + bytes([200]) * 1024
        (folder / name).write_bytes(content)
    (folder / ("fine_label_names.txt" if fine else "batches.meta.txt")).write_text("\n".join(names) + "\n\n")


@pytest.mark.parametrize("fine", [False, True])
def test_the_binary_form_holds_the_same(tmp_path: Path, fine: bool) -> None:
    binary(tmp_path, fine=fine)
    source = cifar100 if fine else cifar
    assert source.on_disk(tmp_path)
    raw = source.read(tmp_path, 32)
    files = 1 if fine else 5
    assert raw.train.images.shape == (3 * files, 3, 32, 32)
    assert raw.train.labels.tolist() == [0, 1, 2] * files
    assert raw.test.labels.tolist() == [0, 1, 2]
    last = raw.test.images[2]
    assert [set(channel.ravel().tolist()) for channel in last] == [{files}, {2}, {200}]
    assert raw.classes == tuple(NAMES)
    assert "test" in source.fingerprint(tmp_path)


def test_a_binary_file_that_is_not_what_it_claims_is_refused(tmp_path: Path) -> None:
    binary(tmp_path / "a", names=("airplane", "automobile"))
    with pytest.raises(DataError, match="label 2 is not one of 2 classes"):
        cifar.read(tmp_path / "a", 32)
    binary(tmp_path / "b")
    path = tmp_path / "b" / "cifar-10-batches-bin" / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="is not of whole records of 3,073 bytes"):
        cifar.read(tmp_path / "b", 32)
    path.unlink()
    assert not cifar.on_disk(tmp_path / "b")
