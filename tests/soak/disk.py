"""A full disk."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from convtui.engine.store.recorder import END_SECONDS
from tests.soak.program import LONGEST_SECONDS, Program
from tests.soak.rows import committed, lost
from tests.soak.states import check_at_rest, check_finished, check_rows, check_told, scraps
from tests.soak.trial import Skipped, Trial

SIZE = "6m"


def full_disk(trial: Trial) -> None:
    """The disk fills up during a training and is freed later: what was committed is there, and a resume finishes correctly."""
    if os.name != "posix" or os.geteuid():
        raise Skipped("a small disk can be mounted by root only")
    with _small_disk(trial.folder / "disk") as place:
        program = Program(place)
        with program.started(*trial.site.training) as process:
            process.until(lambda: process.printed('"epoch"'))
            time.sleep(trial.draw.uniform(0, 1.5))
            known = committed(program.store)
            _fill(place / "ballast")
            if trial.draw.random() < 0.5:
                time.sleep(trial.draw.uniform(0, 1))
                (place / "ballast").unlink()
            ended = process.ended(END_SECONDS + LONGEST_SECONDS)  # it waits so long for room
        (place / "ballast").unlink(missing_ok=True)
        trial.count("disks filled")
        trial.check(ended.code in (0, 1) and "Traceback" not in ended.err, f"a full disk is not told in one line: {ended}")
        rows = committed(program.store)
        gone = lost(known, rows)
        trial.count("rows lost", gone)
        trial.check(not gone, f"{gone} rows that were committed are gone")
        check_told(trial, ended, program.store)
        check_rows(trial, rows[1], trial.site.reference.rows)
        check_at_rest(trial, program.store)
        if ended.code:
            again = program.run("resume", "1", "--json")
            trial.check(again.code == 0, f"with room again the run cannot be resumed: {again}")
        check_finished(trial, program)
        trial.check(not scraps(place), f"left behind: {scraps(place)}")


@contextmanager
def _small_disk(place: Path) -> Iterator[Path]:
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)], capture_output=True, check=False)
    if mounted.returncode:
        raise Skipped(f"a small disk could not be mounted: {mounted.stderr.decode(errors='replace').strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _fill(ballast: Path) -> None:
    """Write until not one more byte fits."""
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 10, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
