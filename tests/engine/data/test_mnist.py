"""idx files: read as they are, refused when they are not what they claim."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets

from convtui.engine.data.mnist import FASHION, KUZUSHIJI, IdxFiles
from convtui.engine.data.mnist import MNIST as mnist
from convtui.engine.errors import DataError, DataUnavailable
from tests.engine.data.making import idx, tiny_mnist

SHARED = Path(__file__).parents[4] / "shared" / "data"


@pytest.mark.parametrize("below", ["MNIST/raw", "."])
@pytest.mark.parametrize("compress", [False, True])
def test_files_are_read_where_they_lie(tmp_path: Path, below: str, compress: bool) -> None:
    tiny_mnist(tmp_path / below, compress=compress)
    before = sorted(tmp_path.rglob("*"))
    assert mnist.on_disk(tmp_path)
    raw = mnist.read(tmp_path, 28)
    assert raw.train.images.shape == (40, 1, 28, 28)
    assert (raw.train.images[7] == 7).all()
    assert raw.test.labels.tolist() == [number % 10 for number in range(20)]
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("source", "below"), [(FASHION, "FashionMNIST/raw"), (KUZUSHIJI, "KMNIST/raw")])
def test_sets_in_the_same_form_have_folders_of_their_own(tmp_path: Path, source: IdxFiles, below: str) -> None:
    # The digits' files have the same names: lying loose they are the digits, and never these.
    tiny_mnist(tmp_path)
    tiny_mnist(tmp_path / "MNIST" / "raw")
    assert not source.on_disk(tmp_path)
    with pytest.raises(DataUnavailable, match=f"train-images-idx3-ubyte.* not in .*{below}"):
        source.read(tmp_path, 28)
    tiny_mnist(tmp_path / below, compress=True)
    assert source.on_disk(tmp_path)
    raw = source.read(tmp_path, 28)
    assert raw.train.images.shape == (40, 1, 28, 28)
    assert len(set(raw.classes)) == 10


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("name", ["{dotted}", "{plain}/{plain}", "{plain}/{dotted}"])
def test_files_are_found_under_kaggle_s_names(tmp_path: Path, name: str, compress: bool) -> None:
    for path in tiny_mnist(tmp_path, compress=compress).values():
        plain = path.name.removesuffix(".gz")
        new = tmp_path / "new" / (name.format(plain=plain, dotted=plain.replace("-idx", ".idx")) + ".gz" * compress)
        new.parent.mkdir(parents=True, exist_ok=True)
        path.rename(new)
    assert mnist.on_disk(tmp_path / "new")
    assert (mnist.read(tmp_path / "new", 28).train.images[7] == 7).all()


def test_of_a_set_in_part_it_is_known_what_is_missing(tmp_path: Path) -> None:
    assert mnist.missing(tmp_path) == []
    files = tiny_mnist(tmp_path)
    assert mnist.missing(tmp_path) == []
    files["t10k-labels-idx1"].unlink()
    assert mnist.missing(tmp_path) == ["t10k-labels-idx1-ubyte"]


def test_classes_are_torchvisions() -> None:
    assert list(FASHION.classes) == datasets.FashionMNIST.classes
    assert list(KUZUSHIJI.classes) == datasets.KMNIST.classes


@pytest.mark.skipif(not (SHARED / "MNIST").is_dir(), reason="../shared/data with the MNIST files is not here")
def test_the_real_files_give_the_original_bytes() -> None:
    raw = mnist.read(SHARED, 28)
    # md5 of the original files, which begin with 16 and 8 bytes of header.
    for split, count, images_md5, labels_md5 in (
        (raw.train, 60_000, "6bbc9ace898e44ae57da46a324031adb", "a25bea736e30d166cdddb491f175f624"),
        (raw.test, 10_000, "2646ac647ad5339dbf082846283269ea", "27ae3e4e09519cfbb04c329615203637"),
    ):
        header = bytes.fromhex("00000803") + count.to_bytes(4, "big") + (28).to_bytes(4, "big") * 2
        assert hashlib.md5(header + split.images.tobytes()).hexdigest() == images_md5
        header = bytes.fromhex("00000801") + count.to_bytes(4, "big")
        assert hashlib.md5(header + split.labels.astype(np.uint8).tobytes()).hexdigest() == labels_md5


@pytest.mark.parametrize("compress", [False, True])
def test_a_truncated_file_is_named(tmp_path: Path, compress: bool) -> None:
    path = tiny_mnist(tmp_path, compress=compress)["train-images-idx3"]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte"):
        mnist.read(tmp_path, 28)


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    tiny_mnist(tmp_path)["t10k-images-idx3"].write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte is not an idx file of images"):
        mnist.read(tmp_path, 28)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("train-labels-idx1", idx(np.zeros(39)), "40 images but 39 labels"),
        ("train-labels-idx1", idx(np.full(40, 11)), "label 11 is not one of the ten classes"),
        ("train-labels-idx1", idx(np.zeros(40)) + b"more", "goes on after its last value"),
        ("train-images-idx3", bytes.fromhex("00000803" + "ffffffff" * 3), "claims to hold"),
        ("t10k-images-idx3", idx(np.zeros((20, 14, 14))), "differ in size"),
    ],
)
def test_contents_that_cannot_be_true_are_refused(tmp_path: Path, name: str, content: bytes, complaint: str) -> None:
    tiny_mnist(tmp_path)[name].write_bytes(content)
    with pytest.raises(DataError, match=complaint):
        mnist.read(tmp_path, 28)


def test_a_gzip_file_that_unpacks_to_far_more_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tiny_mnist(tmp_path, compress=True)["train-labels-idx1"]
    path.write_bytes(gzip.compress(idx(np.zeros(40)) + bytes(50_000_000)))
    with pytest.raises(DataError, match="goes on after its last value"):
        mnist.read(tmp_path, 28)


def test_a_missing_file_is_unavailable_and_a_changed_one_has_another_fingerprint(tmp_path: Path) -> None:
    files = tiny_mnist(tmp_path)
    before = mnist.fingerprint(tmp_path)
    files["train-labels-idx1"].write_bytes(idx(np.zeros(40)) + b"x")
    assert mnist.fingerprint(tmp_path) != before
    files["train-labels-idx1"].unlink()
    assert not mnist.on_disk(tmp_path)
    with pytest.raises(DataUnavailable, match="train-labels-idx1-ubyte"):
        mnist.fingerprint(tmp_path)


def test_kerass_one_file_holds_the_same_images(tmp_path: Path) -> None:
    tiny_mnist(tmp_path / "idx")
    original = mnist.read(tmp_path / "idx", 28)
    arrays = {
        "x_train": original.train.images[:, 0], "y_train": original.train.labels.astype(np.uint8),
        "x_test": original.test.images[:, 0], "y_test": original.test.labels.astype(np.uint8),
    }  # fmt: skip
    np.savez(tmp_path / "mnist.npz", **arrays)
    assert mnist.on_disk(tmp_path)
    assert not FASHION.on_disk(tmp_path)
    found = mnist.read(tmp_path, 28)
    for one, other in ((found.train, original.train), (found.test, original.test)):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)
    assert "mnist.npz" in mnist.fingerprint(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_test": np.zeros((2, 28, 28), np.float32)}, "does not hold images"),
        ({"y_train": np.zeros(3, np.uint8)}, "but 3 labels"),
        ({"y_test": np.array([{}, {}], dtype=object)}, "cannot be read"),
    ],
)
def test_a_file_of_kerass_that_holds_something_else_is_refused(tmp_path: Path, changes: dict, message: str) -> None:
    images, labels = np.zeros((2, 28, 28), np.uint8), np.zeros(2, np.uint8)
    np.savez(tmp_path / "mnist.npz", **({"x_train": images, "y_train": labels, "x_test": images, "y_test": labels} | changes))
    with pytest.raises(DataError, match=message):
        mnist.read(tmp_path, 28)
    (tmp_path / "mnist.npz").write_bytes(b"PK no zip")
    with pytest.raises(DataError, match="cannot be read"):
        mnist.read(tmp_path, 28)
