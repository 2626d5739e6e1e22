"""Arms of a benchmark: each run in a fresh child process, in turn, forwards and backwards, medians and paired ratios."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence

Figures = dict[str, float]


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


def report(found: dict[str, list[Figures]], figure: str, unit: str, against: str) -> None:
    """Median and spread of one figure for each arm, and the ratio `against` / arm pair by pair: above 1 is faster."""
    print(f"\n{figure} ({unit}), {len(found[against])} rounds")
    for arm, runs in found.items():
        values = [run[figure] for run in runs]
        text = f"  {arm:<22} {statistics.median(values):9.3f}  [{min(values):.3f} to {max(values):.3f}]"
        if all(values):
            ratios = [base[figure] / run[figure] for base, run in zip(found[against], runs, strict=True)]
            text += f"   {against} / this: {statistics.median(ratios):.3f}  [{min(ratios):.3f} to {max(ratios):.3f}]"
        print(text)


def machine() -> None:
    """What the figures were measured on; says so when the machine is too busy to trust them."""
    import torch

    cores, (load, _, _) = os.cpu_count() or 1, os.getloadavg()
    print(f"{platform.processor() or platform.machine()}, {cores} cores, torch {torch.__version__}, load {load:.2f}")
    if load > 0.5 * cores:
        print("the machine is busy: these figures are void", file=sys.stderr)
