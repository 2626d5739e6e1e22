"""`mnist`, `fashion-mnist`, `kmnist`: 60,000 + 10,000 grey images in their original idx files, gzipped or not, where they are.

`mnist` is also read from the one file that Keras has it in, mnist.npz.
"""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from convtui.engine.data.download import fetch
from convtui.engine.data.names import shown
from convtui.engine.data.raw import ProgressCallback, RawDataset, RawSplit
from convtui.engine.errors import DataError, DataUnavailable
from convtui.engine.spec.sizes import Size

if TYPE_CHECKING:
    from convtui.engine.data.raw import Array

_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_NPZ, _ARRAYS = "mnist.npz", ("x_train", "y_train", "x_test", "y_test")
_IMAGES_MAGIC, _LABELS_MAGIC = 0x00000803, 0x00000801
_MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class IdxFiles:
    """One of the sets that have the format of MNIST, and its file names: a `decoded.FetchedReader`."""

    title: str
    below: Path
    """Where the files are in a data directory, as torchvision has it."""
    fetched_by: str
    """The class of torchvision that knows addresses and checksums; it is not used to read."""
    classes: tuple[str, ...]
    loose: bool = False
    """Whether files in the data directory itself are taken too: of one set only, as they all have the same names."""

    @property
    def WANTED(self) -> str:  # noqa: N802 - a constant where a module is the reader
        """For people."""
        return f"{self.below}/{{train,t10k}}-{{images-idx3,labels-idx1}}-ubyte, each plain or .gz"

    def on_disk(self, place: Path) -> bool:
        """Whether all four files are there, or the one that Keras has them in."""
        return self._npz(place) is not None or all(self._find(place, name) for name in _FILES)

    def missing(self, place: Path) -> list[str]:
        """Of a set that is there in part, the files that are not."""
        missing = [name for name in _FILES if not self._find(place, name)]
        return missing if len(missing) < len(_FILES) else []

    def fingerprint(self, place: Path) -> str:
        """Changes when a file does. Raises DataUnavailable where one is missing."""
        npz = self._npz(place)
        files = self._found(place) if npz is None else [npz]
        return "\n".join(f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files)

    def read(self, place: Path, size: Size, progress: ProgressCallback | None = None, *, crop: bool = False) -> RawDataset:
        """Images [N, 1, 28, 28] in the original order. Raises DataError naming a damaged file, DataUnavailable for none."""
        if (npz := self._npz(place)) is not None:
            return self._dataset(str(shown(npz)), _read_npz(npz))
        arrays: list[Array] = []
        for number, path in enumerate(self._found(place)):
            if progress:
                progress(f"reading {self.title}", number, len(_FILES))
            arrays.append(_read_idx(path, _LABELS_MAGIC if "labels" in path.name else _IMAGES_MAGIC))
        return self._dataset(f"{self.title} files in {shown(place)}", arrays)

    def _dataset(self, where: str, arrays: Sequence[Array]) -> RawDataset:
        train_images, train_labels, test_images, test_labels = arrays
        train, test = _split(where, train_images, train_labels), _split(where, test_images, test_labels)
        if train.images.shape[1:] != test.images.shape[1:]:
            raise DataError(f"{where}: training and test images differ in size: download them again")
        return RawDataset(train, test, self.classes)

    def download(self, place: Path, progress: ProgressCallback | None = None) -> None:
        """Fetch the files that are missing, each checked against its md5. Raises DataUnavailable."""
        from torchvision import datasets

        known = getattr(datasets, self.fetched_by)
        for name, md5 in known.resources:
            if not self._find(place, name.removesuffix(".gz")):
                fetch([mirror + name for mirror in known.mirrors], place / self.below / name, md5, progress)

    def _find(self, place: Path, name: str) -> Path | None:
        """The file below `place`, gzipped or not, by its own name or by those that Kaggle gives it."""
        folders = (place / self.below, place) if self.loose else (place / self.below,)
        files = [name, name.replace("-idx", ".idx")]
        files += [f"{folder}/{file}" for folder in files for file in files]
        places = (folder / f"{file}{end}" for folder in folders for file in files for end in ("", ".gz"))
        return next((path for path in places if path.is_file()), None)

    def _npz(self, place: Path) -> Path | None:
        """Keras's file, where the four of the original are not all there."""
        path = place / _NPZ
        is_there = self.loose and path.is_file() and not all(self._find(place, name) for name in _FILES)
        return path if is_there else None

    def _found(self, place: Path) -> list[Path]:
        found = [(name, self._find(place, name)) for name in _FILES]
        missing = [name for name, path in found if path is None]
        if missing:
            there = next((path.parent for _, path in found if path is not None), place / self.below)
            raise DataUnavailable(f"{', '.join(missing)} not in {shown(there)}")
        return [path for _, path in found if path is not None]


_FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_KUZUSHIJI = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
MNIST = IdxFiles("MNIST", Path("MNIST/raw"), "MNIST", tuple(str(digit) for digit in range(10)), loose=True)
FASHION = IdxFiles("Fashion-MNIST", Path("FashionMNIST/raw"), "FashionMNIST", _FASHION)
KUZUSHIJI = IdxFiles("KMNIST", Path("KMNIST/raw"), "KMNIST", _KUZUSHIJI)


def _split(where: str, images: Array, labels: Array) -> RawSplit:
    if len(images) != len(labels):
        raise DataError(f"{where}: {len(images):,} images but {len(labels):,} labels: download them again")
    if labels.max(initial=0) > 9:
        raise DataError(f"{where}: label {labels.max()} is not one of the ten classes: download them again")
    return RawSplit(images[:, None], labels.astype(np.int64))


def _read_npz(path: Path) -> list[Array]:
    """Images uint8 [N, H, W] and labels uint8 [N] of both splits, as Keras keeps them; nothing of a pickle is read."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = [np.asarray(file[name]) for name in _ARRAYS]
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{shown(path)} cannot be read ({shown(error)}): remove it and download it again") from None
    if any(array.dtype != np.uint8 or array.ndim != rank for array, rank in zip(arrays, (3, 1, 3, 1), strict=True)):
        raise DataError(f"{shown(path)} does not hold images [N, H, W] and labels [N] of bytes: remove it and download it again")
    return arrays


def _read_idx(path: Path, magic: int) -> Array:
    """The uint8 array of an idx file: magic number, big-endian dimensions, bytes."""
    try:
        with path.open("rb") as plain:
            return _idx_array(gzip.GzipFile(fileobj=plain) if path.suffix == ".gz" else plain, magic, path)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{shown(path)} cannot be read ({shown(error)}): remove it and download it again") from None


def _idx_array(file: BufferedIOBase, magic: int, path: Path) -> Array:
    rank = magic & 0xFF
    header = np.frombuffer(file.read(4 + 4 * rank), ">u4")
    if len(header) != 1 + rank or header[0] != magic:
        raise DataError(
            f"{shown(path)} is not an idx file of {'images' if rank == 3 else 'labels'}: remove it and download it again"
        )
    shape = tuple(int(length) for length in header[1:])
    count = int(np.prod([float(length) for length in shape]))
    if 0 in shape or count > _MOST_BYTES:
        raise DataError(f"{shown(path)} claims to hold {' x '.join(map(str, shape))} values: remove it and download it again")
    # One byte more than there should be is asked for, so that a file that goes on is noticed.
    content = file.read(count + 1)
    if len(content) != count:
        fault = "is truncated" if len(content) < count else "goes on after its last value"
        raise DataError(f"{shown(path)} {fault}: remove it and download it again")
    return np.frombuffer(content, np.uint8).reshape(shape)
