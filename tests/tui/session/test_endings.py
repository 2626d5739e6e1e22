"""Which runs are told to be over."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from convtui.engine.store import Store
from convtui.tui.session.endings import Endings
from tests.tui.session.test_session import LONG


def test_a_run_is_told_once_when_it_is_over_also_where_its_process_vanished(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.db") as store:
        old, stopped, crashed = (store.create_run(name=name, preset="", spec=LONG, dataset="digits").id for name in "abc")
        store.dequeue(old, "stopped")
        endings = Endings(lambda: store)
        assert endings.look() == []
        assert endings.are_awaited
        store.dequeue(stopped, "stopped")
        assert [(run.id, run.status) for run in endings.look()] == [(stopped, "stopped")]
        process = subprocess.Popen([sys.executable, "-c", ""])
        store.hand_over([crashed], process.pid)
        process.wait()
        assert [(run.id, run.status) for run in endings.look()] == [(crashed, "crashed")]
        assert endings.look() == []
        assert not endings.are_awaited
