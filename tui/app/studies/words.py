"""A study in words: rows of its table, what there is to say of one, its claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from convtui.engine.statuses import CLAIMED
from convtui.tui.app.widgets.text_table import Head, Row, TextTable
from convtui.tui.render.run_summary import BETWEEN
from convtui.tui.render.status import SYMBOLS
from convtui.tui.render.text import clean, compact

if TYPE_CHECKING:
    from convtui.engine.study.results import Results
    from convtui.engine.study.results import Row as OfSetting
    from convtui.tui.app.studies.reader import Known

LIST_HEADS = (Head("study", least=16, names=True), Head("title", least=20), Head("done", right=True))
LIST_DROPPED = ("title",)
HEADS = (
    Head("setting", least=24, names=True),
    Head("runs"),
    Head("measure", least=14, names=True),
    Head("published", right=True),
    Head("measured", right=True),
    Head("range", right=True),
    Head("difference", right=True),
    Head("note"),
)
DROPPED = ("range", "note", "runs", "difference")
VERDICTS = {"holds": ("✓ holds", 1), "does not hold": ("✗ does not hold", -1), "not decided": ("· not decided", 0)}
DIFFERS = "≠"
_DIM, _BOLD = Style(dim=True), Style(bold=True)


@dataclass(frozen=True, slots=True)
class Place:
    """Which setting and measure a row of the table is about."""

    setting: str
    measure: str


def list_rows(known: Sequence[Known]) -> list[Row]:
    """One row a study, how many of its runs are done, and how many of the others with another budget."""
    rows = []
    for study in known:
        done = "✗" if study.trouble else _done(study)
        style = _DIM if study.done < study.wanted else Style.null()
        rows.append(Row([(clean(study.name), _BOLD), (study.title, _DIM), (done, style)]))
    return rows


def _done(study: Known) -> str:
    """`3/7`, `3/7, 1 scaled`, `1/7 scaled`."""
    if study.scaled and not study.done:
        return f"{study.scaled}/{study.wanted} scaled"
    return f"{study.done}/{study.wanted}" + (f", {study.scaled} scaled" if study.scaled else "")


def table_rows(found: Results, claimed: Mapping[str, Mapping[str, int]], table: TextTable) -> tuple[list[Place], list[Row]]:
    """One row a measure of each setting, whose name stands in front of the first; a sign where its runs are not as it has them."""
    from convtui.engine.study import formatting

    places, rows = [], []
    for name, row in found.rows.items():
        for index, (measure, figure) in enumerate(row.figures.items()):
            places.append(Place(name, measure))
            first = index == 0
            note = f"scaled {compact(row.scale, 2)}" if row.scaled else "differs" if row.differing else ""
            cells = [
                (clean(name) if first else "", _BOLD),
                (_runs(row, claimed.get(name, {})) if first else "", Style.null() if row.runs else _DIM),
                (clean(measure).replace("_", " "), Style.null()),
                (formatting.published(measure, figure.published), Style.null() if figure.published else _DIM),
                (formatting.shown(measure, figure.mean), _BOLD if figure.values else _DIM),
                (formatting.span(measure, figure.values), _DIM),
                (formatting.difference(measure, figure.difference), Style.null() if figure.difference is not None else _DIM),
                (note if first else "", table.verdict(-1)),
            ]
            rows.append(Row(cells, (DIFFERS if note and first else " ", table.verdict(-1))))
    return places, rows


def with_values(heads: Sequence[Head], rows: Sequence[Row]) -> tuple[Sequence[Head], Sequence[Row]]:
    """Without columns in which nothing stands: names get their room."""
    places = [place for place in range(len(heads)) if any(row.cells[place][0] for row in rows)]
    return [heads[place] for place in places], [Row([row.cells[place] for place in places], row.sign) for row in rows]


def _runs(row: OfSetting, claimed: Mapping[str, int]) -> str:
    """`2/3 ● ○2`: how many count of how many, and those that are claimed."""
    waiting = ((SYMBOLS[status], claimed.get(status, 0)) for status in CLAIMED)
    return " ".join(
        [f"{len(row.runs)}/{row.setting.seeds}", *(f"{sign}{count if count > 1 else ''}" for sign, count in waiting if count)]
    )


def title_words(found: Results) -> Text:
    """Its title and its question."""
    study = found.study
    title = Text(clean(f"{study.name}: {study.title}"), style="bold")
    if study.report and not study.name.startswith(study.report):
        title.append(f"{BETWEEN}report {clean(study.report)}", style="not bold dim")
    return Text("\n").join([title, Text(clean(study.question))])


def row_words(found: Results, place: Place, claimed: Mapping[str, Mapping[str, int]], start: str) -> Text:
    """What there is to say of the row at the cursor: what differs, what goes on, where the published figure stands."""
    row = found.rows[place.setting]
    parts = [Text(clean(place.setting), style="bold")]
    if not row.runs and not claimed.get(place.setting):
        parts.append(Text(f"not measured yet: {start} queues its runs"))
    parts += [Text(clean(remark)) for remark in row.remarks]
    parts += [Text(clean(row.setting.source))] if row.setting.source else []
    return Text(BETWEEN).join(parts)


def claim_words(found: Results, table: TextTable) -> RenderableType:
    """The claims with their verdicts and figures, then the study's notes."""
    claims = Table.grid(padding=(0, 1, 0, 0))  # what has no room in one line goes on behind the sign
    for judged in found.claims:
        verdict, better = VERDICTS[judged.verdict]
        style = _BOLD + table.verdict(better) if better else _DIM
        sign, words = verdict.split(" ", 1)
        figures = BETWEEN.join(clean(text) for text in (judged.figures, *judged.remarks) if text)
        claims.add_row(Text(sign, style), Text.assemble((words, style), f"  {clean(judged.claim.says)}"))
        for said in (clean(judged.reason), figures):
            if said:
                claims.add_row("", Text(said, style="dim"))
    notes = [Text(f"{clean(note)}", style="dim") for note in found.study.notes]
    head = "How the report was read" if found.study.report else "Notes"
    return Group(claims, *([Text(f"\n{head}", style="bold dim"), *notes] if notes else []))
