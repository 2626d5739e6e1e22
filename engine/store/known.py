"""What filters and columns ask of many runs besides their rows: their settings by path, and the last values of their series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from convtui.engine.store.raw import chosen_by, rows
from convtui.engine.store.sound import parsed
from convtui.engine.store.store import Store
from convtui.engine.store.tables import TRAINING


def read_settings(store: Store, run_ids: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    """Run -> path -> value: of runs that convtui trained all hyperparameters, of others what scripts said. Raises StoreError."""
    found: dict[int, Mapping[str, Any]] = {}
    with store.database.reading() as session:
        for chosen, given in chosen_by("id", run_ids):
            query = f"SELECT id, spec, kind FROM run WHERE {chosen}"  # noqa: S608
            for run_id, spec, kind in rows(session.connection(), query, given):
                found[run_id] = _by_path(parsed(spec), defaults=kind == TRAINING)
    return found


def _by_path(values: Any, *, defaults: bool) -> Mapping[str, Any]:
    """Without what a stranger's store has in place of settings."""
    from convtui.engine.spec import flat

    try:
        return flat(values if isinstance(values, dict) else {}, defaults=defaults)
    except RecursionError:
        return {}


def read_measures(store: Store, run_ids: Sequence[int], names: Iterable[str]) -> dict[str, dict[int, Sequence[float]]]:
    """Name -> run -> last values of the series of that name; where there is none of just that name, of all `name/...`. Raises
    StoreError."""
    wanted = list(names)
    found: dict[str, dict[int, Sequence[float]]] = {}
    recorded = store.metric_names(*run_ids) if wanted else []
    for name in wanted:
        several = [name] if name in recorded else [each for each in recorded if each.partition("/")[0] == name]
        values: dict[int, list[float]] = {}
        for each in several or [name]:
            for run_id, value in store.last_values(run_ids, each).items():
                values.setdefault(run_id, []).append(value)
        found[name] = {run_id: tuple(of_run) for run_id, of_run in values.items()}
    return found
