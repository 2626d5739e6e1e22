"""docs/reproductions.md: python -m docs.reproductions STORE writes again the part of each study that has runs in STORE.

What the page says before the first study, and the parts of the others, stay as they are.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from convtui.engine.store import Store
from convtui.engine.study import Study, studies
from convtui.engine.study.markdown import page
from convtui.engine.study.results import Results, results

PAGE = Path(__file__).with_name("reproductions.md")
_HEADING = re.compile(r"^(?=## ([\w-]+): )", re.MULTILINE)
"""Of a study; those of its parts have no name and colon."""


def rewritten(text: str, store: Store) -> str:
    """The page with these studies' parts in place of what was there."""
    head, *pieces = _HEADING.split(text)
    parts = dict(zip(pieces[::2], pieces[1::2], strict=True))
    parts |= dict(_measured(store))
    return "\n".join(f"{part.rstrip()}\n" for part in (head, *(parts[name] for name in sorted(parts))))


def _measured(store: Store) -> Iterator[tuple[str, str]]:
    """The name of each study of a report that has runs, and its part of the page."""
    for study in studies().values():
        found = results(store, study) if isinstance(study, Study) and study.report else None
        if found is not None and any(row.runs for row in found.rows.values()):
            heading, question, rest = page(found).replace("\n## ", "\n### ").split("\n\n", 2)
            yield study.name, f"#{heading}\n\n{question}\n\n{_when(found)}\n\n{rest}"


def _when(found: Results) -> str:
    """From the first day to the last on which a run ended."""
    ends = sorted(run.ended or run.created for row in found.rows.values() for run in row.runs)
    days = [datetime.fromtimestamp(end, UTC) for end in (ends[0], ends[-1])]
    told = list(dict.fromkeys(f"{day.day} {day:%B %Y}" for day in days))
    return f"Run {'on' if len(told) == 1 else 'from'} {' to '.join(told)}."


def main() -> None:
    """Write the page."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with Store.open(Path(sys.argv[1])) as store:
        PAGE.write_text(rewritten(PAGE.read_text("utf-8"), store), "utf-8")


if __name__ == "__main__":
    main()
