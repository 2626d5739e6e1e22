"""Reports that the application has written by a process beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from convtui.engine.errors import UsageError
from convtui.engine.store import Store
from convtui.tui.session.reporting import write_report
from tests.engine.study.conftest import add_run


@pytest.mark.long
def test_it_is_there_at_the_end_or_the_reason_is_told_or_it_is_given_up(tmp_path: Path) -> None:
    path, out = tmp_path / "store.db", tmp_path / "r.html"
    with Store.open(path) as store:
        add_run(store, epochs=[{"test_accuracy": 0.5}])
    assert not write_report(path, "1", out, device="cpu", data_dir=None, is_wanted=lambda: False)
    assert not out.exists()
    assert write_report(path, "1", out, device="cpu", data_dir=None)
    assert "50.00 %" in out.read_text()
    with pytest.raises(UsageError, match=r"^no run"):
        write_report(path, "9", out, device="cpu", data_dir=None)
