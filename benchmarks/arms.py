"""Arms of a benchmark: each run in a fresh child process, in turn, forwards and backwards, medians and paired ratios."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

Figures = dict[str, float]
Timed = Generator[None, None, None]
"""Does what is timed once for each time that it is asked."""
ArmT = TypeVar("ArmT")


def measure(module: str, arms: Mapping[str, Mapping[str, str]], rounds: int, extra: Sequence[str] = ()) -> dict[str, list[Figures]]:
    """Run `python -m MODULE --arm ARM` for each arm, in the order ABC CBA, `rounds` times in all; each prints its figures
    as JSON on its last line. `arms` has each one's environment beside what all have."""
    found: dict[str, list[Figures]] = {arm: [] for arm in arms}
    for index in range(rounds):
        for arm in arms if index % 2 == 0 else reversed(list(arms)):
            command = [sys.executable, "-m", module, "--arm", arm, *extra]
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | arms[arm])
            if done.returncode:
                raise SystemExit(f"{arm}: {done.stderr.strip()}")
            found[arm].append(json.loads(done.stdout.splitlines()[-1]))
            print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    return found


@dataclass(frozen=True, slots=True)
class Row:
    """One arm's figure: median and spread, and its paired ratios to another arm's: above 1 is faster."""

    arm: str
    median: float
    least: float
    most: float
    ratio: float | None
    """Geometric mean; None where a figure is 0."""
    low: float | None
    high: float | None
    """Ends of its 95 % interval; None of a single pair."""


def rows(found: Mapping[str, Sequence[Figures]], figure: str, against: str, *, rate: bool = False) -> list[Row]:
    """A row for each arm; `rate` where more of the figure is faster."""
    made = []
    for arm, runs in found.items():
        values = [run[figure] for run in runs]
        ratio, low, high = None, None, None
        if all(values):
            pairs = [(base[figure], run[figure]) for base, run in zip(found[against], runs, strict=False)]
            ratio, low, high = interval([own / base if rate else base / own for base, own in pairs])
        made.append(Row(arm, statistics.median(values), min(values), max(values), ratio, low, high))
    return made


T_975 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13)
"""Student's t for 95 % and 1, 2, ... degrees of freedom."""


def interval(ratios: Sequence[float]) -> tuple[float, float | None, float | None]:
    """Geometric mean of paired ratios and its 95 % interval, by Student's t of their logarithms."""
    logs = [math.log(ratio) for ratio in ratios]
    mean = statistics.fmean(logs)
    if len(logs) < 2:
        return math.exp(mean), None, None
    half = T_975[min(len(logs) - 1, len(T_975)) - 1] * statistics.stdev(logs) / math.sqrt(len(logs))
    return math.exp(mean), math.exp(mean - half), math.exp(mean + half)


def timed(arms: Mapping[ArmT, Timed], rounds: int, of: int) -> dict[ArmT, list[float]]:
    """CPU seconds of each, in turns in this process, after one to warm up; what is timed at once is `of` of them."""
    found: dict[ArmT, list[float]] = {name: [] for name in arms}
    for arm in arms.values():
        next(arm)
    for index in range(rounds):
        for name in arms if index % 2 == 0 else reversed(list(arms)):
            began = time.process_time()
            next(arms[name])
            found[name].append((time.process_time() - began) / of)
    for arm in arms.values():
        arm.close()
    return found


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """p of seconds ~ size^p, by least squares of the logarithms."""
    x, y = [math.log(size) for size in sizes], [math.log(max(taken, 1e-6)) for taken in seconds]
    return statistics.linear_regression(x, y).slope


def markdown(made: Sequence[Row], figure: str, against: str) -> str:
    """A table of rows."""
    head = [f"| arm | {figure} | beside {against} |", "|---|---|---|"]
    spreads = [f"{_number(row.median)} [{_number(row.least)} to {_number(row.most)}]" for row in made]
    return "\n".join([*head, *(f"| {row.arm} | {spread} | {_ratio(row)} |" for row, spread in zip(made, spreads, strict=True))])


def _ratio(row: Row) -> str:
    if row.ratio is None:
        return ""
    return f"{row.ratio:.2f}" if row.low is None or row.high is None else f"{row.ratio:.2f} [{row.low:.2f} to {row.high:.2f}]"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def report(found: dict[str, list[Figures]], figure: str, unit: str, against: str) -> None:
    """Median and spread of one figure for each arm, and the ratio `against` / arm pair by pair: above 1 is faster."""
    print(f"\n{figure} ({unit}), {len(found[against])} rounds")
    for row in rows(found, figure, against):
        text = f"  {row.arm:<22} {row.median:9.3f}  [{row.least:.3f} to {row.most:.3f}]"
        print(f"{text}   {against} / this: {_ratio(row)}" if row.ratio is not None else text)


def machine() -> str:
    """What the figures are measured on, printed; says so when the machine is too busy to trust them: by what it does now, as a load
    average has what was measured just before in it."""
    import psutil
    import torch

    from convtui.engine.device import processor

    cores, busy = os.cpu_count() or 1, psutil.cpu_percent(interval=2.0)
    told = f"{processor()}, {cores} cores, torch {torch.__version__}, {busy:.0f} % busy before"
    print(told)
    if busy > 25:
        print("the machine is busy: these figures are void", file=sys.stderr)
        told += " (busy: void)"
    return told


def put(document: Path, name: str, text: str) -> None:
    """Put `text` between the document's lines `<!-- NAME -->` and `<!-- end of NAME -->`, in place of what is there."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, found, rest = document.read_text().partition(begin)
    _, ends, after = rest.partition(end)
    if not (found and ends):
        raise SystemExit(f"{document} has no lines {begin.strip()} and {end.strip()}")
    document.write_text(f"{before}{begin}{text}\n{end}{after}")


def keep(folder: Path, part: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """Put figures into the `part` of FOLDER/benchmarks.json, in place of those of the same names; all that the part has now."""
    file = folder / "benchmarks.json"
    figures = json.loads(file.read_text()) if file.exists() else {}
    figures[part] = {**figures.get(part, {}), **found}
    file.write_text(json.dumps(figures, indent=1) + "\n")
    return dict(figures[part])
