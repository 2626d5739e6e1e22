"""Results of a study as a page of Markdown, for a write-up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from convtui.engine.study import formatting
from convtui.engine.study.results import Results


def page(found: Results) -> str:
    """Title, question, the table of published, measured and difference, what differs, and the claims."""
    study = found.study
    report = f" (report {study.report})" if study.report else ""
    parts = [f"# {_line(f'{study.name}: {study.title}{report}')}", _line(study.question)]
    parts.append("\n".join(_table(found)))
    if found.remarks:
        parts.append("\n".join(f"- {', '.join(names)}: {_plain('; '.join(said))}" for names, said in found.remarks))
    if found.claims:
        parts.append("## Claims")
        parts.append("\n".join(_claims(found)))
    if study.notes:
        parts.append(f"## {'How the report was read' if study.report else 'Notes'}")
        parts.append("\n".join(f"- {_line(note)}" for note in study.notes))
    return "\n\n".join(parts) + "\n"


def _table(found: Results) -> Iterator[str]:
    yield _row(("setting", "measure", "published", "measured", "difference", "runs", "source"))
    yield "|---|---|--:|--:|--:|--:|---|"
    for row in found.rows.values():
        for index, (measure, figure) in enumerate(row.figures.items()):
            of_setting = ("", "", "")
            if index == 0:
                marked = " \\*" if row.scaled else ""
                of_setting = (f"{row.setting.name}{marked}", f"{len(row.runs)} of {row.setting.seeds}", row.setting.source)
            name, runs, source = of_setting
            yield _row(
                (
                    name,
                    measure,
                    formatting.published(measure, figure.published),
                    formatting.spread(measure, figure.values),
                    formatting.difference(measure, figure.difference),
                    runs,
                    source,
                )
            )


def _claims(found: Results) -> Iterator[str]:
    yield _row(("claim", "verdict", "reason", "figures", "source"))
    yield "|---|---|---|---|---|"
    for judged in found.claims:
        figures = "; ".join(text for text in (judged.figures, *judged.remarks) if text)
        yield _row((judged.claim.says, f"**{judged.verdict}**", judged.reason, figures, judged.claim.source))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_plain, cells))} |"


def _plain(text: str) -> str:
    """In one line, and no end of a cell."""
    return _line(text).replace("|", "\\|")


def _line(text: str) -> str:
    return " ".join(text.split())
