"""The file of a store: consistent reading, whole transactions, and errors of one line."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import InvalidRequestError
from sqlmodel import Session

from convtui.engine.errors import StoreError
from convtui.engine.store.schema import ReadOnlyStore
from convtui.engine.store.sqlite import KeptConnection, SameFile, explained, make_engine

_LONGEST_REASON = 200


class Database:
    """The SQLite file of a store. May be used from several threads."""

    def __init__(self, path: Path, why_read_only: str) -> None:
        """`path` of a store; `why_read_only` is empty where it can be written."""
        self.path = path
        self._file = SameFile(path)
        self._watching: KeptConnection | None = None
        self._lock = threading.Lock()
        self.reopen(why_read_only)

    def reopen(self, why_read_only: str) -> None:
        """Use it as it can be used now."""
        self.why_read_only = why_read_only
        self._engine = make_engine(self.path, read_only=self.read_only)

    @property
    def read_only(self) -> bool:
        return bool(self.why_read_only)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._watching is not None:
                self._watching.close()
                self._watching = None
        self._engine.dispose()

    def data_version(self) -> int:
        """A number that changes whenever anything in the file has changed."""
        with self._lock, explained(self.path, "watching it"):
            self.check()
            if self.read_only:
                return self._file.state()  # without a lock, SQLite notices no change
            if self._watching is None:
                self._watching = KeptConnection(self.path)
            return self._watching.data_version()

    def check(self) -> None:
        """Raise StoreError where the file was removed or replaced since it was opened. Takes microseconds."""
        self._file.check()

    def require_writable(self) -> None:
        """Raise StoreError where the store can only be read."""
        if self.read_only:
            raise ReadOnlyStore(f"store {self.path} can only be read here: {self.why_read_only}")

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One consistent view of the file."""
        self.check()
        with explained(self.path, "reading it"), _sound(self.path), Session(self._engine, autoflush=False) as session:
            yield session

    @contextmanager
    def writing(self, doing: str) -> Iterator[Session]:
        """A transaction: committed at the end, or nothing of it."""
        self.require_writable()
        self.check()
        writer = self._engine.execution_options(write=True)
        with explained(self.path, doing), _sound(self.path), Session(writer, expire_on_commit=False) as session, session.begin():
            yield session


@contextmanager
def _sound(path: Path) -> Iterator[None]:
    """Below all checks of values: what a query cannot do with those that a stranger put there is one StoreError."""
    try:
        yield
    except (TypeError, ValueError, OverflowError, InvalidRequestError) as error:
        what = " ".join(str(error).split())[:_LONGEST_REASON]
        raise StoreError(f"store {path} is damaged: a value in it cannot be used ({what}); restore a backup") from error
