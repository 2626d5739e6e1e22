"""The page of published and measured figures: a study that was run again is told anew, the others stay."""

from __future__ import annotations

import re
from pathlib import Path

from convtui.engine.presets import preset
from convtui.engine.store import Store
from docs.reproductions import PAGE, rewritten
from tests.tui.stores import add_run


def test_only_what_a_store_has_runs_of_is_written_again(tmp_path: Path) -> None:
    text = PAGE.read_text("utf-8")
    with Store.open(tmp_path / "store.db") as store:
        assert rewritten(text, store) == text
        add_run(store, "003/bn", spec=preset("cs7015-bn").spec, preset="cs7015-bn", study="003", setting="bn", accuracy=0.8125)
        again = rewritten(text, store)
        assert rewritten(again, store) == again
    before, after = (dict(re.findall(r"^## ([\w-]+): (.*?)(?=^## [\w-]+: |\Z)", each, re.M | re.S)) for each in (text, again))
    assert list(before) == list(after)
    assert [name for name in before if before[name] != after[name]] == ["003"]
    assert "| bn | test_accuracy | 88.20 % | 81.07 % |" in after["003"]
    assert re.search(r"^Run on \d+ \w+ \d{4}\.$", after["003"], re.M)
    assert "### Claims" in after["003"]
