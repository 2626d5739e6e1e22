"""How values are written for people, in one place."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping

from rich.cells import cell_len

from convtui.engine.text import STEERING, clock

NOTHING = "—"
"""In place of what is not known."""


def clean(text: object) -> str:
    """`text` in one line, what could steer a terminal shown as an escape (`\\x1b`): names may hold anything."""
    return STEERING.sub(_visible, str(text))


def _visible(found: re.Match[str]) -> str:
    letter = found[0]
    if letter in "\n\r\t":
        return " "
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file's name that is not UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def told(error: object) -> str:
    """An error's text in one line of at most 800 letters: of a longer one its beginning and its end, where the advice is."""
    text = clean(error)
    return text if len(text) <= 800 else f"{text[:500]} … {text[-290:]}"


def fitted(text: str, width: int) -> str:
    """`text` in at most `width` cells, its end left out."""
    if (len(text) if text.isascii() else cell_len(text)) <= width:
        return text
    while text and cell_len(text) > width - 1:
        text = text[:-1]
    return f"{text}…"


def fitted_end(text: str, width: int) -> str:
    """`text` in at most `width` characters, its beginning left out."""
    return text if len(text) <= width else f"…{text[1 - width :]}"


def fitted_name(text: str, width: int) -> str:
    """`text` in at most `width` cells, most of its end kept: runs of one study begin alike, and end in what tells them apart."""
    if (len(text) if text.isascii() else cell_len(text)) <= width:
        return text
    start = end = text
    while start and cell_len(start) > (width - 1) // 3:
        start = start[:-1]
    while end and cell_len(end) > width - 1 - cell_len(start):
        end = end[1:]
    return f"{start}…{end}"


def file_stem(run: int, name: str) -> str:
    """How files about a run begin, in letters of every file system: `run-3-003-bn` of run 3, 003/bn."""
    letters = re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII).strip("-.") or "run"
    return f"run-{run}-{letters[:60]}"


def percent(fraction: float | None) -> str:
    """0.639 -> `63.9 %`; nothing and not-a-number are a dash."""
    return NOTHING if fraction is None or math.isnan(fraction) else f"{100 * fraction:.1f} %"


def number(value: float | None) -> str:
    """A measured number with three digits that tell something: 1.003, 0.914, 0.0184, 1.84e-5, 2.06e+37; nothing is a dash."""
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return str(value)
    return f"{value:.3f}" if value == 0 or 0.1 <= abs(value) < 1e5 else _short(f"{value:#.3g}")


def compact(value: float, digits: int = 4) -> str:
    """A number in as few letters as `digits` significant digits need, as for learning rates and axes: 0.001, 3e-5, 12."""
    return _short(f"{value:.{digits}g}")


def _short(text: str) -> str:
    return re.sub(r"e([+-])0+(?=\d)", r"e\1", text)


def setting_text(value: object) -> str:
    """A hyperparameter's value in a column; a dash for one that a run does not have."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "true" if value else "false"
    return compact(value) if isinstance(value, float) else fitted(clean(value), 20) or "none"


def how_far(epoch: int, step: int, total_steps: int, steps_per_epoch: int) -> str:
    """`3/10` epochs; of a budget that ends within an epoch the steps, `step 12/20`; without one `step 12`; a dash before step 1."""
    if not (total_steps and steps_per_epoch):
        return f"step {step:,}" if step else NOTHING
    whole = whole_epochs(total_steps, steps_per_epoch)
    return f"step {step:,}/{total_steps:,}" if whole is None else f"{epoch}/{whole}"


def whole_epochs(total_steps: int, steps_per_epoch: int) -> int | None:
    """How many epochs a budget is; None of one that ends within an epoch."""
    whole, rest = divmod(total_steps, steps_per_epoch)
    return None if rest else whole


def epoch_scores(epoch: int, total: int, values: Mapping[str, float | None]) -> str:
    """An epoch's losses and accuracies, those that there are, in columns that stand under each other."""
    text = f"epoch {epoch:>{len(str(total))}}/{total}"
    for name in ("train", "validation", "test"):
        if values.get(f"{name}_loss") is not None:
            text += f"   {name} loss {number(values[f'{name}_loss']):>6} acc {percent(values[f'{name}_accuracy']):>7}"
    return text


def duration(seconds: float | None) -> str:
    """75 -> `1:15`, 3700 -> `1:01:40`."""
    return NOTHING if seconds is None or not math.isfinite(seconds) else clock(seconds)


def size(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def when(seconds: float | None) -> str:
    """A moment (epoch seconds) as short as it can be told: `14:05`, `Tue 14:05`, `2026-03-01`."""
    if seconds is None:
        return NOTHING
    age = time.time() - seconds
    form = "%H:%M" if age < 12 * 3600 else "%a %H:%M" if age < 6 * 86400 else "%Y-%m-%d"
    return time.strftime(form, time.localtime(seconds))


def counted(count: int, what: str = "run") -> str:
    """`1 run`, `1,000 runs`; `what` is one of them."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def sparkline(values: list[float], width: int = 12) -> str:
    """The course of a series in block characters, low to high; not-a-number is a cross. Never a full block: those of neighbouring
    rows would fuse."""
    if len(values) > width:
        values = [values[round(index * (len(values) - 1) / (width - 1))] for index in range(width)]
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return "✗" * len(values)
    low, span = min(finite), max(finite) - min(finite)
    blocks = "▁▂▃▄▅▆▇"
    return "".join(blocks[round((value - low) / span * 6) if span else 0] if math.isfinite(value) else "✗" for value in values)
