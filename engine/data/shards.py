"""`wds:PATH`: images in webdataset's shards, .tar files in which members of one name but for the ending are one sample.

A sample is an image (`0001.jpg`) and its label: a number or name in `0001.cls`, or under `label` in `0001.json`. Nothing else is
read, and shards that hold pickles are refused.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

from convtui.engine.data.by_label import Labelled, arranged_by_label, split_in
from convtui.engine.data.contents import Container, Name, UnreadableFile, refuse_too_many
from convtui.engine.data.image_files import ImageFiles
from convtui.engine.data.layout import Layout
from convtui.engine.data.names import listed, shown
from convtui.engine.data.picture import named_as_image
from convtui.engine.data.tars import TarEntry, listed_tar, read_entry, unpacked
from convtui.engine.errors import DataError, DataUnavailable

MOST_SHARDS = 20_000
MOST_BYTES_OF_A_LABEL = 1 << 20
LABELS = ("label", "class", "cls", "target")
"""Under which names a sample's .json may have its label; of several the first of these counts."""
_TAR = re.compile(r"\.(tar|tar\.gz|tgz)$", re.IGNORECASE)
_INNERMOST = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_PICKLES = frozenset(("pyd", "pkl", "pickle", "pth", "pt"))


# -------------------------------------------------------------------------------------------------- which files there are


def shards_of(place: Path) -> list[Path]:
    """The shards that a directory has, or that `{000..009}` and `{a,b}` in a path spell. Raises DataError for too many."""
    if os.path.isdir(place):  # noqa: PTH112
        return sorted(path for path in place.iterdir() if _TAR.search(path.name) and not path.name.startswith("."))
    spelt = [str(place)]
    while any(_INNERMOST.search(text) for text in spelt):
        spelt = list(islice((choice for text in spelt for choice in _choices(place, text)), MOST_SHARDS + 1))
        if len(spelt) > MOST_SHARDS:
            raise DataError(f"{shown(place)} spells more than {MOST_SHARDS:,} shards")
    return [Path(text) for text in dict.fromkeys(spelt)]


def _choices(place: Path, text: str) -> list[str]:
    """What the first of its innermost braces may stand for."""
    braces = _INNERMOST.search(text)
    if braces is None:
        return [text]
    words = braces[1].split(",")
    if numbers := _RANGE.fullmatch(braces[1]):
        first, last = int(numbers[1]), int(numbers[2])
        if not first <= last < first + MOST_SHARDS:
            raise DataError(f"{shown(place)}: {shown(braces[0])} spells no shard, or more than {MOST_SHARDS:,}: write {{000..009}}")
        words = [str(number).zfill(len(numbers[1])) for number in range(first, last + 1)]
    return [f"{text[: braces.start()]}{word}{text[braces.end() :]}" for word in words]


def _found(place: Path) -> list[Path]:
    paths = shards_of(place)
    missing = [path.name for path in paths if not os.path.isfile(path)]  # noqa: PTH113
    if missing or not paths:
        what = f"{shown(place)} has no .tar" if not paths else f"of {len(paths):,} shards {listed(missing)} are not there"
        raise DataUnavailable(f"{what}: give a directory of shards or write wds:PATH/{{000..009}}.tar")
    return paths


def _is_there(place: Path) -> bool:
    try:
        return bool(_found(place))
    except (DataError, DataUnavailable):
        return False


def _fingerprint(place: Path) -> str:
    abouts = [(path, path.stat()) for path in _found(place)]
    return "\n".join(f"{os.path.realpath(path)} {about.st_size} {about.st_mtime_ns}" for path, about in abouts)


# -------------------------------------------------------------------------------------------------------- what is in them


@contextmanager
def _arranged(place: Path) -> Iterator[tuple[Container, Layout]]:
    paths = _found(place)
    around = Path(os.path.commonpath([path.parent for path in paths]))
    images, where, lacking = list[Labelled](), dict[Name, _Member](), 0
    with _Reader(paths) as reader:
        for number, path in enumerate(paths):
            members = _listed(path, reader, number)
            below = path.relative_to(around)
            for sample in _samples(path, members):
                if sample.image is None or sample.label is None:
                    lacking += 1
                    continue
                label = _label(path, sample, reader, _Member(number, members[sample.label]))
                name = (str(below), *sample.image)
                where[name] = _Member(number, members[sample.image])
                images.append(Labelled(name, label, split_in(below)))
            refuse_too_many(place, len(images))
        if not images:
            raise DataError(f"{shown(place)}: no sample has an image and a label, which is a .cls, or label in a .json")
        notes = [f"{shown(place)}: {lacking:,} samples lack an image or a label: they are not used"] if lacking else []
        found = Container(tuple(where), frozenset(), lambda name: reader.read(where[name]), (), lambda name: where[name].position)
        yield found, arranged_by_label(place, images, notes)


class _Member(NamedTuple):
    shard: int
    entry: TarEntry

    @property
    def position(self) -> tuple[int, ...]:
        return self.shard, self.entry.start


class _Reader:
    """Reads members; the shard that was read last stays open."""

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths
        self._open = ExitStack()
        self._number = -1
        self._file: IO[bytes] | None = None

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def file(self, number: int) -> IO[bytes]:
        """The shard's bytes. Raises UnreadableFile."""
        if self._file is None or number != self._number:
            self._open.close()
            try:
                self._number, self._file = number, self._open.enter_context(unpacked(self._paths[number]))
            except OSError as error:
                raise UnreadableFile(str(error.strerror)) from None
        return self._file

    def read(self, member: _Member) -> bytes:
        """Raises UnreadableFile."""
        return read_entry(self.file(member.shard), member.entry)


def _listed(path: Path, reader: _Reader, number: int) -> dict[Name, TarEntry]:
    try:
        return {name: entry for name, entry in listed_tar(path, reader.file(number)) if name and not entry.is_folder}
    except UnreadableFile as reason:
        raise DataError(f"{shown(path)} cannot be read ({reason})") from None


@dataclass
class _Sample:
    image: Name | None = None
    label: Name | None = None


def _samples(path: Path, members: Iterable[Name]) -> Iterable[_Sample]:
    """Members of one name up to the first dot; of several images the first counts, and .cls before .json."""
    samples: dict[Name, _Sample] = {}
    for name in members:
        key, _, ending = name[-1].partition(".")
        ending = ending.lower()
        if ending.rpartition(".")[2] in _PICKLES:
            raise DataError(
                f"{shown(path)}: {shown('/'.join(name))} is a pickle, which could run code: nothing was read; write shards "
                "with .cls or .json labels"
            )
        if not key:
            continue
        sample = samples.setdefault((*name[:-1], key), _Sample())
        if ending == "cls" or (ending == "json" and sample.label is None):
            sample.label = name
        elif "." not in ending and named_as_image(name[-1]) and sample.image is None:
            sample.image = name
    return samples.values()


def _label(path: Path, sample: _Sample, reader: _Reader, member: _Member) -> str:
    assert sample.label is not None
    where, is_json = f"{shown(path)}: {shown('/'.join(sample.label))}", sample.label[-1].lower().endswith(".json")
    if member.entry.size > MOST_BYTES_OF_A_LABEL:
        raise DataError(f"{where} has {member.entry.size:,} bytes, which are no label")
    try:
        text = reader.read(member).decode().strip()
        label = _of_json(json.loads(text)) if is_json else text
    except UnreadableFile as reason:
        raise DataError(f"{where} cannot be read ({reason})") from None
    except (ValueError, RecursionError):
        label = ""
    if not label:
        raise DataError(
            f"{where} has no label: {f'one of {listed(list(LABELS))}' if is_json else 'a number or a name'} is looked for"
        )
    return label


def _of_json(told: object) -> str:
    found = next((told[key] for key in LABELS if key in told), None) if isinstance(told, dict) else told
    return str(found).strip() if isinstance(found, int | str) and not isinstance(found, bool) else ""


SHARDS = ImageFiles(_arranged, _is_there, _fingerprint)
