"""Where a run stands, in one line as wide as there is room."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.text import Text

from convtui.engine.statuses import LIVE
from convtui.tui.render.metric_text import score_text
from convtui.tui.render.status import COLOURS, SYMBOLS
from convtui.tui.render.text import NOTHING, clean, compact, duration, percent, when, whole_epochs

if TYPE_CHECKING:
    from convtui.engine.store import Run

BAR_COLOUR = "#56B4E9"
LEAST_BAR, MOST_BAR = 8, 48


def standing(run: Run, width: int) -> Text:
    """`214 lenet5  ● running  epoch 7/10  step 2,511/3,910  ━━━━╸───  64 %  31,400 images/s  0:28 left`.

    What matters least goes first where there is no room.
    """
    status = Text(f"{SYMBOLS.get(run.status, '●')} {run.status}", style=f"bold {COLOURS.get(run.status, '')}")
    # (place in the line, how much it matters: less is more, the text)
    parts = [(0, 0, Text(f"{run.id} {clean(run.name)}", style="bold")), (1, 0, status)]
    parts += _place(run)
    live = run.status in LIVE
    if live:
        parts += _under_way(run)
    elif run.seconds:
        parts += _outcome(run)
    if run.images_per_second:
        parts.append((7 if not live else 6, 4, Text(f"{run.images_per_second:,.0f} images/s", style="dim")))
    kept: list[tuple[int, Text]] = []
    room = width
    for place, _, text in sorted(parts, key=lambda part: part[1]):
        needed = text.cell_len + (3 if kept else 0)
        if needed <= room or not kept:
            kept.append((place, text))
            room -= needed
    if live and run.total_steps and room - 3 >= LEAST_BAR:
        kept.append((4, progress_bar(run.step / run.total_steps, min(MOST_BAR, room - 3))))
    line = Text("   ", no_wrap=True, overflow="ellipsis").join(text for _, text in sorted(kept, key=lambda part: part[0]))
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _under_way(run: Run) -> list[tuple[int, int, Text]]:
    parts = [(9, 5, Text(f"learning rate {compact(run.learning_rate)}", style="dim"))] if run.learning_rate else []
    if run.total_steps:
        parts.append((5, 2, Text(f"{100 * run.step // run.total_steps} %")))
        if run.status == "running":
            parts.append((7, 3, Text(f"{duration(seconds_left(run))} left")))
    return parts


def _outcome(run: Run) -> list[tuple[int, int, Text]]:
    score = score_text(run.test_accuracy, run.validation_accuracy, "share")
    parts = [(8, 4, Text(f"took {duration(run.seconds)}", style="dim"))]
    if run.is_training or score != NOTHING:
        parts.append((5, 2, Text(score if score.startswith("val") else f"test {score}", style="bold")))
    if run.best_epoch:
        parts.append((6, 3, Text(f"best {percent(run.best_accuracy)} in epoch {run.best_epoch}")))
    return parts


def _place(run: Run) -> list[tuple[int, int, Text]]:
    """Its epoch, where the budget is of whole ones, and its step; nothing before that is known."""
    if not (run.total_steps and run.steps_per_epoch):
        return [(3, 5, Text(f"step {run.step:,}", style="dim"))] if run.step else []
    step = (3, 5, Text(f"step {run.step:,}/{run.total_steps:,}", style="dim"))
    whole = whole_epochs(run.total_steps, run.steps_per_epoch)
    return [step] if whole is None else [(2, 1, Text(f"epoch {run.epoch}/{whole}")), step]


def seconds_left(run: Run) -> float | None:
    """By the pace so far, evaluation included; None before the first step."""
    return run.seconds / run.step * (run.total_steps - run.step) if run.step else None


def progress_bar(share: float, width: int) -> Text:
    """`━━━━╸───`."""
    halves = round(2 * width * min(1.0, max(0.0, share)))
    full = "━" * (halves // 2) + "╸" * (halves % 2)
    return Text.assemble((full, BAR_COLOUR), ("─" * (width - len(full)), "dim"))


def clock(seconds: float) -> str:
    """A moment as the messages of a run tell it: the time of day, with its day where that was not today."""
    if time.time() - seconds > 12 * 3600:
        return when(seconds)
    return time.strftime("%H:%M:%S", time.localtime(seconds))
