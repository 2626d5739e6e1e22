"""`mnist`: the 60,000 + 10,000 handwritten digits in their original idx files, gzipped or not, read where they lie."""

from __future__ import annotations

import gzip
import zlib
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.data.download import fetch
from engine.data.names import shown
from engine.data.raw import Progress, RawDataset, RawSplit
from engine.errors import DataError, DataUnavailable

if TYPE_CHECKING:
    from engine.data.raw import Array

WANTED = "MNIST/raw/{train,t10k}-{images-idx3,labels-idx1}-ubyte, each plain or .gz"

_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_BELOW = Path("MNIST") / "raw"
_IMAGES_MAGIC, _LABELS_MAGIC = 0x00000803, 0x00000801
_MOST_BYTES = 1 << 30


def on_disk(place: Path) -> bool:
    """Whether all four files lie in `place`/MNIST/raw or in `place` itself."""
    return all(_find(place, name) for name in _FILES)


def fingerprint(place: Path) -> str:
    """Changes when a file does. Raises DataUnavailable where one is missing."""
    return "\n".join(f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in _found(place))


def read(place: Path, size: int, progress: Progress | None = None) -> RawDataset:
    """Images [N, 1, 28, 28] in the original order. Raises DataError naming a damaged file, DataUnavailable for a missing one."""
    arrays: list[Array] = []
    for number, path in enumerate(_found(place)):
        if progress:
            progress("reading MNIST", number, len(_FILES))
        arrays.append(_read_idx(path, _LABELS_MAGIC if "labels" in path.name else _IMAGES_MAGIC))
    train_images, train_labels, test_images, test_labels = arrays
    train, test = _split(place, train_images, train_labels), _split(place, test_images, test_labels)
    if train.images.shape[1:] != test.images.shape[1:]:
        raise DataError(f"MNIST files in {shown(place)}: training and test images differ in size: get them anew")
    return RawDataset(train, test, tuple(str(digit) for digit in range(10)))


def download(place: Path, progress: Progress | None = None) -> None:
    """Fetch the files that are missing into `place`/MNIST/raw, each checked against its md5. Raises DataUnavailable."""
    # torchvision knows the addresses and checksums; it is not used to read.
    from torchvision.datasets import MNIST

    for name, md5 in MNIST.resources:
        if not _find(place, name.removesuffix(".gz")):
            fetch([mirror + name for mirror in MNIST.mirrors], place / _BELOW / name, md5, progress)


def _find(place: Path, name: str) -> Path | None:
    candidates = [folder / (name + end) for folder in (place / _BELOW, place) for end in ("", ".gz")]
    return next((path for path in candidates if path.is_file()), None)


def _found(place: Path) -> list[Path]:
    found = [(name, _find(place, name)) for name in _FILES]
    missing = [name for name, path in found if path is None]
    if missing:
        raise DataUnavailable(f"{', '.join(missing)} not in {shown(place / _BELOW)}")
    return [path for _, path in found if path is not None]


def _split(place: Path, images: Array, labels: Array) -> RawSplit:
    if len(images) != len(labels):
        raise DataError(f"MNIST files in {shown(place)}: {len(images):,} images but {len(labels):,} labels: get them anew")
    if labels.max(initial=0) > 9:
        raise DataError(f"MNIST files in {shown(place)}: label {labels.max()} is not a digit: get them anew")
    return RawSplit(images[:, None], labels.astype(np.int64))


def _read_idx(path: Path, magic: int) -> Array:
    """The uint8 array of an idx file: magic number, big-endian dimensions, bytes."""
    try:
        with path.open("rb") as plain:
            return _idx_array(gzip.GzipFile(fileobj=plain) if path.suffix == ".gz" else plain, magic, path)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{shown(path)} cannot be read ({shown(error)}): remove it and get it anew") from None


def _idx_array(file: BufferedIOBase, magic: int, path: Path) -> Array:
    rank = magic & 0xFF
    header = np.frombuffer(file.read(4 + 4 * rank), ">u4")
    if len(header) != 1 + rank or header[0] != magic:
        raise DataError(f"{shown(path)} is not an idx file of {'images' if rank == 3 else 'labels'}: remove it and get it anew")
    shape = tuple(int(length) for length in header[1:])
    count = int(np.prod([float(length) for length in shape]))
    if 0 in shape or count > _MOST_BYTES:
        raise DataError(f"{shown(path)} claims to hold {' x '.join(map(str, shape))} values: remove it and get it anew")
    # One byte more than there should be is asked for, so that a file that goes on is noticed.
    content = file.read(count + 1)
    if len(content) != count:
        fault = "is truncated" if len(content) < count else "goes on after its last value"
        raise DataError(f"{shown(path)} {fault}: remove it and get it anew")
    return np.frombuffer(content, np.uint8).reshape(shape)
