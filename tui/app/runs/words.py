"""The run under the cursor in words."""

from __future__ import annotations

from rich.text import Text

from convtui.tui.app.runs.rows import RunRow
from convtui.tui.render.run_summary import BETWEEN, Settings
from convtui.tui.render.status import COLOURS
from convtui.tui.render.text import fitted_name


def told(line: RunRow, settings: Settings | None, width: int, doing: str = "") -> Text:
    """Three lines of at most `width`; `settings` are None until they are read. `doing` is what a run in training here is
    at, before its first step."""
    text = Text(fitted_name(f"{line.id} {line.name}", width // 2), style="bold")
    first = Text(f"{BETWEEN}{settings.net}" if settings else "", style="not bold")
    text.append_text(first)
    text.truncate(width, overflow="ellipsis")
    second = ""
    for part in settings.training if settings else ():
        longer = f"{second}{BETWEEN}{part}" if second else part
        if len(longer) > width:
            break
        second = longer
    third = Text()
    if line.reason:
        third.append(f"{line.status}: {line.reason}", style=COLOURS.get(line.status, ""))
    if doing:
        third.append(doing, style=COLOURS["running"])
    if line.note:
        third.append(f"{BETWEEN if third else ''}note: {line.note}")
    third.truncate(width, overflow="ellipsis")
    return Text("\n").join([text, Text(second, style="dim"), third])
