"""`svhn`: house numbers photographed in the street, 73,257 + 26,032 digits, from the two MATLAB files that they come in."""

from __future__ import annotations

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

WANTED = "train_32x32.mat and test_32x32.mat, there or in svhn/"

_FILES = {"train": "train_32x32.mat", "test": "test_32x32.mat"}
_BELOW = "svhn"


def on_disk(place: Path) -> bool:
    """Whether both files are in `place`/svhn or in `place` itself."""
    return all(_find(place, name) for name in _FILES.values())


def missing(place: Path) -> list[str]:
    """Of a set that is there in part, the file that is not."""
    names = [name for name in _FILES.values() if not _find(place, name)]
    return names if len(names) < len(_FILES) else []


def fingerprint(place: Path) -> str:
    """Changes when a file does. Raises DataUnavailable where one is missing."""
    return "\n".join(f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in _found(place))


def read(place: Path, size: Size, progress: ProgressCallback | None = None, *, crop: bool = False) -> RawDataset:
    """Images [N, 3, 32, 32] in the original order. Raises DataError naming a damaged file, DataUnavailable for a missing one."""
    train, test = _found(place)
    if progress:
        progress("reading SVHN", 0, 1)
    return RawDataset(_read_mat(train), _read_mat(test), tuple(str(digit) for digit in range(10)))


def download(place: Path, progress: ProgressCallback | None = None) -> None:
    """Fetch the files that are missing into `place`/svhn, each checked against its md5. Raises DataUnavailable."""
    # torchvision knows the addresses and checksums; it is not used to read.
    from torchvision.datasets import SVHN

    for split, name in _FILES.items():
        if not _find(place, name):
            url, _, md5 = SVHN.split_list[split]
            # The same server, asked safely first.
            fetch([url.replace("http://", "https://"), url], place / _BELOW / name, md5, progress)


def _find(place: Path, name: str) -> Path | None:
    return next((path for path in (place / _BELOW / name, place / name) if path.is_file()), None)


def _found(place: Path) -> list[Path]:
    found = {name: _find(place, name) for name in _FILES.values()}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise DataUnavailable(f"{', '.join(missing)} not in {shown(place / _BELOW)}")
    return [path for path in found.values() if path is not None]


def _read_mat(path: Path) -> RawSplit:
    """`X` uint8 [32, 32, 3, N] and `y` [N, 1], in which 10 stands for the digit 0. Holds no code: arrays alone are read."""
    from scipy.io import loadmat

    try:
        # By name, so that nothing else in the file is unpacked.
        values = loadmat(path, variable_names=("X", "y"))
    # scipy's reader of damaged files raises nearly anything.
    except Exception as error:
        why = shown(str(error) or type(error).__name__)
        raise DataError(f"{shown(path)} cannot be read ({why}): remove it and download it again") from None
    images, labels = values.get("X"), values.get("y")
    if images is None or labels is None or not _sound(images, labels):
        raise DataError(f"{shown(path)} does not hold SVHN's X (32 x 32 x 3 x N) and y (N digits): remove it and download it again")
    return RawSplit(np.ascontiguousarray(images.transpose(3, 2, 0, 1)), labels.ravel().astype(np.int64) % 10)


def _sound(images: Array, labels: Array) -> bool:
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[:3] != (32, 32, 3):
        return False
    return labels.dtype.kind in "iuf" and labels.size == images.shape[3] > 0 and bool(np.isin(labels, range(11)).all())
