"""Runs as queries give them: which one a person means by an id, a name, the beginning of a name, `last` or `best`."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TypeVar

from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import Session, col, func, select

from convtui.engine.errors import RunNotFound
from convtui.engine.statuses import CLAIMED
from convtui.engine.store.processes import is_alive
from convtui.engine.store.tables import Checkpoint, Message, Run
from convtui.engine.text import is_text

_MOST_NAMED = 5
"""Candidates that a message lists."""
_LONGEST_ID = 18
"""Digits; SQLite's integers have no more."""
_Row = TypeVar("_Row", Run, Checkpoint, Message)


def find(session: Session, reference: str) -> Run:
    """The run that `reference` names. Raises RunNotFound."""
    if reference.isdecimal() and len(reference) <= _LONGEST_ID and (run := session.get(Run, int(reference))) and run.id:
        return run
    newest_first = select(Run).order_by(col(Run.id).desc())
    if reference == "last":
        return _first(session.exec(newest_first.limit(1)).first(), "no runs in this store yet: 'convtui run' makes one")
    if reference == "best":
        ended = newest_first.where(col(Run.status).in_(("finished", "stopped")), col(Run.test_accuracy).between(0, 1))
        best = ended.order_by(None).order_by(col(Run.test_accuracy).desc(), col(Run.id).desc())
        return _first(session.exec(best.limit(1)).first(), "no run has ended with a test accuracy yet: 'convtui runs' lists all")
    if not is_text(reference):
        raise RunNotFound(f"no run is called {reference!r}: some of its bytes are not UTF-8; 'convtui runs' lists all")
    if (named := session.exec(newest_first.where(Run.name == reference).limit(1)).first()) and named.id:
        return named
    return _by_prefix(session, reference)


def _by_prefix(session: Session, reference: str) -> Run:
    newest = select(func.max(Run.id), Run.name).group_by(Run.name).order_by(func.max(Run.id).desc())
    candidates = list(session.exec(newest.where(func.substr(Run.name, 1, len(reference)) == reference))) if reference else []
    if len(candidates) > 1:
        named = ", ".join(f"{run_id} {name}" for run_id, name in candidates[:_MOST_NAMED])
        more = f" and {len(candidates) - _MOST_NAMED} more" if len(candidates) > _MOST_NAMED else ""
        raise RunNotFound(f"{len(candidates)} names begin with {reference!r}: {named}{more}; write more of the name, or the id")
    if not candidates:
        from convtui.engine.spec import nearest

        near = nearest(reference, [str(name) for _, name in session.exec(newest.limit(1000))])
        raise RunNotFound(f"no run {reference!r} in this store{near}: 'convtui runs list' lists them")
    return _first(session.get(Run, candidates[0][0]), f"no run {reference!r} in this store: 'convtui runs list' lists them")


def _first(run: Run | None, otherwise: str) -> Run:
    if run is None or not run.id:
        raise RunNotFound(otherwise)
    return run


def get(session: Session, run_id: int, *, to_change: bool = False) -> Run:
    """The run of this id; with `to_change` others who want to change it wait from here on. Raises RunNotFound."""
    run = session.get(Run, run_id, with_for_update=to_change or None)
    if run is None:
        raise RunNotFound(f"no run {run_id} in this store: 'convtui runs list' lists them")
    return run


def resolve(run: Run) -> Run:
    """`run`, with its status as it really is; the change is not one that would be written."""
    if run.status in CLAIMED and not is_alive(run.host, run.pid, run.process_started, run.heartbeat, time.time()):
        if run.status == "queued":
            set_committed_value(run, "reason", "the process it waited for ended before its turn")
        set_committed_value(run, "status", "crashed")
    return run


def all_rows(rows: Iterable[_Row]) -> list[_Row]:
    """Those rows that have an id, as all have in tables that convtui made."""
    return [row for row in rows if row and row.id]
