"""`convtui runs compare`: runs beside each other, as the page Compare has them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from convtui.engine.errors import UsageError
from convtui.engine.files import DEFAULT_STORE
from convtui.tui.cli.options import AsJson, RunNames, StorePath, existing_store
from convtui.tui.render.json_lines import line
from convtui.tui.render.text import clean, fitted, fitted_name

if TYPE_CHECKING:
    from convtui.engine.study.comparing import Comparison, Outcome

NAME_WIDTH = 40
VALUE_WIDTH = 60


def compare(
    references: RunNames,
    baseline: Annotated[str | None, typer.Option(metavar="RUN", help="show the others relative to this run")] = None,
    as_json: AsJson = False,
    as_markdown: Annotated[bool, typer.Option("--md", help="as Markdown tables, for a report")] = False,
    store_path: StorePath = DEFAULT_STORE,
) -> None:
    """Compare runs: their results, and the settings that differ."""
    from convtui.engine.study.comparing import Comparing, difference_to
    from convtui.tui.render.comparison import baseline_of, markdown

    if as_json and as_markdown:
        raise UsageError("--json and --md exclude each other: choose one")
    with existing_store(store_path) as store:
        runs = {run.id: run for run in map(store.find, references)}
        pinned = None if baseline is None else store.find(baseline)
        runs |= {} if pinned is None else {pinned.id: pinned}
        comparison = Comparing().compare(store, list(runs.values()))
    to = None if pinned is None else baseline_of(comparison, pinned.id)
    if as_markdown:
        print(markdown(comparison, to), end="")
    elif as_json:
        for place, outcome in enumerate(comparison.outcomes):
            values = asdict(outcome) | {"settings": {path: told[place] for path, told in comparison.settings}}
            print(line(values | ({} if to is None else {"baseline": to.run, "difference": difference_to(to, outcome)})))
    else:
        print("\n".join(_lines(comparison, to)))


def _lines(comparison: Comparison, baseline: Outcome | None) -> list[str]:
    from convtui.tui.cli.tables import aligned, width, wrapped
    from convtui.tui.render.comparison import DROPPED, FLUSH_RIGHT, LEGEND, cells, heads, lacking

    rows = [[fitted_name(cell.text, NAME_WIDTH) for cell in cells(outcome, baseline)] for outcome in comparison.outcomes]
    lines = aligned(heads(baseline), rows, right=FLUSH_RIGHT, drop=DROPPED, columns=width())
    lines += ["", wrapped(f"{'. '.join(LEGEND)}.")]
    if comparison.settings:
        runs = [str(outcome.run) for outcome in comparison.outcomes]
        told = [(fitted_name(clean(path), NAME_WIDTH), values) for path, values in comparison.settings]
        settings = [[path, *(fitted(clean(value), VALUE_WIDTH) for value in values)] for path, values in told]
        lines += ["", *aligned(["differs", *runs], settings, right=(), drop=runs[::-1], columns=width())]
    return [*lines, *(wrapped(clean(remark)) for remark in (*lacking(comparison, baseline), *comparison.remarks))]
