"""`convtui doctor`: what works on this machine, and fixes for what does not."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import typer

from convtui.engine.errors import ConvtuiError
from convtui.engine.files import DEFAULT_STORE
from convtui.tui.cli.options import AsJson, DataDir, StorePath
from convtui.tui.render.json_lines import line
from convtui.tui.render.text import clean, percent, size

NETWORK_FILE_SYSTEMS = {
    "nfs",
    "nfs4",
    "cifs",
    "smb",
    "smb3",
    "smbfs",
    "afs",
    "lustre",
    "gpfs",
    "beegfs",
    "glusterfs",
    "fuse.sshfs",
    "9p",
    "ceph",
}
"""On these SQLite's write-ahead log is unsafe: it needs memory shared between all processes that have the store open."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    what: str
    state: Literal["good", "could be better", "broken"]
    detail: str
    advice: str = ""


def doctor(as_json: AsJson = False, store_path: StorePath = DEFAULT_STORE, data_dir: DataDir = None) -> None:
    """Check device, terminal, store and data, and suggest fixes. Exit code 1: something is broken."""
    broken = False
    for finding in findings(store_path, data_dir):
        broken |= finding.state == "broken"
        if as_json:
            print(line(asdict(finding)), flush=True)
        else:
            print(clean(f"{finding.what:<10} {finding.state:<16} {finding.detail}"), flush=True)
            if finding.advice:
                print(clean(f"{'':<27} → {finding.advice}"), flush=True)
    raise typer.Exit(1 if broken else 0)


def findings(store: Path, data_dir: Path | None) -> Iterator[Finding]:
    """Everything, the quick ones first."""
    yield from _terminal()
    yield from _store(store)
    yield from _data(data_dir)
    yield from _devices()


def _terminal() -> Iterator[Finding]:
    if not sys.stdout.isatty():
        yield Finding("terminal", "good", "none: output goes to a pipe or file")
        return
    columns, rows = shutil.get_terminal_size()
    term, colour = os.environ.get("TERM", ""), os.environ.get("COLORTERM", "")
    detail = f"{columns}x{rows}, TERM={term}, COLORTERM={colour or 'not set'}{', in tmux' if 'TMUX' in os.environ else ''}"
    if os.environ.get("NO_COLOR"):
        yield Finding("terminal", "could be better", f"{detail}, NO_COLOR", "pictures need colours: unset NO_COLOR to see them")
    elif colour in ("truecolor", "24bit"):
        yield Finding("terminal", "good", f"{detail}: 16 million colours")
    elif "256color" in term:
        yield Finding(
            "terminal", "could be better", f"{detail}: 256 colours", "export COLORTERM=truecolor if your terminal has more"
        )
    elif "TMUX" in os.environ:
        advice = "put 'set -g default-terminal tmux-256color' into ~/.tmux.conf, then restart tmux"
        yield Finding("terminal", "could be better", f"{detail}: 8 colours, too few for pictures", advice)
    else:
        yield Finding("terminal", "could be better", f"{detail}: few colours", "export TERM=xterm-256color COLORTERM=truecolor")


def _store(path: Path) -> Iterator[Finding]:
    folder = path.resolve().parent
    while not folder.exists():  # it is made with the store
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        yield Finding("store", "broken", f"{path}: {folder} is not writable", "choose another place with --store or CONVTUI_STORE")
        return
    kind, free = file_system(folder), shutil.disk_usage(folder).free
    if kind.lower() in NETWORK_FILE_SYSTEMS:
        yield Finding(
            "store",
            "broken",
            f"{path} is on {kind}, where SQLite's log is unsafe",
            "choose a local disk with --store",
        )
    elif free < 2 * 10**9:
        yield Finding("store", "could be better", f"{path} on {kind}, {size(free)} free", "checkpoints need room: delete old runs")
    else:
        yield Finding("store", "good", f"{path} on {kind}, {size(free)} free")
    if path.exists():
        from convtui.engine.store import Store

        try:
            with Store.open(path, create=False) as store:
                runs, left = store.runs(), store.files.leftovers()
            crashed = [str(run.id) for run in runs if run.status == "crashed"]
            advice = f"convtui resume {crashed[0]} continues from its last checkpoint" if crashed else ""
            yield Finding("runs", "could be better" if crashed else "good", f"{len(runs)} runs, {len(crashed)} crashed", advice)
            if left:
                total = size(sum(each.bytes for each in left))
                what = f"{len(left)} leftovers ({total}) in its folder"
                yield Finding("leftovers", "could be better", what, "convtui store check lists them; with --clean it deletes them")
        except ConvtuiError as error:
            yield Finding("runs", "broken", str(error))


def file_system(folder: Path) -> str:
    """The type of the file system that `folder` is on, as the kernel names it."""
    import psutil

    mounts = {Path(part.mountpoint): part.fstype for part in psutil.disk_partitions(all=True)}
    around = [place for place in (folder, *folder.parents) if place in mounts]
    return mounts[around[0]] if around else "an unknown file system"


def _data(data_dir: Path | None) -> Iterator[Finding]:
    from convtui.engine.data.catalog import descriptions, on_disk

    there = [description.name for description in descriptions() if on_disk(description.name, data_dir)]
    missing = [description.name for description in descriptions() if description.name not in there]
    advice = f"convtui data get {missing[0]} downloads it; --data-dir or CONVTUI_DATA says where it is" if missing else ""
    detail = f"ready: {', '.join(there)}" + (f"; not on disk: {', '.join(missing)}" if missing else "")
    yield Finding("data", "could be better" if missing else "good", detail, advice)


def _devices() -> Iterator[Finding]:
    import torch

    from convtui.engine.device import devices

    found = devices()
    for device in found:
        load = f", {percent(device.load)} busy" if device.load is not None else ""
        yield Finding("device", "good", f"{device.name}: {device.title}, {size(device.free)} of {size(device.memory)} free{load}")
    if len(found) == 1:
        asked = shutil.which("nvidia-smi") is not None
        advice = "nvidia-smi works but torch finds no GPU: compare its CUDA version with the driver's" if asked else ""
        yield Finding("gpu", "could be better", "none: nets train on the CPU", advice)
    yield _bfloat16()
    yield Finding(
        "versions",
        "good",
        f"Python {platform.python_version()}, torch {torch.__version__} for CUDA {torch.version.cuda or '(none)'}",
    )


def _bfloat16() -> Finding:
    """What it gains, measured on the device that `auto` means."""
    from convtui.engine.data.preview import Counts
    from convtui.engine.device import choose
    from convtui.engine.errors import DeviceError
    from convtui.engine.presets import preset
    from convtui.engine.training.trials import bfloat16_gain

    device = choose()
    try:
        *_, gain = bfloat16_gain(preset("lenet5").spec, device, Counts(10, 50_000, 10_000))
    except DeviceError:
        lacks = "has no instructions for it (AVX512_BF16, AMX)" if device.type == "cpu" else "does not support it"
        return Finding("bfloat16", "could be better", f"{device} {lacks}: nets train in float32")
    advice = "--set training.precision=bfloat16" if gain > 1 else ""
    return Finding("bfloat16", "good", f"lenet5 trains {gain:.1f} x as fast as in float32 on {device}", advice)
