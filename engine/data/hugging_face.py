"""`hf:NAME[:CONFIG]`: a set of the Hugging Face Hub; `hf:PATH`: what `save_to_disk` wrote, or parquet files. `datasets` reads both.

Releases from 4 on are asked for: they run no code that comes with a set. The library is an extra, and imported when it is needed.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

from convtui.engine.data import container
from convtui.engine.data.by_label import Labelled, arranged_by_label, split_called, split_in
from convtui.engine.data.contents import Container, Name, UnreadableFile, read_file
from convtui.engine.data.image_files import ImageFiles
from convtui.engine.data.layout import TRAIN, Layout
from convtui.engine.data.names import listed, shown
from convtui.engine.data.raw import ProgressCallback
from convtui.engine.data.table import LABEL
from convtui.engine.errors import ConvtuiError, DataError, DataUnavailable
from convtui.engine.extras import how_to_install

_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?(:[\w.+-]+)?")
_IMAGES = ("image", "img", "picture")
"""Of several columns of images the first of these counts, and likewise of classes the first of LABEL."""
_WHOLE_OR_TEXT = re.compile(r"u?int\d+|(large_)?string|bool")
_SAVED = ("dataset_dict.json", "state.json")


def place_of(text: str) -> Path:
    """`hf:`'s own part: an absolute path where there is such a file or folder or it is written as a path, else the set's name.

    Raises DataError for what can be neither.
    """
    given = Path(os.path.expanduser(text))  # noqa: PTH111 - it raises for users that there are not
    if text.startswith(("/", "./", "../", "~")) or os.path.exists(given):  # noqa: PTH110
        return Path(os.path.abspath(given))  # noqa: PTH100 - links are left as they are named
    if not _NAME.fullmatch(text):
        raise DataError(f"hf:{shown(text)}: write hf:NAME or hf:NAME:CONFIG, as the Hub has them, or hf:PATH")
    return Path(text)


def _is_there(place: Path) -> bool:
    """Of a set of the Hub, whether `datasets` has kept something of it: what exactly, only loading it tells."""
    if place.is_absolute():
        return os.path.exists(place)  # noqa: PTH110
    home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    kept = Path(os.environ.get("HF_DATASETS_CACHE") or f"{home}/datasets").expanduser()
    return kept.is_dir() and any(_letters(path.name) == _letters(str(place).partition(":")[0]) for path in kept.iterdir())


def _letters(name: str) -> str:
    """`datasets` writes capitals and slashes of a name in its own way."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _fingerprint(place: Path) -> str:
    if place.is_absolute():
        return container.fingerprint(place)
    files = [Path(file["filename"]) for part in _loaded(place, "").values() for file in part.cache_files]
    return "\n".join(f"{file} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files)


def _download(place: Path, progress: ProgressCallback | None) -> None:
    if progress:
        progress(f"getting {place} from the Hugging Face Hub", 0, 1)
    _loaded(place, "")


@contextmanager
def _arranged(place: Path) -> Iterator[tuple[Container, Layout]]:
    parts = _loaded(place, _fingerprint(place) if place.is_absolute() else "")
    notes: list[str] = []
    used = _splits(place, parts, notes)
    first = next(iter(used.values()))
    image, label = _image_column(place, first), _label_column(place, first, notes)
    # Each split has numbers of its own for its classes, which are often, but not always, those of the others.
    names = {split: _classes(part, label) for split, part in used.items()}
    if len({bool(of_split) for split, of_split in names.items() if label in used[split].features}) > 1:
        raise DataError(f"{shown(place)}: {shown(label)} names classes in some splits and not in others: give it one type in all")
    images = list(chain.from_iterable(_labelled(place, split, part, label, names[split], notes) for split, part in used.items()))
    if not images:
        raise DataError(f"{shown(place)}: no image has a label in {shown(label)}")
    layout = arranged_by_label(place, images, notes, _of_those(tuple(dict.fromkeys(chain.from_iterable(names.values()))), images))
    decoding = import_module("datasets").Image(decode=False)
    raw = {split: part.select_columns([image]).cast_column(image, decoding) for split, part in used.items()}
    yield Container(tuple(found.name for found in images), frozenset(), lambda name: _bytes(raw, image, name)), layout


# ------------------------------------------------------------------------------------------------------- the library


def _library() -> Any:
    try:
        datasets = import_module("datasets")
    except ImportError:
        raise DataUnavailable(f"hf: needs the library datasets: {how_to_install('hf')}") from None
    if int(datasets.__version__.partition(".")[0]) < 4:
        raise DataUnavailable(f"hf: needs datasets 4 or newer, and {datasets.__version__} is installed: {how_to_install('hf')}")
    # It would print over a screen or a progress bar; what goes wrong it raises as well.
    datasets.disable_progress_bars()
    for name in ("datasets", "huggingface_hub"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return datasets


@lru_cache(maxsize=4)
def _loaded(place: Path, _changed: str) -> Mapping[str, Any]:
    """Split, as the set calls it, -> datasets.Dataset. Raises DataUnavailable, DataError."""
    datasets = _library()
    try:
        if place.is_absolute():
            found = _local(datasets, place)
        else:
            name, _, config = str(place).partition(":")
            found = datasets.load_dataset(f"hf://datasets/{name}", config or None)
    except ConvtuiError:
        raise
    except (ConnectionError, datasets.exceptions.DatasetNotFoundError) as error:
        raise DataUnavailable(f"{shown(place)} cannot be had from the Hugging Face Hub ({_said(error)})") from None
    # Each of the many libraries below raises errors of its own.
    except Exception as error:
        raise DataError(f"{shown(place)} cannot be read by datasets {datasets.__version__} ({_said(error)})") from None
    return dict(found) if isinstance(found, dict) else {TRAIN: found}


def _said(error: BaseException) -> str:
    return shown(" ".join(str(error).split()) or type(error).__name__)


def _local(datasets: Any, place: Path) -> Any:
    if any((place / name).is_file() for name in _SAVED):
        return datasets.load_from_disk(str(place))
    files = sorted(place.rglob("*.parquet")) if place.is_dir() else [place]
    if not files or files[0].suffix.lower() != ".parquet":
        raise DataError(f"{shown(place)} is neither a folder that save_to_disk wrote nor parquet: other files are for folder:PATH")
    splits: dict[str, list[str]] = {}
    for file in files:
        splits.setdefault(split_in(file.relative_to(place)) if place.is_dir() else TRAIN, []).append(str(file))
    return datasets.load_dataset("parquet", data_files=splits)


# --------------------------------------------------------------------------------------------------- which images there are


def _splits(place: Path, parts: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """Split of `layout.SPLITS` -> datasets.Dataset."""
    known = {split: name for name in reversed(list(parts)) if (split := split_called(name))}
    if not known and len(parts) == 1:
        known = {TRAIN: next(iter(parts))}
    if not known:
        raise DataError(f"{shown(place)} has the splits {listed(list(parts))}, and none for training")
    if others := [name for name in parts if name not in known.values()]:
        notes.append(f"{shown(place)}: splits that are not read: {listed(others)}")
    return {split: parts[name] for split, name in sorted(known.items(), key=lambda found: list(parts).index(found[1]))}


def _image_column(place: Path, part: Any) -> str:
    """By its type: images, else bytes."""
    kinds = {name: type(feature).__name__ for name, feature in part.features.items()}
    bytes_of = [name for name, feature in part.features.items() if _is_bytes(feature)]
    found = [name for name, kind in kinds.items() if kind == "Image"] or bytes_of
    if not found:
        raise DataError(f"{shown(place)} has no column of images: its columns are {listed(list(kinds))}")
    return next((name for name in _IMAGES if name in found), found[0])


def _is_bytes(feature: Any) -> bool:
    of_struct = feature.get("bytes") if isinstance(feature, dict) else feature
    return getattr(of_struct, "dtype", "") in ("binary", "large_binary")


def _label_column(place: Path, part: Any, notes: list[str]) -> str:
    """By its type: classes, else whole numbers or texts under a name that labels have."""
    of_classes = [name for name, feature in part.features.items() if type(feature).__name__ == "ClassLabel"]
    plain = [name for name, feature in part.features.items() if _WHOLE_OR_TEXT.fullmatch(str(getattr(feature, "dtype", "")))]
    found = of_classes or [name for name in LABEL if name in plain]
    if not found:
        raise DataError(f"{shown(place)} has no column of labels: its columns are {listed(list(part.features))}")
    chosen = next((name for name in LABEL if name in found), found[0])
    if len(of_classes) > 1:
        notes.append(
            f"{shown(place)}: classes are those of {shown(chosen)}, and not of {listed([n for n in found if n != chosen])}"
        )
    return chosen


def _classes(part: Any, label: str) -> tuple[str, ...]:
    """What the numbers of this column are names of, in their order; nothing where they are labels themselves."""
    return tuple(getattr(part.features.get(label), "names", None) or ())


def _labelled(place: Path, split: str, part: Any, label: str, names: tuple[str, ...], notes: list[str]) -> Iterator[Labelled]:
    """Its images that have a label: -1, or nothing, stands for none."""
    values = list(part[label]) if label in part.features else []
    known = {number: value for number, value in enumerate(values) if _is_label(value, names)}
    if lacking := len(part) - len(known):
        notes.append(f"{shown(place)}: {lacking:,} of {len(part):,} {split} images have no label: they are not used")
    for number, value in known.items():
        yield Labelled((split, str(number)), names[value] if names else str(value), split)


def _is_label(value: object, names: tuple[str, ...]) -> bool:
    return value is not None and value != -1 and (not names or (isinstance(value, int) and 0 <= value < len(names)))


def _of_those(names: tuple[str, ...], images: list[Labelled]) -> tuple[str, ...]:
    """The classes that occur, in their order: sets declare some that they have no images of."""
    occurring = {image.label for image in images}
    return tuple(name for name in names if name in occurring)


def _bytes(raw: Mapping[str, Any], column: str, name: Name) -> bytes:
    split, number = name
    found = raw[split][int(number)][column]
    if found is None:
        raise UnreadableFile("empty")
    if found["bytes"] is not None:
        return bytes(found["bytes"])
    path = Path(str(found["path"])).resolve()
    # A set may name any file of this machine; those that the library fetched are its own.
    if _homes().isdisjoint(path.parents):
        raise UnreadableFile("only a path, which is not followed")
    return read_file(path)


def _homes() -> frozenset[Path]:
    config = import_module("datasets").config
    return frozenset(Path(home).resolve() for home in (config.HF_CACHE_HOME, config.HF_DATASETS_CACHE))


HUGGING_FACE = ImageFiles(_arranged, _is_there, _fingerprint, download=_download)
