"""Run the fault harness.

    python -m tests.soak [--minutes 60] [--seed N] [--fail-fast]     everything, for so long
    python -m tests.soak --only KIND [--seed N] [--trial I]          one kind again, or one trial of it

Faults of the real program and fuzzing run side by side, to use two processors. The exit code is 1 where a promise was
broken. A soak of an hour or more writes docs/promises.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.soak.kinds import LANES
from tests.soak.promises import page
from tests.soak.site import Site
from tests.soak.trial import Fault, Kind, Outcome, tried

HOUR = 3600.0
GRACE_SECONDS = 600.0
"""How long fuzzing may overrun: one case takes seconds at most."""
LONGEST_FAULT = 1_500
"""Characters printed of a fault."""
PAGE = Path(__file__).parents[2] / "docs" / "promises.md"


def main() -> int:
    chosen = _arguments()
    seconds = chosen.seconds or 60 * chosen.minutes
    if not chosen.lane:  # else the process that began this one has said so
        print(f"seed {chosen.seed}, {seconds:.0f} s", flush=True)
    with TemporaryDirectory(prefix="convtui-soak-") as folder:
        site = Site(Path(folder).resolve(), scale=min(1.0, seconds / HOUR))
        if chosen.only:
            outcomes = _only(chosen, site, seconds)
        elif chosen.lane:
            outcomes = _staged(LANES[chosen.lane], site, chosen, seconds)
            chosen.report.write_text(json.dumps([outcome.as_json() for outcome in outcomes]))
        else:
            outcomes = _everything(site, chosen, seconds)
            _write_page(page(outcomes, seed=chosen.seed, seconds=seconds), seconds)
    return int(any(outcome.faults for outcome in outcomes))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seconds", type=float, help="in place of --minutes")
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--fail-fast", action="store_true", help="end at the first fault")
    parser.add_argument(
        "--only", metavar="KIND", choices=[kind.name for kind in _all()], help=", ".join(kind.name for kind in _all())
    )
    parser.add_argument("--trial", type=int, help="with --only: this one, its example made smaller")
    parser.add_argument("--lane", choices=list(LANES), help=argparse.SUPPRESS)
    parser.add_argument("--report", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _all() -> list[Kind]:
    return [kind for kinds in LANES.values() for kind in kinds]


def _only(chosen: argparse.Namespace, site: Site, seconds: float) -> list[Outcome]:
    (kind,) = (kind for kind in _all() if kind.name == chosen.only)
    first, most = (0, None) if chosen.trial is None else (chosen.trial, 1)
    outcome = tried(kind, site, chosen.seed, seconds, first=first, most=most, fail_fast=chosen.fail_fast)
    _tell(outcome)
    return [outcome]


def _everything(site: Site, chosen: argparse.Namespace, seconds: float) -> list[Outcome]:
    """Both lanes: fuzzing in a process of its own, the real program's faults from here."""
    report = site.folder / "fuzz.json"
    command = [sys.executable, "-m", "tests.soak", "--lane", "fuzz", "--report", str(report)]
    command += ["--seed", str(chosen.seed), "--seconds", str(seconds), *(["--fail-fast"] if chosen.fail_fast else [])]
    with _beside(command) as fuzzing:
        outcomes = _staged(LANES["program"], site, chosen, seconds)
        if not (chosen.fail_fast and any(outcome.faults for outcome in outcomes)):
            outcomes += _fuzzed(fuzzing, report, " ".join(command[1:]))
    return outcomes


@contextmanager
def _beside(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _fuzzed(process: subprocess.Popen[bytes], report: Path, command: str) -> list[Outcome]:
    """What the fuzzing process found. That it died or hangs is a fault too."""
    try:
        code = process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        code = None
    if report.exists():
        return [Outcome.of_json(values) for values in json.loads(report.read_text())]
    died = "it hangs" if code is None else f"it ended with {code}"
    return [Outcome("fuzz", faults=[Fault("fuzz", f"the fuzzing process did not finish: {died}", f"python {command}")])]


def _staged(kinds: Sequence[Kind], site: Site, chosen: argparse.Namespace, seconds: float) -> list[Outcome]:
    """Each kind for its share of the time."""
    outcomes: list[Outcome] = []
    for kind in kinds:
        outcomes.append(tried(kind, site, chosen.seed, kind.share * seconds, fail_fast=chosen.fail_fast))
        _tell(outcomes[-1])
        if chosen.fail_fast and outcomes[-1].faults:
            break
    return outcomes


def _tell(outcome: Outcome) -> None:
    figures = ", ".join(f"{name} {number:,}" for name, number in outcome.figures.items() if number)
    told = f"not tested: {outcome.skipped}" if outcome.skipped else figures
    print(f"{time.strftime('%H:%M:%S')} {outcome.kind}, {outcome.seconds:.0f} s: {told}; {len(outcome.faults)} faults", flush=True)
    said: set[str] = set()
    for fault in outcome.faults:
        first = fault.what.strip().splitlines()[0][:80]
        if first not in said:
            said.add(first)
            print(f"  BROKEN: {fault.what[:LONGEST_FAULT].strip()}\n  again with: {fault.reproduce}", flush=True)


def _write_page(text: str, seconds: float) -> None:
    if seconds < HOUR:
        print(f"\n{text}\n{PAGE.name} is left as it was: only a soak of an hour or more is worth writing down")
        return
    PAGE.write_text(text, encoding="utf-8")
    print(f"\nwritten to {PAGE}")


if __name__ == "__main__":
    sys.exit(main())
