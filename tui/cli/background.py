"""A run that goes on without this terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tui.cli.options import line

if TYPE_CHECKING:
    from engine.store import Store


def start_detached(store: Store, run_id: int, *, device: str, data_dir: Path | None, as_json: bool, quiet: bool) -> None:
    """Start `convtui resume RUN` on a queued run, in a session of its own, its output in the run's folder; say so."""
    folder = store.folder(run_id)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "output.log"
    # -P: what lies in the working directory must not be taken for our own packages.
    program = [sys.executable, "-P", "-m", "tui.cli", "resume", str(run_id), "--queued"]
    command = [*program, "--store", str(store.path.resolve()), "--device", device]
    if data_dir is not None:
        command += ["--data-dir", str(data_dir.resolve())]
    with log.open("ab") as output:
        # Through a shell that leaves at once: the run is then nobody's child, and no zombie when it ends before we do.
        in_background = ["/bin/sh", "-c", '"$@" &', "sh", *command]
        subprocess.run(in_background, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, check=True)
    if as_json:
        print(line({"event": "queued", "run": run_id, "output": str(log)}))
    elif not quiet:
        print(f"run {run_id} trains in the background: convtui runs watch {run_id} · convtui stop {run_id} · output in {log}")
