"""A place for files at a URL of fsspec's: a bucket, a file server, another folder. What it raises is a StoreError of one line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from convtui.engine.errors import StoreError
from convtui.engine.extras import how_to_install
from convtui.engine.store.kept import FileState
from convtui.engine.store.processes import hostname

_LONGEST_REASON = 300
_OBJECTS = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "oss", "tos", "memory"})
"""Of these an object is seen when all of it is there; elsewhere a file is seen while it is written."""
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")


class There(NamedTuple):
    """What a listing says of a file."""

    state: FileState
    version: str
    """Another one after each change of the file."""


class Remote:
    """May be used from several threads."""

    def __init__(self, url: str) -> None:
        """`url` has no key or password in it: fsspec has ways of its own to be told them."""
        self.url = url

    def __str__(self) -> str:
        return self.url

    def files(self, folder: str = "") -> dict[str, There]:
        """What is in a folder, by name; nothing where there is no such folder."""
        return {name: _told(info) for name, info in self._listed(folder).items() if info.get("type") != "directory"}

    def folders(self) -> list[str]:
        """Names of the folders."""
        return [name for name, info in self._listed("").items() if info.get("type") == "directory"]

    def read(self, name: str) -> bytes:
        """A small file's bytes; none where it is not there."""
        with self._explained(f"reading {name}"):
            try:
                return bytes(self._system.cat_file(self._path(name)))
            except FileNotFoundError:
                return b""

    def get(self, name: str, target: Path) -> bool:
        """Write what is there into the file `target`; False where it is not there (any more)."""
        with self._explained(f"reading {name}"):
            try:
                self._system.get_file(self._path(name), str(target))
            except FileNotFoundError:
                return False
        return True

    def put(self, source: Path, name: str) -> None:
        """Lay the file there: what is seen there is always whole."""
        with self._explained(f"writing {name}"):
            if self._has_objects:
                self._system.put_file(str(source), self._path(name))
                return
            folder, _, file = self._path(name).rpartition("/")
            self._system.makedirs(folder, exist_ok=True)
            partial = f"{folder}/.{file}.{hostname()}-{os.getpid()}.partial"
            self._system.put_file(str(source), partial)
            self._system.mv(partial, self._path(name))

    def remove(self, name: str) -> None:
        """Delete a file, if it is there."""
        with self._explained(f"deleting {name}"), suppress(FileNotFoundError):
            self._system.rm_file(self._path(name))

    def remove_folder(self, folder: str) -> None:
        """Delete all that is in it, if it is there."""
        with self._explained(f"deleting {folder}"), suppress(FileNotFoundError):
            self._system.rm(self._path(folder), recursive=True)

    def _listed(self, folder: str) -> dict[str, dict[str, Any]]:
        path = self._path(folder)
        with self._explained("listing it"):
            self._system.invalidate_cache()  # other hosts write there
            try:
                found = self._system.ls(path, detail=True)
            except FileNotFoundError:
                return {}
        own = path.strip("/")
        return {name.rsplit("/", 1)[-1]: info for info in found if (name := str(info["name"]).rstrip("/")).strip("/") != own}

    def _path(self, name: str) -> str:
        root = self._found[1].rstrip("/")
        return f"{root}/{name}" if name else root

    @property
    def _system(self) -> Any:
        return self._found[0]

    @property
    def _has_objects(self) -> bool:
        protocols = self._system.protocol
        return not _OBJECTS.isdisjoint((protocols,) if isinstance(protocols, str) else protocols)

    @cached_property
    def _found(self) -> tuple[Any, str]:
        from fsspec.core import url_to_fs

        with self._explained("opening it"):
            system, path = url_to_fs(self.url)
        return system, str(path)

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except ImportError as error:
            how = how_to_install("s3") if self.url.startswith(("s3://", "s3a://")) else "pip installs it beside convtui"
            raise StoreError(f"files {self.url}: {error}: {how}") from error
        except Exception as error:  # of whichever library serves this kind of URL
            said = " ".join(str(error).split())[:_LONGEST_REASON] or type(error).__name__
            raise StoreError(
                f"files {self.url}, while {doing}: {said}: see that it can be reached and written, and that its keys are where "
                "fsspec looks for them"
            ) from error


def _told(info: dict[str, Any]) -> There:
    time = next((info[name] for name in _TIMES if info.get(name) is not None), 0.0)
    changed = float(time.timestamp() if hasattr(time, "timestamp") else time) if not isinstance(time, str) else 0.0
    version = sha256(repr(sorted((key, str(value)) for key, value in info.items())).encode()).hexdigest()[:16]
    return There(FileState(int(info.get("size") or 0), changed), version)
