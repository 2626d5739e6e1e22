"""Zips and directories of any names, contents and damage: read, or refused in our own words."""

from __future__ import annotations

import tempfile
import unicodedata
import warnings
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from convtui.engine.data.container import fingerprint, opened
from convtui.engine.data.contents import MOST_DEPTH, UnreadableFile
from convtui.engine.data.folder import FOLDER
from convtui.engine.errors import DataError
from tests.engine.data.making import numbered

PARTS = st.sampled_from(
    ["a", "b", "train", "Test", "val", "..", ".", "", "@eaDir", ".convtui-store", "C:", "caf\xe9", "\x1b[2J", "x\0y"]
)
NAMES = st.lists(st.one_of(PARTS, st.text(max_size=4)), min_size=1, max_size=5).flatmap(
    lambda parts: st.sampled_from(["/", "\\"]).map(lambda separator: separator.join(parts))
)
CONTENTS = st.one_of(st.binary(max_size=30), st.integers(0, 200).map(lambda number: numbered(number, number)))
METHODS = st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
DAMAGE = st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=6)


def written(path: Path, entries: list[tuple[str, bytes]], method: int, damage: list[tuple[int, int]]) -> None:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", method) as archive:
        warnings.simplefilter("ignore")
        for name, content in entries:
            entry = zipfile.ZipInfo("x")
            entry.filename = name
            archive.writestr(entry, content, method)
    content = bytearray(path.read_bytes())
    for place, value in damage:
        content[place % len(content)] = value
    path.write_bytes(content)


def in_our_own_words(read: Callable[[], object]) -> bool:
    """Whether it was refused, with nothing in the words that steers a terminal."""
    try:
        read()
    except (DataError, UnreadableFile) as error:
        return bool(str(error)) and not {unicodedata.category(letter) for letter in str(error)} & {"Cc", "Cs", "Zl", "Zp"}
    return True


def every_file(path: Path) -> None:
    with opened(path) as found:
        for name in found.files:
            assert len(name) <= MOST_DEPTH + 1
            assert not {"", ".", ".."} & set(name)
            assert in_our_own_words(partial(found.read, name))


@settings(max_examples=60, deadline=None)
@given(entries=st.lists(st.tuples(NAMES, CONTENTS), max_size=8), method=METHODS, damage=DAMAGE)
@example(entries=[("a/" * 2000 + "x.png", b"x"), ("b/1.png", b"y")], method=zipfile.ZIP_STORED, damage=[])
def test_any_zip_is_read_or_refused_in_our_own_words(
    entries: list[tuple[str, bytes]], method: int, damage: list[tuple[int, int]]
) -> None:
    with tempfile.TemporaryDirectory() as below:
        path = Path(below) / "any.zip"
        written(path, entries, method, damage)
        assert fingerprint(path)
        assert in_our_own_words(lambda: every_file(path))
        assert in_our_own_words(lambda: FOLDER.read(path, 8))


USABLE = PARTS.filter(lambda part: bool(part.strip(".")) and "\0" not in part)


@settings(max_examples=40, deadline=None)
@given(names=st.lists(st.lists(USABLE, min_size=1, max_size=4), max_size=8))
def test_any_directory_is_read_whole_or_refused_in_our_own_words(names: list[list[str]]) -> None:
    def all_classes_are_in_both_splits() -> None:
        raw = FOLDER.read(Path(below), 8)
        assert set(raw.train.labels.tolist()) == set(raw.test.labels.tolist()) == set(range(len(raw.classes)))

    with tempfile.TemporaryDirectory() as below:
        for number, parts in enumerate(names):
            place = Path(below).joinpath(*parts)
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{number}.png").write_bytes(numbered(number, number))
        assert in_our_own_words(all_classes_are_in_both_splits)
