"""From the log of another program to a run of the store, at once or as it grows; each number is there once."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from convtui.engine.errors import RunBusy, UsageError
from convtui.engine.events import Finished, Logged, Message, Stopped
from convtui.engine.store import Recorder, Run, Store
from convtui.engine.text import is_text
from convtui.engine.tracking.imports.finding import Source, sources
from convtui.engine.tracking.imports.log import Scalar

CHUNK = 50_000
"""Numbers of one transaction."""
QUIET_SECONDS = 600.0
"""A log that has not grown for so long is held to be finished."""
SEARCH_SECONDS = 3.0
"""Between two searches for new logs, at least."""
_LAST_STEP = 2**62
_LONGEST_NAME = 1000


class Importer:
    """Knows which logs are runs of the store already."""

    def __init__(self, store: Store) -> None:
        self.store = store
        runs = reversed(store.runs())
        self._known = {(run.kind, str(place)): run for run in runs if (place := run.repeatable.get("source"))}

    def add(self, source: Source) -> Run | None:
        """A finished run with every scalar of the source, imported before or not. None where nothing is new since.

        Raises UsageError for a log that holds no number, or is damaged before the first; RunBusy where another process follows it.
        """
        kept = KeptLog(self, source)
        if kept.is_up_to_date():
            return None
        try:
            kept.read()
            if kept.run is None:
                raise UsageError(kept.trouble or f"{source.place}: there are no scalars in it")
        except BaseException:
            kept.end(stopped=True)  # the next import goes on with it
            raise
        kept.end()
        return self.store.run(kept.run.id)

    def known(self, source: Source) -> Run | None:
        """The run that has this log; of several the newest."""
        known = self._known.get((source.kind, source.place))
        return known and next(iter(self.store.runs(ids=[known.id])), None)

    def begin(self, source: Source, began: float) -> Run:
        """A run of this process for the log, whose beginning has been read; the one that it has already is gone on with."""
        known = self.known(source)
        if known is not None:
            return self.store.take_up(known.id)
        about = source.log.about
        name = (about.name if is_text(about.name) else "").strip() or source.name
        run = self.store.begin_run(
            kind=source.kind,
            name=f"log-{name}" if name.isdigit() or name in ("last", "best") else name,
            settings=about.settings,
            dataset="",
            note=about.note if is_text(about.note) else "",
            provenance={"source": source.place},
            began=began or None,
        )
        self._known[source.kind, source.place] = run
        return run


class KeptLog:
    """One log that is being read into its run. It has a run, claimed by this process, from its first number until `end`."""

    def __init__(self, importer: Importer, source: Source) -> None:
        self.source = source
        self.run: Run | None = None
        self.grew = 0.0
        """When it was last written to, in seconds since 1970."""
        self._importer = importer
        self._recorder: Recorder | None = None
        self._seen: object = None
        self._began = self._took = 0.0
        self._end = 0
        self._left_out = ""
        self._said = ""

    @property
    def is_open(self) -> bool:
        """Whether its run reads as running."""
        return self._recorder is not None

    @property
    def trouble(self) -> str:
        """Why not all of it is kept, in one line; empty where all is."""
        return self.source.log.trouble or self._left_out

    def read(self) -> bool:
        """Keep what is new in it; whether anything was. Raises StoreError, RunBusy, UsageError."""
        found = False
        try:
            seen = self._look_at_files()
            if seen == self._seen:
                return False
            self._seen = seen
            scalars = self._sound(self.source.log.new())
            while chunk := list(islice(scalars, CHUNK)):
                self._record(chunk)
                found = True
        except OSError as error:
            raise UsageError(f"{self.source.place} cannot be read: {error.strerror}") from None
        if self._recorder is not None and self.trouble not in ("", self._said):
            self._said = self.trouble
            self._recorder.record(Message(self._end, self.trouble, "warning"))
        return found

    def is_up_to_date(self) -> bool:
        """Whether its run has ended since the log was last written to; it is not read then until it grows."""
        known = self._importer.known(self.source)
        seen = self._look_at_files()
        if known is None or known.status not in ("finished", "failed") or self.grew >= (known.ended or 0.0):
            return False
        self._seen = seen
        return True

    def _look_at_files(self) -> list[tuple[Path, int, int]]:
        stats = [(path, path.stat()) for path in self.source.log.files()]
        self.grew = max((max(stat.st_mtime, stat.st_ctime) for _, stat in stats), default=0.0)
        return [(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats]

    def _sound(self, scalars: Iterable[Scalar]) -> Iterator[Scalar]:
        """Those that a store can hold."""
        for scalar in scalars:
            if not 0 <= scalar.step <= _LAST_STEP:
                why = f"{scalar.name[:80]} has a value at step {scalar.step}, and steps are from 0 to 2^62"
            elif not (scalar.name.strip() and is_text(scalar.name) and len(scalar.name) <= _LONGEST_NAME):
                why = f"{scalar.name[:80]!r} cannot be the name of a metric"
            else:
                yield scalar
                continue
            self._left_out = self._left_out or f"{self.source.place}: {why}: it was left out"

    def _record(self, scalars: Sequence[Scalar]) -> None:
        if self._recorder is None:
            self._open(min((each.when for each in scalars if each.when), default=0.0))
        assert self._recorder is not None
        times = {each.step: each.when - self._began for each in scalars if each.when}
        points = [(each.name, each.step, each.value) for each in scalars]
        points += [("seconds", step, since) for step, since in times.items()]
        self._end = max(self._end, *(each.step for each in scalars))
        self._took = max(self._took, *times.values(), 0.0) if times else self._took
        self._recorder.record(Logged(self._end, 0, tuple(points), 0, self._took or None, None))

    def _open(self, began: float) -> None:
        self.run = self._importer.begin(self.source, began)
        self._began = (self.run.started or began) if began else 0.0
        self._end, self._took = max(self._end, self.run.step), max(self._took, self.run.seconds)
        self._recorder = Recorder(self._importer.store, self.run.id, replaces=True)

    def obey(self) -> bool:
        """Beat the heart; whether the run was asked to stop, which means to follow it no more."""
        asked = self._recorder.poll() if self._recorder is not None else []
        if self._recorder is not None and any(request.kind != "stop" for request in asked):
            text = f"{', '.join(request.kind for request in asked)}: not done, since another program trains this run"
            self._recorder.record(Message(self._end, text, "warning"))
        return any(request.kind == "stop" for request in asked)

    def end(self, *, stopped: bool = False) -> None:
        """The run ends, until more of it is read: as its log says, or else `stopped`, or finished."""
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        with recorder:
            code = self.source.log.about.exit_code
            kind = Stopped if stopped and code is None else Finished
            if code:
                recorder.fail(f"exit status {code}, as its log says")
            else:
                recorder.record(kind(self._end, 0, {}, self._took, 0.0))


class Follower:
    """Keeps runs up to date with the logs of some files and folders, also with those that come later."""

    def __init__(self, store: Store, paths: Sequence[Path]) -> None:
        self._importer = Importer(store)
        self._paths = paths
        self._logs: dict[tuple[str, str], KeptLog] = {}
        self._ended: set[tuple[str, str]] = set()
        self._next_search = 0.0

    def look(self) -> Iterator[KeptLog | str]:
        """Read what is new: each log that has a run from now on, or again, and lines for people about those that have trouble.

        Raises StoreError.
        """
        self._search()
        for key, log in self._logs.items():
            if key in self._ended:
                continue
            was_open, trouble = log.is_open, log.trouble
            try:
                found = log.read()
            except (UsageError, RunBusy) as error:
                self._ended.add(key)
                log.end(stopped=True)
                yield str(error)
                continue
            if found and not was_open:
                yield log
            if log.trouble != trouble:
                yield log.trouble
            if log.obey():
                self._ended.add(key)
                log.end(stopped=True)
            elif log.source.log.about.exit_code is not None or time.time() - log.grew > QUIET_SECONDS:
                log.end()

    def _search(self) -> None:
        began = time.monotonic()
        if began < self._next_search:
            return
        for path in self._paths:
            for source in _sources_by_now(path):
                key = (source.kind, source.place)
                if key not in self._logs:
                    self._logs[key] = KeptLog(self._importer, source)
                    with suppress(OSError):  # it has just gone: reading it tells
                        self._logs[key].is_up_to_date()
        took = time.monotonic() - began
        self._next_search = began + max(SEARCH_SECONDS, 20 * took)

    def end(self) -> None:
        """Follow them no more."""
        for log in self._logs.values():
            log.end(stopped=True)


def _sources_by_now(path: Path) -> list[Source]:
    try:
        return sources(path)
    except (UsageError, OSError):
        return []  # there is nothing yet, or a file has just gone
