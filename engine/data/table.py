"""`csv:PATH`: images whose labels are in a table, a row each, with the columns file, label and, where it is known, split.

Files are named as below the table's folder, which may be in an archive; `csv:TABLE@IMAGES` has the images in another directory or
archive.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from convtui.engine.data import container
from convtui.engine.data.by_label import Labelled, arranged_by_label, split_called
from convtui.engine.data.container import opened
from convtui.engine.data.contents import Container, Name, UnreadableFile, read_file
from convtui.engine.data.image_files import ImageFiles
from convtui.engine.data.layout import TRAIN, Layout
from convtui.engine.data.names import listed, shown
from convtui.engine.data.picture import named_as_image
from convtui.engine.errors import DataError, DataUnavailable

FILE = ("file", "filename", "file_name", "filepath", "file_path", "path", "image", "image_path", "image_id", "img", "id")
LABEL = ("label", "labels", "class", "class_name", "category", "target")
SPLIT = ("split", "subset", "set", "partition")
"""By which names a column is known, in any case; of several the first of these counts."""
_TWO_PLACES = re.compile(r"(?i)(.+?\.(?:csv|tsv|txt))@(.+)")


@dataclass(frozen=True)
class _Place:
    table: Path
    """Within an archive its path goes on."""
    images: Path
    below: Name = ()
    """The folder of an archive that files are named in."""

    @property
    def is_within(self) -> bool:
        """Whether the table is in the archive that has the images."""
        return self.images in self.table.parents and os.path.isfile(self.images)  # noqa: PTH113


@dataclass(frozen=True)
class _Row:
    line: int
    file: str
    label: str
    split: str


def parted(place: str) -> tuple[str, str]:
    """`TABLE@IMAGES` -> both; of a table alone the second is empty."""
    found = _TWO_PLACES.fullmatch(place)
    return (found[1], found[2]) if found else (place, "")


def _found(place: Path) -> _Place:
    """Raises DataUnavailable where there is no such table."""
    table, images = map(Path, parted(str(place)))
    if os.path.isfile(table):  # noqa: PTH113
        return _Place(table, table.parent if str(images) == "." else images)
    archive = next((above for above in table.parents if os.path.isfile(above)), None)  # noqa: PTH113
    if archive is None:
        raise DataUnavailable(f"there is no {shown(table)}: give the table of labels, as csv:PATH/labels.csv")
    return _Place(table, archive, table.parent.relative_to(archive).parts)


def _is_there(place: Path) -> bool:
    try:
        found = _found(place)
    except DataUnavailable:
        return False
    return os.path.exists(found.images)  # noqa: PTH110


def _fingerprint(place: Path) -> str:
    found = _found(place)
    if found.is_within:
        return container.fingerprint(found.images)
    about = found.table.stat()
    return f"{found.table} {about.st_size} {about.st_mtime_ns} {container.fingerprint(found.images)}"


@contextmanager
def _arranged(place: Path) -> Iterator[tuple[Container, Layout]]:
    where = _found(place)
    with opened(where.images) as images:
        try:
            content = images.read((*where.below, where.table.name)) if where.is_within else read_file(where.table)
        except KeyError:
            raise DataUnavailable(f"{shown(where.images)} has no {shown(where.table.relative_to(where.images))}") from None
        except UnreadableFile as reason:
            raise DataError(f"{shown(where.table)} cannot be read ({reason})") from None
        notes: list[str] = []
        rows = list(_rows(where.table, content, notes))
        yield images, arranged_by_label(where.table, _labelled(where, images, rows, notes), notes)


# ------------------------------------------------------------------------------------------------------- the table


def _rows(table: Path, content: bytes, notes: list[str]) -> Iterator[_Row]:
    """Raises DataError with the number of the line that is wrong."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(f"{shown(table)}, line {line}: this is not UTF-8: save the table as UTF-8") from None
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    try:
        columns = _columns(table, next(reader, []), notes)
        for values in reader:
            if any(map(str.strip, values)):
                yield _row(table, reader.line_num, values, columns)
    except csv.Error as error:
        raise DataError(f"{shown(table)}, line {reader.line_num}: {error}") from None


def _columns(table: Path, header: Sequence[str], notes: list[str]) -> dict[str, int]:
    """`file`, `label` and, where there is one, `split` -> the number of the column."""
    names = [name.strip().casefold() for name in header]
    found = {
        what: names.index(known)
        for what, words in (("file", FILE), ("label", LABEL), ("split", SPLIT))
        if (known := next((word for word in words if word in names), None)) is not None
    }
    for what in ("file", "label"):
        if what not in found:
            raise DataError(f"{shown(table)}, line 1: no column is called {what}: there are {listed(list(header)) or 'none'}")
    if odd := [f"{what} from {shown(header[at])}" for what, at in found.items() if names[at] != what]:
        notes.append(f"{shown(table)}: columns were taken by their names: {', '.join(odd)}")
    return found


def _row(table: Path, line: int, values: Sequence[str], columns: Mapping[str, int]) -> _Row:
    where = f"{shown(table)}, line {line}"
    if len(values) <= max(columns.values()):
        raise DataError(f"{where}: {len(values)} columns, and the first line names more")
    told = {what: values[at].strip() for what, at in columns.items()}
    for what in ("file", "label"):
        if not told[what]:
            raise DataError(f"{where}: the {what} is missing")
    split = split_called(told["split"]) if "split" in told else TRAIN
    if split is None:
        raise DataError(f"{where}: the split is {shown(told['split']) or 'missing'}: write train, val or test")
    return _Row(line, told["file"], told["label"], split)


# ------------------------------------------------------------------------------------------------ from rows to files


def _labelled(where: _Place, images: Container, rows: list[_Row], notes: list[str]) -> list[Labelled]:
    """Raises DataError where no file is there, one may be several, or one has two labels."""
    search, taken, missing = _Search(where, images.files), dict[Name, _Row](), list[str]()
    for row in rows:
        name = search.file(row)
        if name is None:
            missing.append(f"{row.file} (line {row.line})")
        elif (before := taken.setdefault(name, row)) is not row and (before.label, before.split) != (row.label, row.split):
            raise DataError(
                f"{shown(where.table)}, line {row.line}: {shown(row.file)} is {shown(row.label)} for {row.split}, and on line "
                f"{before.line} {shown(before.label)} for {before.split}: keep one of both"
            )
    if not taken:
        told = f"none of its {len(rows):,} files is in {shown(where.images)}: {listed(missing, 3)}" if rows else "it has no rows"
        raise DataError(f"{shown(where.table)}: {told}")
    if missing:
        notes.append(f"{shown(where.table)}: {len(missing):,} of its {len(rows):,} files are not there: {listed(missing)}")
    if twice := len(rows) - len(missing) - len(taken):
        notes.append(f"{shown(where.table)}: {twice:,} rows say again what others say")
    if others := sum(named_as_image(name[-1]) for name in images.files) - len(taken):
        notes.append(f"{shown(where.images)}: {others:,} images have no row in {shown(where.table.name)}: they are not used")
    return [Labelled(name, row.label, row.split) for name, row in taken.items()]


class _Search:
    """The files that a table's names mean: as below its folder, or, of only one file, by the end of its path; an image's ending may
    be left out."""

    def __init__(self, where: _Place, files: Sequence[Name]) -> None:
        self._where, self._files = where, frozenset(files)
        self._ending: dict[str, list[Name]] = defaultdict(list)
        for name in files:
            if named_as_image(name[-1]):
                for end in {name[-1], PurePosixPath(name[-1]).stem}:
                    self._ending[end].append(name)

    def file(self, row: _Row) -> Name | None:
        """None where there is none. Raises DataError where there are several."""
        text = row.file.replace("\\", "/").removeprefix(f"{self._where.images}/")
        parts = tuple(part for part in text.split("/") if part not in ("", "."))
        if (*self._where.below, *parts) in self._files:
            return (*self._where.below, *parts)
        around = parts[:-1]
        found = [name for name in self._ending.get(parts[-1] if parts else "", ()) if name[:-1][len(name) - len(parts) :] == around]
        if len(found) > 1:
            several = listed(["/".join(name) for name in found], 3)
            raise DataError(
                f"{shown(self._where.table)}, line {row.line}: {shown(row.file)} may be {several}: write its folder too"
            )
        return found[0] if found else None


TABLE = ImageFiles(_arranged, _is_there, _fingerprint)
