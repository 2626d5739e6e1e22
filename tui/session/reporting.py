"""A report written beside the application, by a process of its own: opening a net and its images would hold up the screen."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from convtui.engine.errors import UsageError
from convtui.engine.store_address import StoreAddress, for_child
from convtui.tui.session.program import PROGRAM

GLANCE_SECONDS = 0.1
"""Between two checks that the report is still wanted."""


def write_report(
    store: StoreAddress,
    reference: str,
    out: Path,
    *,
    device: str,
    data_dir: Path | None,
    own_net: Sequence[str] = (),
    is_wanted: Callable[[], bool] = lambda: True,
) -> bool:
    """Run `convtui report` and wait for it; False where it was given up meanwhile. `own_net` are the words that name the code of
    the run's net. Raises UsageError in the command's own words."""
    of_store, environment = for_child(store)
    words = [*PROGRAM, "report", "--out", str(out), *of_store]
    words += ["--device", device] + (["--data-dir", str(data_dir.absolute())] if data_dir is not None else [])
    with subprocess.Popen(
        [*words, *own_net, "--", reference],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        while True:
            try:
                _, said = process.communicate(timeout=GLANCE_SECONDS)
                break
            except subprocess.TimeoutExpired:
                if not is_wanted():
                    process.terminate()
                    return False
    if process.returncode:
        lines = said.decode(errors="replace").strip().splitlines() or [f"convtui report ended with {process.returncode}"]
        raise UsageError(lines[-1].removeprefix("convtui: "))
    return True
