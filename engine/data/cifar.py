"""`cifar10` and `cifar100`: 50,000 + 10,000 photographs in torchvision's layout, in the archive that they come in, or as bytes.

Bytes are what the sets' page calls the "binary version (suitable for C programs)".
"""

from __future__ import annotations

import hashlib
import tarfile
import tempfile
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convtui.engine.data.download import fetch
from convtui.engine.data.names import shown
from convtui.engine.data.raw import ProgressCallback, RawDataset, RawSplit
from convtui.engine.errors import DataError, DataUnavailable
from convtui.engine.spec.sizes import Size

if TYPE_CHECKING:
    from convtui.engine.data.raw import Array


_PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class Records:
    """The binary form of a set: records of one or two labels, the finer one last, and 3,072 pixels, all bytes."""

    folder: str
    train: tuple[str, ...]
    test: str
    names: str
    """The file of the classes' names, a line each."""
    labels: int
    """Of each record."""

    def files(self, place: Path) -> list[Path]:
        """All of them; none where one is missing."""
        files = [place / self.folder / name for name in (*self.train, self.test, self.names)]
        return files if all(path.is_file() for path in files) else []

    def read(self, place: Path) -> RawDataset:
        """Images [N, 3, 32, 32] in the order of the files. Raises DataError where one is damaged."""
        *train, test, names = self.files(place)
        try:
            classes = tuple(names.read_text(encoding="utf-8").split())
            parts = [self._records(path, len(classes)) for path in (*train, test)]
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"{shown(place / self.folder)} cannot be read ({shown(error)}): remove it and download it again"
            ) from None
        images, labels = zip(*parts, strict=True)
        return RawDataset(
            RawSplit(np.concatenate(images[:-1]), np.concatenate(labels[:-1])), RawSplit(images[-1], labels[-1]), classes
        )

    def _records(self, path: Path, classes: int) -> tuple[Array, Array]:
        content = np.fromfile(path, np.uint8)
        rows, rest = divmod(len(content), self.labels + _PIXELS)
        if rest or not rows:
            raise DataError(
                f"{shown(path)} is not of whole records of {self.labels + _PIXELS:,} bytes: remove it and download it again"
            )
        records = content.reshape(rows, -1)
        labels = records[:, self.labels - 1].astype(np.int64)
        if labels.max() >= classes:
            raise DataError(f"{shown(path)}: label {labels.max()} is not one of {classes} classes: remove it and download it again")
        return np.ascontiguousarray(records[:, self.labels :]).reshape(rows, 3, 32, 32), labels


@dataclass(frozen=True)
class Pickles:
    """One of the two sets: a `decoded.FetchedReader`. Its files are pickles: nothing is unpickled before its md5 is right."""

    title: str
    source: str
    """As `--data` takes it."""
    folder: str
    archive: str
    files: tuple[str, ...]
    known_by: str
    """The class of torchvision that knows address and checksums, and unpickles."""
    binary: Records

    @property
    def WANTED(self) -> str:  # noqa: N802 - a constant where a module is the reader
        """For people."""
        return f"{self.folder}/, {self.archive} or {self.binary.folder}/"

    def on_disk(self, place: Path) -> bool:
        """Whether the unpacked folder or the archive is in `place`."""
        return bool(self._found(place))

    def missing(self, place: Path) -> list[str]:
        """Of an unpacked folder that is there in part, the files that are not."""
        names = [name for name in self.files if not (place / self.folder / name).is_file()]
        return names if len(names) < len(self.files) else []

    def fingerprint(self, place: Path) -> str:
        """Changes when a file does. Raises DataUnavailable where there is none."""
        found = self._found(place)
        if not found:
            raise self._missing(place)
        return "\n".join(f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in found)

    def read(self, place: Path, size: Size, progress: ProgressCallback | None = None, *, crop: bool = False) -> RawDataset:
        """Images [N, 3, 32, 32] in torchvision's order. Raises DataError where a checksum differs, DataUnavailable for no files."""
        if progress:
            progress(f"reading {self.title}", 0, 1)
        if (place / self.folder / self.files[0]).is_file():
            return self._read_folder(place)
        archive = place / self.archive
        if not archive.is_file() and self.binary.files(place):
            return self.binary.read(place)
        if not archive.is_file():
            raise self._missing(place)
        with tempfile.TemporaryDirectory(prefix="convtui-") as unpacked:
            self._unpack(archive, Path(unpacked))
            return self._read_folder(Path(unpacked), found_in=archive)

    def download(self, place: Path, progress: ProgressCallback | None = None) -> None:
        """Fetch the archive into `place`, checked against its md5. Raises DataUnavailable."""
        known = self._torchvision()
        fetch([known.url], place / self.archive, known.tgz_md5, progress)

    def _missing(self, place: Path) -> DataUnavailable:
        return DataUnavailable(f"neither {self.folder} nor {self.archive} nor {self.binary.folder} in {shown(place)}")

    def _torchvision(self) -> Any:
        from torchvision import datasets

        return getattr(datasets, self.known_by)

    def _found(self, place: Path) -> list[Path]:
        folder = [place / self.folder / name for name in self.files]
        if folder[0].is_file():
            return [path for path in folder if path.is_file()]
        archive = place / self.archive
        return [archive] if archive.is_file() else self.binary.files(place)

    def _read_folder(self, place: Path, found_in: Path | None = None) -> RawDataset:
        known = self._torchvision()
        try:
            with warnings.catch_warnings():
                # The pickles are older than numpy's present rules for dtypes.
                warnings.simplefilter("ignore")
                # torchvision compares every file's md5 with the original's before it unpickles any.
                train, test = known(str(place), train=True, download=False), known(str(place), train=False, download=False)
        except RuntimeError:
            where = shown(found_in or place / self.folder)
            raise DataError(
                f"{where} lacks the checksum of the original {self.title}, and is a pickle, so it is not read: remove it and run "
                f"'convtui data get {self.source}'"
            ) from None
        return RawDataset(_split(train), _split(test), tuple(train.classes))

    def _unpack(self, archive: Path, into: Path) -> None:
        """Only the files that are known, by name, and only from the archive that is known, by md5."""
        wanted = self._torchvision().tgz_md5
        try:
            with archive.open("rb") as file:
                md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
            if md5 != wanted:
                raise DataError(f"{shown(archive)} has the wrong md5 ({md5}, not {wanted}): remove it and download it again")
            (into / self.folder).mkdir()
            with tarfile.open(archive) as tar:
                for name in self.files:
                    member = tar.extractfile(f"{self.folder}/{name}")
                    if member is not None:
                        (into / self.folder / name).write_bytes(member.read())
        except (OSError, EOFError, KeyError, tarfile.TarError, zlib.error) as error:
            raise DataError(f"{shown(archive)} cannot be unpacked ({shown(error)}): remove it and download it again") from None


CIFAR10 = Pickles(
    "CIFAR-10",
    "cifar10",
    "cifar-10-batches-py",
    "cifar-10-python.tar.gz",
    (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"),
    "CIFAR10",
    Records(
        "cifar-10-batches-bin", tuple(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin", "batches.meta.txt", 1
    ),
)
CIFAR100 = Pickles(
    "CIFAR-100",
    "cifar100",
    "cifar-100-python",
    "cifar-100-python.tar.gz",
    ("train", "test", "meta"),
    "CIFAR100",
    Records("cifar-100-binary", ("train.bin",), "test.bin", "fine_label_names.txt", 2),
)


def _split(images: object) -> RawSplit:
    data, targets = getattr(images, "data"), getattr(images, "targets")  # noqa: B009
    return RawSplit(np.ascontiguousarray(np.transpose(data, (0, 3, 1, 2))), np.asarray(targets, np.int64))
