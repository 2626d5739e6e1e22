"""The database of a store: consistent reading, whole transactions, and errors of one line."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from sqlalchemy.exc import InvalidRequestError
from sqlmodel import Session

from convtui.engine.errors import StoreError
from convtui.engine.store.backend import KeptConnection, Watcher, backend_of
from convtui.engine.store.schema import ReadOnlyStore
from convtui.engine.store_address import StoreAddress

_LONGEST_REASON = 200
_IDLE_SECONDS = 5.0
_EXPLAINED = "explained"
"""Where a view has how its store's errors are told."""


class Database:
    """A store's file or a server's database. May be used from several threads."""

    def __init__(self, address: StoreAddress, why_read_only: str) -> None:
        """`address` of a store; `why_read_only` is empty where it can be written."""
        self.address = address
        self._backend = backend_of(address)
        self._watching: Watcher | None = None
        self._lock = threading.Lock()
        self._used = 0.0  # on the monotonic clock
        self.reopen(why_read_only)

    def reopen(self, why_read_only: str) -> None:
        """Use it as it can be used now."""
        self.why_read_only = why_read_only
        self._reader, self._writer = self._backend.engines(read_only=self.read_only)

    @property
    def read_only(self) -> bool:
        return bool(self.why_read_only)

    def close(self) -> None:
        """Let go of it."""
        with self._lock:
            if self._watching is not None:
                self._watching.close()
                self._watching = None
        self._reader.dispose()

    def data_version(self) -> int:
        """A number that changes whenever anything in the store has changed."""
        with self._lock, self.explained("watching it"):
            self.check()
            if self._watching is None:
                self._watching = self._backend.watcher(read_only=self.read_only)
            return self._watching.data_version()

    def check(self) -> None:
        """Raise StoreError where it was removed or replaced since it was opened. Takes microseconds."""
        self._backend.check()

    def explained(self, doing: str) -> AbstractContextManager[None]:
        """Turn the database's errors into one StoreError of one line."""
        return self._backend.explained(doing)

    def may_pass(self, error: StoreError) -> bool:
        """Whether the same may succeed later: another process was writing, the disk had no room, a server was away."""
        return error.__cause__ is not None and self._backend.may_pass(error.__cause__)

    def kept(self, busy_seconds: float, run_id: int) -> KeptConnection:
        """A connection for one run's recorder."""
        return self._backend.kept(busy_seconds, run_id)

    def require_writable(self) -> None:
        """Raise StoreError where the store can only be read."""
        if self.read_only:
            raise ReadOnlyStore(f"store {self.address} can only be read here: {self.why_read_only}")

    def rest(self) -> None:
        """Close what was kept open for the next transaction, if there was none for a while: each of a thousand trainings on a
        server then has but the connection that it records by."""
        if time.monotonic() - self._used > _IDLE_SECONDS:
            self._backend.rest()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One consistent view of it."""
        self._used = time.monotonic()
        self.check()
        told = {_EXPLAINED: self.explained}
        with self.explained("reading it"), _sound(self.address), Session(self._reader, autoflush=False, info=told) as session:
            yield session

    @contextmanager
    def writing(
        self, doing: str, *, about: Sequence[object] = (), asked: int | None = None, alone: bool = False
    ) -> Iterator[Session]:
        """A transaction: committed at the end, or nothing of it.

        SQLite has one at a time. Elsewhere those that are `about` the same wait for each other, and so do those that read a row for
        update; `alone` keeps all others from changing runs. `asked`: the run of which something is asked in it.
        """
        self._used = time.monotonic()
        self.require_writable()
        self.check()
        with (
            self.explained(doing),
            _sound(self.address),
            Session(self._writer, expire_on_commit=False) as session,
            session.begin(),
        ):
            if about:
                self._backend.lock(session.connection(), about)
            if alone:
                self._backend.lock_runs(session.connection())
            yield session
            session.flush()
            self._backend.tell(session.connection(), asked)

    def give_ids_beyond(self, session: Session, used: int) -> int | None:
        """The id of a new run that is above `used`; None where the next one will be."""
        return self._backend.give_ids_beyond(session.connection(), used)

    def give_no_id_again(self, session: Session) -> None:
        """Let ids go on behind those of all rows, where these came with theirs."""
        session.flush()
        self._backend.give_no_id_again(session.connection())

    def damage(self) -> list[str]:
        """What the database finds wrong with itself, at most a hundred lines; reads all of it."""
        with self.reading() as session:
            return self._backend.damage(session.connection())


def reading_from(there: Session) -> AbstractContextManager[None]:
    """Within a transaction of another store: what goes wrong with the store that `there` is a view of is told of that one."""
    explained: AbstractContextManager[None] = there.info[_EXPLAINED]("reading it")
    return explained


@contextmanager
def _sound(address: StoreAddress) -> Iterator[None]:
    """Below all checks of values: what a query cannot do with those that a stranger put there is one StoreError."""
    try:
        yield
    except (TypeError, ValueError, OverflowError, InvalidRequestError) as error:
        what = " ".join(str(error).split())[:_LONGEST_REASON]
        raise StoreError(f"store {address} is damaged: a value in it cannot be used ({what}); restore a backup") from error
