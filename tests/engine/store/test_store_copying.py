"""A whole store copied to either kind of database is equal, and goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from convtui.engine.errors import RunBusy, UsageError
from convtui.engine.store import Store
from convtui.engine.store.copying import COPIED, copy_store
from tests.engine.store.conftest import Hands
from tests.engine.store.test_store_merging import trained


@pytest.fixture
def source(tmp_path: Path, hands: Hands) -> Iterator[Store]:
    """Two runs with all that belongs to runs, the first one gone."""
    (tmp_path / "there").mkdir()
    with Store.open(tmp_path / "there" / "source.db") as opened:
        gone, first, second = (hands.new_run(opened, name) for name in ("gone", "first", "second"))
        trained(opened, hands, first, 0, (3.0, float("nan"), float("inf")))
        trained(opened, hands, first, 2, (1.0,))
        trained(opened, hands, second, 0, (1e-300,))
        opened.delete(gone)
        yield opened


def content(store: Store) -> dict[str, object]:
    """All rows but for the runs' origins, and the bytes of all files."""
    found: dict[str, object] = {}
    with store.database.reading() as session:
        for table in COPIED:
            columns = [column for column in table.c if column.name != "origin"]
            query = table.select().with_only_columns(*columns).order_by(*table.primary_key.columns)
            found[table.name] = [tuple(row) for row in session.execute(query)]
    files = sorted(path for path in store.files.place.rglob("*.safetensors"))
    return found | {"files": [(path.relative_to(store.files.place), path.read_bytes()) for path in files]}


def test_a_copy_is_equal_there_and_back_and_goes_on(store: Store, source: Store, tmp_path: Path, hands: Hands) -> None:
    assert [run.name for run in copy_store(store, source)] == ["first", "second"]
    assert content(store) == content(source)
    with Store.open(tmp_path / "back.db") as back:
        list(copy_store(back, store))
        assert content(back) == content(source)
    trained(store, hands, 2, 3, (0.5,))
    assert list(store.series(2, "batch_loss").values)[-1] == 0.5
    assert hands.new_run(store) == 4


def test_what_has_runs_or_is_in_training_is_not_copied_over(store: Store, source: Store, hands: Hands) -> None:
    run_id = hands.new_run(store)
    with pytest.raises(UsageError, match="has runs: 'convtui runs merge'"):
        list(copy_store(store, source))
    store.dequeue(run_id, "stopped")
    store.delete(run_id)
    source.claim(2)
    with pytest.raises(RunBusy, match=r"run 2 \(first\) is running there"):
        list(copy_store(store, source))
    assert store.count_runs() == 0
