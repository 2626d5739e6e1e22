"""Files that are whole or not there at all, and delivering one to where a person said."""

from __future__ import annotations

import errno
import glob
import os
import re
import shutil
import socket
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from convtui.engine.errors import UsageError

DEFAULT_STORE = Path("store.db")
"""Where runs are kept, unless a person says otherwise: in the working directory."""
STORE_VARIABLE = "CONVTUI_STORE"
"""Of the environment: another place."""
DATA_VARIABLE = "CONVTUI_DATA"
"""Of the environment: where datasets are kept."""
STORE_MARK = ".convtui-store"
"""A file of this name marks the folder in which a store keeps its runs' files: it is not a person's own."""
WATCHED_IMAGES = "images.safetensors"
"""In a run's folder: the images of a person's own set that its script gave to be watched over."""
PICTURE_MARK = b"Software\0convtui"
"""In the first bytes of every PNG and PDF that is written here: such a picture may be replaced by the next."""
PAGE_MAKER = "convtui"
"""Who made it, in the first bytes of every PDF that a browser prints here; it may be replaced likewise."""
ONNX_PRODUCER = "convtui"
"""Of every ONNX file that is written here, in its first bytes: it may be replaced likewise."""
BUNDLE_MARK = "convtui-bundle"
"""The first entry of every file of runs; such a file may be replaced likewise."""
_DATABASE = b"SQLite format 3\0"
_BESIDE_DATABASE = ("-wal", "-shm")
_STREAMS = {"-": "/dev/fd/1", "/dev/stdout": "/dev/fd/1", "/dev/stderr": "/dev/fd/2"}
_DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/(\d{1,9})")


def checked_path(path: Path) -> Path:
    """`path`, where something is or could be. Raises UsageError."""
    try:
        path.exists()
    except OSError as error:  # a name that is too long, a loop of links
        raise UsageError(f"{str(path)[:80]}: not a valid path ({error.strerror}): give another") from None
    return path


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Write to the path given; when the block ends it is fsynced and takes the place of `path` in one move.

    Where the block or the disk fails, nothing is left and an older `path` stays as it was. Raises OSError.
    """
    # The numbers of thread and process keep two writers of one file apart; the last to finish wins.
    temporary = path.with_name(f".{path.name}.{threading.get_native_id()}.{os.getpid()}.partial")
    try:
        yield temporary
        descriptor = os.open(temporary, os.O_RDWR if os.name == "nt" else os.O_RDONLY)  # Windows syncs only what may be written
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


_LEFT_OPEN: set[tuple[int, int]] = set()
"""Device and inode of databases that `reading` had opened when it saw what they were."""


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """A file that a person named or a search found, open for reading.

    Raises OSError, also for a SQLite database, which only SQLite may open: its locks are the process's, and closing any other
    handle of the file drops those of a store that is open here (sqlite.org/howtocorrupt.html, 2.2); another process then clears
    the log away under it. So the handle by which it was seen is never closed.
    """
    is_beside = path.name.endswith(_BESIDE_DATABASE) and path.with_name(path.name[:-4]).exists()
    if is_beside or _identity(path.stat()) in _LEFT_OPEN:
        raise _a_database()
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    closes = True
    try:
        with os.fdopen(handle, "rb", closefd=False) as file:
            if file.peek(len(_DATABASE)).startswith(_DATABASE):
                _LEFT_OPEN.add(_identity(os.fstat(handle)))
                closes = False
                raise _a_database()
            yield file
    finally:
        if closes:
            os.close(handle)


def _identity(about: os.stat_result) -> tuple[int, int]:
    return about.st_dev, about.st_ino


def _a_database() -> OSError:
    return OSError(errno.EINVAL, "it is a store, or another database: choose another name")


def absolute(path: Path | str) -> Path:
    """The path from any working directory; `~` is the home folder, links are left as they are named.

    Raises ValueError where there is no such home folder, or the path is not valid UTF-8."""
    try:
        whole = os.path.abspath(Path(path).expanduser())  # noqa: PTH100
        whole.encode()
    except RuntimeError:
        raise ValueError("is in a home folder that is not there") from None
    except UnicodeEncodeError:
        raise ValueError("is in a folder whose name is not valid UTF-8: rename it") from None
    return Path(whole)


def clear_scraps(folder: Path) -> None:
    """Remove what a process that was killed while it wrote left in `folder`."""
    for scrap in folder.glob(".*.partial"):
        scrap.unlink(missing_ok=True)


def dead_scraps(folder: Path, pattern: str = ".*.partial") -> list[Path]:
    """What processes that are gone left half-written in `folder`, of the names that `pattern` matches."""
    return [scrap for scrap in folder.glob(pattern) if _is_gone(scrap.name.split(".")[-2])]


@contextmanager
def scratch_folder(purpose: str, within: Path | None = None) -> Iterator[Path]:
    """A folder that is there as long as the block runs, in the machine's temporary folder, or `within` another. What processes of
    this host that were killed left there for that purpose is removed."""
    place = within or Path(tempfile.gettempdir())
    start = f"convtui-{purpose}-{socket.gethostname()}-"  # containers may share a folder, not their process ids
    for left in place.glob(f"{glob.escape(start)}*-*"):
        if _is_gone(left.name.removeprefix(start).partition("-")[0]):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{start}{os.getpid()}-", dir=place, ignore_cleanup_errors=True) as name:
        yield Path(name)


def _is_gone(pid: str) -> bool:
    """Whether a name has the number of a process that is no longer there; imports psutil only where there is such a name."""
    import psutil

    return re.fullmatch(r"\d{1,9}", pid) is not None and not psutil.pid_exists(int(pid))


# ----------------------------------------------------------------------------------------------- where a person said


def deliver(content: bytes, path: Path) -> None:
    """Write `content` to where a person said.

    `-` is stdout; pipes, devices and open descriptors are written through. A plain file is replaced whole or stays as it was, and
    keeps its mode; a link stays, and the file it leads to is replaced. Raises UsageError where `check_target` does or writing
    fails, BrokenPipeError where a pipe's reader is gone.
    """
    check_target(path)
    try:
        if (descriptor := _descriptor(path)) is not None:
            sys.stdout.flush()
            with os.fdopen(os.dup(descriptor), "wb") as stream:
                stream.write(content)
        elif is_stream(path):
            path.write_bytes(content)
        else:
            _replace(Path(os.path.realpath(path)), content)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from None


def check_target(path: Path) -> None:
    """Raise UsageError where nothing may or can be delivered to `path`; to be asked before long work, writes nothing.

    Refused are a store and its files, checkpoints, images and whatever else an export could not have been.
    """
    try:
        reason = "" if is_stream(path) else _refusal(path, Path(os.path.realpath(path)))
    except OSError as error:
        reason = error.strerror or str(error)
    if reason:
        raise UsageError(f"{path} cannot be written: {reason}")


def unused(stem: str, suffix: str) -> Path:
    """A name in the working directory that no file has yet: `stem` itself, or with a number behind it."""
    numbered = (Path(f"{stem}{f'-{number}' if number else ''}{suffix}") for number in range(10_000))
    return next(path for path in numbered if not path.exists())


def is_stream(path: Path) -> bool:
    """Whether `path` is written through, so that its name says nothing: stdout, a pipe, a device. Raises OSError."""
    mode = _mode(path)
    return _descriptor(path) is not None or not (mode is None or stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _descriptor(path: Path) -> int | None:
    found = _DESCRIPTOR.fullmatch(_STREAMS.get(str(path), str(path)))
    return int(found[1]) if found else None


def _mode(path: Path) -> int | None:
    """Type and rights of what `path` leads to; None where nothing is there."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _refusal(path: Path, target: Path) -> str:
    """Why the plain file `target`, which `path` leads to, is not to be written; empty where it may be."""
    if not target.parent.is_dir():
        return f"there is no folder {target.parent if path.parent.is_dir() else path.parent}"
    if store := next((folder for folder in target.parents if (folder / STORE_MARK).exists()), None):
        return f"a store keeps its runs' files in {store}: choose another folder"
    mode = _mode(target)
    if mode is None:
        return ""
    if stat.S_ISDIR(mode):
        return "it is a directory: name a file in it"
    if not mode & 0o222:
        return "it is read-only: choose another name"
    with reading(target) as file:
        return _kept(file.read(4096))


def _kept(head: bytes) -> str:
    """Why a file that begins like this is not replaced; empty for text and for what was exported before."""
    picture = head.startswith((b"\x89PNG", b"%PDF"))
    if head.startswith(b"PK") and BUNDLE_MARK.encode() in head[:64]:
        return ""
    if head.startswith(b"\x08") and ONNX_PRODUCER.encode() in head[:20]:  # the IR's version, then who wrote it
        return ""
    if (
        (PICTURE_MARK in head or f"/Creator ({PAGE_MAKER})".encode() in head)
        if picture
        else (b"\0" not in head or (head.startswith(b"PK") and b".npy" in head))
    ):
        return ""
    return "it is not text, and convtui did not export it: choose another name, or delete it first"


def _replace(target: Path, content: bytes) -> None:
    _clear_dead_scraps(target)
    mode = _mode(target)
    with written_whole(target) as temporary:
        if mode is not None:
            temporary.touch(mode=0o600)
        temporary.write_bytes(content)
        if mode is not None:
            temporary.chmod(stat.S_IMODE(mode))


def _clear_dead_scraps(target: Path) -> None:
    """Remove what processes that were killed while they wrote `target` left beside it."""
    for scrap in dead_scraps(target.parent, f".{glob.escape(target.name)}.*.partial"):
        scrap.unlink(missing_ok=True)
