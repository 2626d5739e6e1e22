"""The folder of a store whose files are at a URL: of each run, a folder on this host that is kept like the one there.

Who trains a run writes here, as in any folder, and a thread brings there what is new. Who looks at a run has brought here what is
wanted of it. While a process of this host writes a run, what is here is the newest, and nothing is brought over it.
"""

from __future__ import annotations

import fcntl
import json
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import platformdirs

from convtui.engine.errors import StoreError
from convtui.engine.files import STORE_MARK, written_whole
from convtui.engine.store.folder import LONGEST_MARK, NUMBER, Place, Wanted, everything, is_our_file, taken
from convtui.engine.store.kept import FileState, is_plain
from convtui.engine.store.output import is_output
from convtui.engine.store.remote import Remote

_EVERY_SECONDS = 1.0
"""Between two looks for what is new here."""
_OUTPUT_SECONDS = 10.0
"""Likewise for what programs print, which is sent whole each time."""
_AFTER_TROUBLE_SECONDS = 5.0
_IDENTITY = re.compile(r"[0-9a-f]{32}")
_STATE, _BRINGING, _SENDING, _WRITTEN_HERE = ".there", ".bringing", ".sending", ".written-here"

Signature = tuple[int, int]
"""Size, and time of change in nanoseconds."""


@dataclass
class _State:
    """Which files of a run's folder here are like those there."""

    attempt: int = 0
    """The one that was being written here, all of which may not be there yet; 0 where all is."""
    files: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    """Name -> its version there, and its signature here."""


class RemoteFolder:
    """As `folder.Folder` has it, but for what each method says. Raises StoreError where the URL does not answer, too."""

    is_here = False

    def __init__(self, url: str, identity: str) -> None:
        """`identity` is the store's."""
        if not _IDENTITY.fullmatch(identity):
            raise ValueError("its identity")
        self.identity = identity
        self.remote = Remote(url)
        self.path = Path(platformdirs.user_cache_dir("convtui")) / "stores" / identity
        """Of what is here."""
        self._is_ours = False

    def make(self) -> None:
        """See to it that the place is there, and ours."""
        if not self.is_ours():
            raise StoreError(self.lacks())

    def lacks(self) -> str:
        if self.is_ours():
            return ""
        return f"{self.remote}, where its weights should be, has no mark of this store: say where they are, by ?files= in --store"

    def mark(self) -> None:
        with tempfile.NamedTemporaryFile(prefix="convtui-mark-") as file:
            file.write(json.dumps({"store": self.identity, "database": ""}).encode())
            file.flush()
            self.remote.put(Path(file.name), STORE_MARK)

    def has_lost_its_mark(self, run_ids: Collection[int]) -> bool:
        return False  # nobody copies a bucket by hand

    def is_ours(self) -> bool:
        self._is_ours = self._is_ours or _read(self.remote.read(STORE_MARK)[:LONGEST_MARK]).get("store") == self.identity
        return self._is_ours

    def numbered(self) -> list[int]:
        return [int(name) for name in self.remote.folders() if NUMBER.fullmatch(name)] if self.is_ours() else []

    def listing(self, run_id: int) -> dict[str, FileState]:
        """Of the files there."""
        return {name: there.state for name, there in self.remote.files(str(run_id)).items()}

    def shown(self, run_id: int, file: str = "") -> Path | str:
        return "/".join(filter(None, (str(self.remote), str(run_id), file)))

    def remove(self, run_id: int) -> None:
        """Delete a run's files, there and here."""
        if self.is_ours():
            self.remote.remove_folder(str(run_id))
        shutil.rmtree(self.path / str(run_id), ignore_errors=True)

    def remove_file(self, run_id: int, file: str) -> None:
        self.remote.remove(f"{run_id}/{file}")

    # ------------------------------------------------------------------------------------------------- there and here

    def bring(self, run_id: int, wanted: Wanted = everything) -> None:
        """Have the wanted files here as they are there, unless a process of this host writes the run."""
        with self._alone(run_id) as folder:
            with (folder / _WRITTEN_HERE).open("ab") as file:
                if not _is_free(file):
                    return
            self._bring(run_id, folder, wanted)

    def send(self, run_id: int, wanted: Wanted = everything) -> Mapping[str, Signature]:
        """Have the wanted files there as they are here, and no others that were there as here before: gives what is like."""
        with self._alone(run_id, _SENDING) as folder:
            return self._send(run_id, folder, wanted)

    def hold(self, run_id: int, attempt: int) -> Sender:
        """For the process that is about to write the run. What is there comes here before; but what is here of the attempt before,
        and is not there yet, goes there."""
        with self._alone(run_id) as folder:
            file = (folder / _WRITTEN_HERE).open("ab")
            try:
                if _is_free(file):
                    if 0 < self._state(folder).attempt >= attempt - 1:
                        self.send(run_id)
                    else:
                        self._bring(run_id, folder, _is_no_output)
                        there = self._state(folder).files
                        for name in _signatures(folder).keys() - there.keys():
                            if _is_no_output(name):
                                (folder / name).unlink(missing_ok=True)
                    self._write(folder, _State(attempt, self._state(folder).files))
                fcntl.flock(file, fcntl.LOCK_SH)
            except BaseException:
                file.close()
                raise
        return Sender(self, run_id, file)

    def all_is_there(self, run_id: int) -> None:
        """Note that nothing of the run waits here to be sent."""
        with self._alone(run_id) as folder:
            self._write(folder, _State(0, self._state(folder).files))

    def _bring(self, run_id: int, folder: Path, wanted: Wanted) -> None:
        state = self._state(folder)
        there = {name: each for name, each in self.remote.files(str(run_id)).items() if is_plain(name) and is_our_file(name)}
        for name, each in there.items():
            known = state.files.get(name)
            if not wanted(name) or name.endswith(".partial"):
                continue
            if known is not None and known[0] == each.version and (folder / name).exists():
                continue
            with suppress(FileNotFoundError), written_whole(folder / name) as temporary:  # what is gone there is not written here
                if not self.remote.get(f"{run_id}/{name}", temporary):
                    raise FileNotFoundError
            if (signature := _signature(folder / name)) is not None:
                state.files[name] = (each.version, *signature)
        for name in state.files.keys() - there.keys():
            (folder / name).unlink(missing_ok=True)
            del state.files[name]
        self._write(folder, state)

    def _send(self, run_id: int, folder: Path, wanted: Wanted) -> Mapping[str, Signature]:
        state = self._state(folder)
        here = {name: signature for name, signature in _signatures(folder).items() if wanted(name)}
        new = [name for name, signature in here.items() if state.files.get(name, ("",))[1:] != signature]
        for name in new:
            try:
                self.remote.put(folder / name, f"{run_id}/{name}")
            except StoreError:
                if (folder / name).exists():  # else the training has cleared it away meanwhile
                    raise
        gone = [name for name in state.files if not (folder / name).exists()]
        for name in gone:
            self.remote.remove(f"{run_id}/{name}")
            del state.files[name]
        if new or gone:
            there = self.remote.files(str(run_id))
            state.files |= {name: (there[name].version, *here[name]) for name in new if name in there}
            self._write(folder, state)
        return {name: (size, changed) for name, (_, size, changed) in state.files.items()}

    @contextmanager
    def _alone(self, run_id: int, doing: str = _BRINGING) -> Iterator[Path]:
        """The run's folder here; no other process or thread does the same to it meanwhile."""
        folder = self.path / str(run_id)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with (folder / doing).open("ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield folder
        except OSError as error:
            what = error.strerror or error
            raise StoreError(f"{folder}, where files of {self.remote} are kept on this host: {what}: see to its disk") from error

    def _state(self, folder: Path) -> _State:
        try:
            content = (folder / _STATE).read_bytes()
        except FileNotFoundError:
            return _State()
        told = _read(content)
        files = told.get("files", {})
        return _State(
            int(told.get("attempt", 0)), {name: (str(each[0]), int(each[1]), int(each[2])) for name, each in files.items()}
        )

    def _write(self, folder: Path, state: _State) -> None:
        with written_whole(folder / _STATE) as temporary:
            temporary.write_text(json.dumps({"attempt": state.attempt, "files": state.files}), encoding="utf-8")


class Sender:
    """Brings there what a process of this host writes of a run, in a thread of its own, until it is closed."""

    def __init__(self, folder: RemoteFolder, run_id: int, held: IO[bytes]) -> None:
        """`held` is open and locked as long as the process writes."""
        self._folder, self._run_id, self._held = folder, run_id, held
        self.why = ""
        """Why something is not there yet, in one line; empty where all goes well."""
        self._like: Mapping[str, Signature] = {}
        self._wake, self._ended = threading.Event(), False
        self._thread = threading.Thread(target=self._work, name=f"files of run {run_id}", daemon=True)
        self._thread.start()

    def has(self, file: str) -> bool:
        """Whether it is there as it is here; also where it is not here any more."""
        now = _signature(self._folder.path / str(self._run_id) / file)
        return now is None or self._like.get(file) == now

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    def close(self, seconds: float) -> None:
        """Send all that is left, for so long at most. What is left then goes there when the run goes on here."""
        self._ended = True
        self._wake.set()
        self._thread.join(seconds)
        if not self._thread.is_alive() and not self.why:
            with suppress(StoreError):  # then all of it is looked at again
                self._folder.all_is_there(self._run_id)
        self._held.close()

    def _work(self) -> None:
        sent_output = time.monotonic()
        while True:
            is_last = self._ended
            with_output = is_last or time.monotonic() - sent_output >= _OUTPUT_SECONDS
            try:
                self._like = self._folder.send(self._run_id, everything if with_output else _is_no_output)
                self.why = ""
            except StoreError as error:
                self.why = str(error)
            if with_output:
                sent_output = time.monotonic()
            if is_last:
                return
            self._wake.wait(_AFTER_TROUBLE_SECONDS if self.why else _EVERY_SECONDS)
            self._wake.clear()


def first_at(url: str, identity: str) -> Place:
    """The place of a server's new store, which gets its mark, and has nothing yet. Raises FolderTaken, StoreError."""
    folder = RemoteFolder(url, identity)
    if folder.remote.files() or folder.remote.folders():
        raise taken(url)
    folder.mark()
    return Place(identity, url)


def _is_no_output(name: str) -> bool:
    return not is_output(name)


def _is_free(file: IO[bytes]) -> bool:
    """Whether no process writes the run; it is locked then."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _signatures(folder: Path) -> dict[str, Signature]:
    """Of the files of a run that are here, whole."""
    names = [child.name for child in folder.iterdir() if is_our_file(child.name) and not child.name.endswith(".partial")]
    return {name: signature for name in sorted(names) if (signature := _signature(folder / name)) is not None}


def _signature(path: Path) -> Signature | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_size, stat.st_mtime_ns


def _read(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
