"""Runs in one file, to hand in or to send: a store of their own and its folder, in a .zip. Holds no code, and none is run."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from convtui.engine.errors import UsageError
from convtui.engine.files import BUNDLE_MARK, STORE_MARK, WATCHED_IMAGES, check_target, reading, scratch_folder, written_whole
from convtui.engine.statuses import CLAIMED
from convtui.engine.store.folder import is_our_file
from convtui.engine.store.merging import merge
from convtui.engine.store.store import Store

SUFFIX = ".convtui"
VERSION = 1
_DATABASE, _FOLDER = "runs.db", "runs"
_OF_RUN = re.compile(rf"{_FOLDER}/[1-9][0-9]{{0,17}}/([^/]+)")
MOST_RATIO, RATIO_MATTERS_FROM = 100, 1 << 30
"""A file that unpacks to more than so many times its size, and is large, is refused."""


def pack(store: Store, run_ids: Sequence[int], path: Path) -> None:
    """Write these runs, with all that belongs to them but the images that a script was watched over, into the file.

    Raises RunNotFound, UsageError where a run is in training or the file cannot be written, StoreError.
    """
    check_target(path)
    for run_id in run_ids:
        run = store.run(run_id)
        if run.status in CLAIMED:
            raise UsageError(
                f"run {run.id} ({run.name}) is {run.status}: bundle it when it has ended, or 'convtui stop {run.id}' first"
            )
    with scratch_folder("bundle") as place:
        with Store.open(place / _DATABASE) as packed:
            for _ in merge(packed, store, run_ids):
                pass
        try:
            with written_whole(path) as temporary:
                _zip(place, temporary)
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror or error}") from None


def _zip(place: Path, target: Path) -> None:
    kept = (file for file in (place / _FOLDER).rglob("*") if file.is_file() and file.name != WATCHED_IMAGES)
    files = [place / _DATABASE, *sorted(kept)]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        archive.writestr(zipfile.ZipInfo(BUNDLE_MARK), json.dumps({"version": VERSION}))
        for file in files:
            # Weights hardly become smaller, and are read more quickly as they are.
            how = zipfile.ZIP_STORED if file.suffix == ".safetensors" else zipfile.ZIP_DEFLATED
            archive.write(file, file.relative_to(place).as_posix(), how)


def is_bundle(path: Path) -> bool:
    """Whether the file is one, by its first bytes."""
    try:
        with reading(path) as file:
            return file.read(4) == b"PK\3\4" and BUNDLE_MARK.encode() in file.read(60)
    except OSError:
        return False


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The store in the file, in a folder that is gone afterwards, unless it was moved away. Raises UsageError where the file is no
    bundle, is damaged, or holds anything else."""
    if not is_bundle(path):
        raise UsageError(f"{path} is no bundle of runs: 'convtui bundle RUN --out {path.stem}{SUFFIX}' writes one")
    with scratch_folder("open") as place:
        try:
            with zipfile.ZipFile(path) as archive:
                _unpack(path, archive, place)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, RuntimeError, ValueError) as error:
            raise UsageError(f"{path} cannot be read ({error}): was it copied whole?") from None
        yield place / _DATABASE


def _unpack(path: Path, archive: zipfile.ZipFile, place: Path) -> None:
    entries = [entry for entry in archive.infolist() if entry.filename != BUNDLE_MARK]
    told = json.loads(archive.read(BUNDLE_MARK)[:1000])
    if not isinstance(told, dict) or told.get("version") != VERSION:
        raise UsageError(f"{path} was written by a newer convtui: update convtui")
    size, packed = sum(entry.file_size for entry in entries), path.stat().st_size
    strange = [entry.filename for entry in entries if not _may_be(entry)]
    if strange or _DATABASE not in {entry.filename for entry in entries}:
        raise UsageError(
            f"{path} holds {strange[0]!r}, which is of no run: nothing was read" if strange else f"{path} holds no runs"
        )
    if size > max(RATIO_MATTERS_FROM, MOST_RATIO * packed):
        raise UsageError(f"{path}: {packed:,} bytes unpack to {size:,}: it looks like a decompression bomb, and nothing was read")
    for entry in entries:
        target = place / entry.filename
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as source, target.open("xb") as written:
            shutil.copyfileobj(source, written)


def _may_be(entry: zipfile.ZipInfo) -> bool:
    name = entry.filename
    of_run = _OF_RUN.fullmatch(name)
    return name in (_DATABASE, f"{_FOLDER}/{STORE_MARK}") or (of_run is not None and is_our_file(of_run[1]))


def what_is_in(store: Store) -> list[tuple[int, int, str, str]]:
    """(id, attempts, name, note) of each run: by it one can tell whether anything was done in an opened bundle."""
    return [(run.id, run.attempt, run.name, run.note) for run in store.runs()]
