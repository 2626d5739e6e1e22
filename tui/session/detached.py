"""Runs that go on without this terminal."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from convtui.engine.named_code import is_named
from convtui.engine.store_address import for_child
from convtui.tui.render.json_lines import line
from convtui.tui.session.program import PROGRAM

if TYPE_CHECKING:
    from convtui.engine.store import Store


_ONE_AFTER_ANOTHER = """runs=$1 folder=$2; shift 2
(for run in $runs; do mkdir -p "$folder/$run" && "$@" "$run" >>"$folder/$run/output.log" 2>&1; done) >/dev/null & echo $!"""


def start_detached(
    store: Store,
    run_ids: Sequence[int],
    *,
    device: str,
    data_dir: Path | None,
    as_json: bool = False,
    quiet: bool = False,
    notify: bool = False,
) -> None:
    """Start `convtui resume RUN` on queued runs, one after another, in a session of their own, each one's output in its folder.

    With `notify`, each tells of its end.
    """
    store.files.make_folder()  # with its mark: the shell below makes plain folders
    folder = store.files.folder(run_ids[0]).parent
    words, environment = for_child(store.address)
    command = [*PROGRAM, "resume", "--queued", *words, "--device", device]
    for module in dict.fromkeys(store.run(run_id).settings.model.module for run_id in run_ids):
        command += ["--named", module] if module and is_named(module) else []
    if notify:
        command.append("--notify")
    if data_dir is not None:
        command += ["--data-dir", str(data_dir.resolve())]
    # Through a shell that leaves at once: the runs are then no children of ours, and no zombies when they end before we do.
    in_background = ["/bin/sh", "-c", _ONE_AFTER_ANOTHER, "sh", " ".join(map(str, run_ids)), str(folder.resolve()), *command]
    started = subprocess.run(
        in_background,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=environment,
        check=True,
    )
    store.hand_over(run_ids, int(started.stdout))
    for run_id in run_ids:
        log = store.files.folder(run_id) / "output.log"
        if as_json:
            print(line({"event": "queued", "run": run_id, "output": str(log)}))
        elif not quiet:
            print(f"run {run_id} trains in the background: convtui runs watch {run_id} · convtui stop {run_id} · output in {log}")
