"""The datasets there are, and the way from a name to images. Importing this loads no torch, so that listing is instant."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

import platformdirs

from convtui.engine.data.names import listed, shown
from convtui.engine.data.raw import ProgressCallback
from convtui.engine.errors import DataError, DataUnavailable
from convtui.engine.files import DATA_VARIABLE
from convtui.engine.spec import DataSpec, nearest
from convtui.engine.spec.choices import channels_of
from convtui.engine.spec.sizes import sides_written

if TYPE_CHECKING:
    from convtui.engine.data.decoded import FetchedReader, SourceReader
    from convtui.engine.data.image_files import ImageFiles
    from convtui.engine.data.split import Dataset

__all__ = [
    "Description",
    "ProgressCallback",
    "as_recorded",
    "describe",
    "descriptions",
    "get",
    "kinds",
    "lies_at",
    "load",
    "on_disk",
    "own_images",
    "short_name",
]


@dataclass(frozen=True, slots=True)
class Description:
    """What can be said of a dataset without reading it."""

    name: str
    """As `--data` takes it."""
    title: str
    """One line."""
    classes: int | None
    """None where the files decide, as do `size` and `images`."""
    size: int | None
    """Side of its own images, in pixels."""
    channels: int
    """Of its own images: 1 or 3."""
    images: tuple[int, int] | None
    """How many for training and for testing."""
    origin: str
    """Where it comes from."""
    stand_in: str | None
    """What may be used where this set cannot be had; None for sets that need no network, and for a person's own."""
    fetched: bool = False
    """Whether it is downloaded where it is not on disk."""


# What each is, and where in engine/data its `decoded.SourceReader` is; a `FetchedReader` where there is a stand-in.
_SOURCES: tuple[tuple[Description, str], ...] = (
    (
        Description(
            "shapes", "drawn objects, with masks", 10, 32, 3, (10_000, 2_000), "made by convtui", None
        ),
        "shapes",
    ),
    (
        Description(
            "digits", "small handwritten digits from the UCI repository", 10, 8, 1, (1_438, 359), "comes with scikit-learn", None
        ),
        "digits",
    ),
    (
        Description("mnist", "handwritten digits", 10, 28, 1, (60_000, 10_000), "LeCun, Cortes, Burges; downloaded", "digits"),
        "mnist.MNIST",
    ),
    (
        Description(
            "fashion-mnist", "clothes, shoes and bags, in mnist's format", 10, 28, 1, (60_000, 10_000),
            "Xiao, Rasul, Vollgraf 2017; downloaded", "digits",
        ),
        "mnist.FASHION",
    ),
    (
        Description(
            "kmnist", "handwritten Japanese syllables, in mnist's format", 10, 28, 1, (60_000, 10_000),
            "Clanuwat and others 2018; downloaded", "digits",
        ),
        "mnist.KUZUSHIJI",
    ),
    (
        Description(
            "cifar10", "photos of animals and vehicles", 10, 32, 3, (50_000, 10_000), "Krizhevsky 2009; downloaded", "shapes"
        ),
        "cifar.CIFAR10",
    ),
    (
        Description(
            "cifar100", "photos of animals, plants, people and things", 100, 32, 3, (50_000, 10_000), "Krizhevsky 2009; downloaded",
            "shapes",
        ),
        "cifar.CIFAR100",
    ),
    (
        Description(
            "svhn", "photos of house numbers", 10, 32, 3, (73_257, 26_032), "Netzer and others 2011; downloaded",
            "shapes",
        ),
        "svhn",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of source that is named by where it is: `image_files.ImageFiles`."""

    reader: str
    """As in _SOURCES."""
    how: str
    """How it is written, for people."""
    title: str
    what: str
    """For `convtui data list`."""


_ARCHIVE = "a directory, .zip, .tar or .tar.gz"
_KINDS = {
    "folder:": _Kind(
        "folder.FOLDER", "folder:PATH", f"your own images, from {_ARCHIVE}",
        f"{_ARCHIVE} of train/<class>/* and test/<class>/*, or <class>/* alone",
    ),
    "csv:": _Kind(
        "table.TABLE", "csv:PATH", "your own images, labelled by a table",
        "a table file,label[,split] beside its images or in an archive with them; csv:TABLE@IMAGES",
    ),
    "wds:": _Kind(
        "shards.SHARDS", "wds:PATH", "your own images, in webdataset's shards",
        "a directory of webdataset's shards, or PATH/{000..009}.tar",
    ),
    "hf:": _Kind(
        "hugging_face.HUGGING_FACE", "hf:NAME", "a set of Hugging Face datasets",
        "hf:NAME[:CONFIG] of the Hugging Face Hub; hf:PATH for save_to_disk or parquet (pip install 'convtui[hf]')",
    ),
}  # fmt: skip
"""By the beginning of a source's name."""
_OTHERS = f"or use other images: --data folder:PATH ({_ARCHIVE}), --data shapes"


def descriptions() -> tuple[Description, ...]:
    """Every dataset with a name of its own; those of `kinds` come beside them."""
    return tuple(description for description, _ in _SOURCES)


def kinds() -> tuple[tuple[str, str], ...]:
    """How sources are written that are named by where they are, and what that may be: `folder:PATH` and others."""
    return tuple((kind.how, kind.what) for kind in _KINDS.values())


def short_name(source: str) -> str:
    """Of a source that is named by where it is the last part of its path, without an archive's ending; else its name."""
    prefix, where = _parted(source)
    if not prefix or (prefix == "hf:" and not where.startswith("/")):
        return source
    return re.sub(r"\.(zip|tar|tar\.gz|tgz)$", "", where.rstrip("/").rpartition("/")[2], flags=re.IGNORECASE)


def describe(source: str) -> Description:
    """What `source` is. Raises DataError for a name that there is not; whether the files are there is not looked at."""
    return _row(source)[0]


def on_disk(source: str, data_dir: Path | None = None) -> bool:
    """Whether `source` can be loaded without a network. Raises DataError for a name that there is not."""
    return _reader(source).on_disk(lies_at(source, data_dir))


def lies_at(source: str, data_dir: Path | None) -> Path:
    """Where the source's files are looked for, as an absolute path; of `folder:PATH` and its like it is the path, with what it is
    written with (`TABLE@IMAGES`, `{000..009}`), of a set of the Hugging Face Hub its name.

    Raises DataError where that is not valid UTF-8: no run could be recorded with it.
    """
    prefix, where = _parted(source)
    if not prefix:
        return _absolute(
            Path(data_dir or os.environ.get(DATA_VARIABLE) or Path(platformdirs.user_cache_dir("convtui")) / "datasets")
        )
    place = _place(prefix, where.strip())
    try:
        str(place).encode()
    except UnicodeEncodeError:
        raise DataError(
            f"the path {shown(place)} is not valid UTF-8: rename the folder, or give a link to it as folder:LINK"
        ) from None
    return place


def _place(prefix: str, where: str) -> Path:
    if prefix == "hf:":
        return cast("Path", import_module("convtui.engine.data.hugging_face").place_of(where))
    if prefix == "csv:":
        table, images = import_module("convtui.engine.data.table").parted(where)
        return _absolute(Path(table)) if not images else Path(f"{_absolute(Path(table))}@{_absolute(Path(images))}")
    return _absolute(Path(where))


def _absolute(given: Path) -> Path:
    try:
        return Path(os.path.abspath(given.expanduser()))  # noqa: PTH100 - links are left as they are named
    except RuntimeError:
        raise DataError(f"{shown(given)}: there is no such home directory") from None


def as_recorded(source: str) -> str:
    """The source as a run records it: from any working directory it names the same images."""
    prefix, _ = _parted(source)
    return f"{prefix}{lies_at(source, None)}" if prefix else source


def get(source: str, data_dir: Path | None = None, progress: ProgressCallback | None = None, *, instead: str = _OTHERS) -> str:
    """Download `source` where it is missing, read it through, and return the folder that it is in ("" when built in).

    Raises DataUnavailable when it cannot be had, which ends with what else may be done, DataError when what is there is damaged.
    """
    description, place = describe(source), lies_at(source, data_dir)
    try:
        _fetch_if_missing(source, place, progress)
    except DataUnavailable as reason:
        raise _unavailable(source, place, reason, instead) from None
    _reader(source).read(place, description.size or 32, progress)
    return str(place) if description.stand_in or _parted(source)[0] else ""


def load(
    spec: DataSpec, data_dir: Path | None = None, *, allow_stand_in: bool = False, progress: ProgressCallback | None = None
) -> Dataset:
    """The images of `spec`, resident, of its classes, in its colour and size; images of another shape are squeezed to it,
    unless they are cropped.

    Held-out validation images are taken from the training images (after `train_per_class`), a fixed share of each class;
    each class keeps at least one of both where it has two. With `allow_stand_in`, a source that cannot be had is replaced by its
    stand-in, which the notes say; but not where a place that was named holds it in part.
    Raises DataUnavailable where a source cannot be had, DataError where it is damaged, unsafe or too small.
    """
    source, notes = spec.source, tuple[str, ...]()
    place, stand_in = lies_at(source, data_dir), describe(source).stand_in
    try:
        _fetch_if_missing(source, place, progress)
    except DataUnavailable as reason:
        if not allow_stand_in or stand_in is None or (_place_is_named(data_dir) and _missing(source, place)):
            raise _unavailable(source, place, reason) from None
        notes = (f"{source} is not on disk and cannot be downloaded ({reason}): using the built-in {stand_in} instead",)
        source = stand_in

    relaxed: dict[str, str] = {}
    if source != spec.source and spec.crops and (describe(source).size or 0) < max(spec.sides):
        notes = (
            *notes,
            f"data.fit = crop, but the images of {source} are smaller than {sides_written(spec.sides)} pixels: they are resized",
        )
        relaxed = {"data.fit": "resize"}

    # Only now: these need torch.
    from convtui.engine.data.decoded import decoded
    from convtui.engine.data.selection import selected

    reader, channels = _reader(source), describe(source).channels
    if spec.colour == "rgba" and _parted(source)[0]:
        reader, channels = own_images(source).with_alpha, channels_of(spec.colour)
    whole = decoded(
        reader,
        source,
        place,
        channels=channels,
        colour=spec.colour,
        size=spec.sides,
        crop=spec.crops and not relaxed,
        progress=progress,
    )
    found = selected(spec, whole, as_recorded(source), notes, standing_in=source != spec.source)
    return replace(found, relaxed={**found.relaxed, **relaxed})


# ----------------------------------------------------------------------------------------------- from names to sources


def own_images(source: str) -> ImageFiles:
    """The reader of a source that is named by where it is."""
    return cast("ImageFiles", _reader(source))


def _parted(source: str) -> tuple[str, str]:
    """What says which kind of source this is, and where it is; of a dataset with a name of its own the first is empty."""
    prefix = next((prefix for prefix in _KINDS if source.startswith(prefix)), "")
    return prefix, source.removeprefix(prefix)


def _row(source: str) -> tuple[Description, str]:
    prefix, where = _parted(source)
    if prefix:
        kind = _KINDS[prefix]
        if not where.strip():
            raise DataError(f"{prefix} needs a path: write {kind.how}, {kind.what}")
        is_of_hub = prefix == "hf:" and not lies_at(source, None).is_absolute()
        return Description(source, kind.title, None, None, 3, None, shown(where), None, is_of_hub), kind.reader
    for description, module in _SOURCES:
        if description.name == source:
            return description, module
    if "/" in source or source.lower().endswith((".zip", ".tar", ".tar.gz", ".tgz")) or os.path.isdir(source):  # noqa: PTH112 - Path.is_dir raises for a name that is too long
        raise DataError(f"{shown(source)} is not a dataset: for {_ARCHIVE} write folder:{shown(source)}")
    near = nearest(source, [description.name for description, _ in _SOURCES])
    raise DataError(f"unknown dataset {shown(source)}{near}: 'convtui data list' lists them; folder:PATH is for your own images")


def _reader(source: str) -> SourceReader:
    module, _, name = _row(source)[1].partition(".")
    found = import_module(f"convtui.engine.data.{module}")
    return cast("SourceReader", getattr(found, name) if name else found)


def _fetch_if_missing(source: str, place: Path, progress: ProgressCallback | None) -> None:
    """Raises DataUnavailable with the bare reason."""
    description, reader = describe(source), _reader(source)
    if (description.stand_in or description.fetched) and not reader.on_disk(place):
        cast("FetchedReader", reader).download(place, progress)


def _place_is_named(data_dir: Path | None) -> bool:
    return bool(data_dir or os.environ.get(DATA_VARIABLE))


def _missing(source: str, place: Path) -> list[str]:
    return cast("FetchedReader", _reader(source)).missing(place)


def _unavailable(source: str, place: Path, reason: DataUnavailable, instead: str = _OTHERS) -> DataUnavailable:
    if not describe(source).stand_in:
        return reason
    wanted = cast("FetchedReader", _reader(source)).WANTED
    if lacking := _missing(source, place):
        return DataUnavailable(
            f"{source} in {shown(place)} lacks {listed(lacking)} and cannot be downloaded ({reason}): add the missing files, "
            f"{instead}"
        )
    return DataUnavailable(
        f"{source} is not on disk (looked in {shown(place)} for {wanted}) and cannot be downloaded ({reason}): say where it is "
        f"with --data-dir or CONVTUI_DATA, {instead}"
    )
