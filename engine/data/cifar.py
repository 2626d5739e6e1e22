"""`cifar10`: the 50,000 + 10,000 photographs in torchvision's layout, or in the archive that they come in."""

from __future__ import annotations

import hashlib
import tarfile
import tempfile
import warnings
import zlib
from pathlib import Path

import numpy as np

from engine.data.download import fetch
from engine.data.names import shown
from engine.data.raw import Progress, RawDataset, RawSplit
from engine.errors import DataError, DataUnavailable

WANTED = "cifar-10-batches-py/ or cifar-10-python.tar.gz"

_FOLDER, _ARCHIVE = "cifar-10-batches-py", "cifar-10-python.tar.gz"
_FILES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")


def on_disk(place: Path) -> bool:
    """Whether the unpacked folder or the archive lies in `place`."""
    return bool(_found(place))


def fingerprint(place: Path) -> str:
    """Changes when a file does. Raises DataUnavailable where there is none."""
    found = _found(place)
    if not found:
        raise DataUnavailable(f"neither {_FOLDER} nor {_ARCHIVE} in {shown(place)}")
    return "\n".join(f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in found)


def read(place: Path, size: int, progress: Progress | None = None) -> RawDataset:
    """Images [N, 3, 32, 32] in torchvision's order. Raises DataError where a checksum differs, DataUnavailable for no files.

    The files are pickles: nothing is unpickled before its md5 is that of the original.
    """
    if progress:
        progress("reading CIFAR-10", 0, 1)
    if (place / _FOLDER / _FILES[0]).is_file():
        return _read_folder(place)
    archive = place / _ARCHIVE
    if not archive.is_file():
        raise DataUnavailable(f"neither {_FOLDER} nor {_ARCHIVE} in {shown(place)}")
    with tempfile.TemporaryDirectory(prefix="convtui-") as unpacked:
        _unpack(archive, Path(unpacked))
        return _read_folder(Path(unpacked), found_in=archive)


def download(place: Path, progress: Progress | None = None) -> None:
    """Fetch the archive into `place`, checked against its md5. Raises DataUnavailable."""
    from torchvision.datasets import CIFAR10

    fetch([CIFAR10.url], place / _ARCHIVE, CIFAR10.tgz_md5, progress)


def _found(place: Path) -> list[Path]:
    folder = [place / _FOLDER / name for name in _FILES]
    if folder[0].is_file():
        return [path for path in folder if path.is_file()]
    archive = place / _ARCHIVE
    return [archive] if archive.is_file() else []


def _read_folder(place: Path, found_in: Path | None = None) -> RawDataset:
    from torchvision.datasets import CIFAR10

    try:
        with warnings.catch_warnings():
            # The pickles are older than numpy's present rules for dtypes.
            warnings.simplefilter("ignore")
            # torchvision compares every file's md5 with the original's before it unpickles any.
            train, test = CIFAR10(str(place), train=True, download=False), CIFAR10(str(place), train=False, download=False)
    except RuntimeError:
        where = shown(found_in or place / _FOLDER)
        raise DataError(
            f"{where} is not the original CIFAR-10, by checksum, and is a pickle: remove it and run 'convtui data get cifar10'"
        ) from None
    return RawDataset(_split(train), _split(test), tuple(train.classes))


def _split(images: object) -> RawSplit:
    data, targets = getattr(images, "data"), getattr(images, "targets")  # noqa: B009
    return RawSplit(np.ascontiguousarray(np.transpose(data, (0, 3, 1, 2))), np.asarray(targets, np.int64))


def _unpack(archive: Path, into: Path) -> None:
    """Only the files that are known, by name, and only from the archive that is known, by md5."""
    from torchvision.datasets import CIFAR10

    try:
        with archive.open("rb") as file:
            md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if md5 != CIFAR10.tgz_md5:
            raise DataError(f"{shown(archive)} has the wrong md5 ({md5}, not {CIFAR10.tgz_md5}): remove it and get it anew")
        (into / _FOLDER).mkdir()
        with tarfile.open(archive) as tar:
            for name in _FILES:
                member = tar.extractfile(f"{_FOLDER}/{name}")
                if member is not None:
                    (into / _FOLDER / name).write_bytes(member.read())
    except (OSError, EOFError, KeyError, tarfile.TarError, zlib.error) as error:
        raise DataError(f"{shown(archive)} cannot be unpacked ({shown(error)}): remove it and get it anew") from None
