"""What `convtui doctor` looks at on this machine, what it says of it, and how it mends it."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from convtui.engine import __version__
from convtui.engine.errors import ConvtuiError, SpecError
from convtui.engine.files import DEFAULT_STORE, dead_scraps
from convtui.engine.store_address import ServerAddress, StoreAddress
from convtui.tui.render.text import counted, percent, size

if TYPE_CHECKING:
    from convtui.engine.store import Store

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
class Mend:
    """How a finding is mended."""

    work: Callable[[], str]
    """Says in a few words what was done. May raise ConvtuiError, OSError."""
    question: str = ""
    """Asked before, without its question mark, where something is deleted, or changed that is the person's own."""
    goes_without_asking: bool = True
    """Whether `--yes` answers the question."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    what: str
    state: Literal["good", "could be better", "broken"]
    detail: str
    advice: str = ""
    mends: tuple[Mend, ...] = ()


def findings(store: StoreAddress, data_dir: Path | None) -> Iterator[Finding]:
    """Everything, the quick ones first."""
    yield from _terminal()
    yield from _completion()
    yield from _settings()
    yield from _file(store) if isinstance(store, Path) else _server(store)
    yield from _data(data_dir)
    yield from _scraps(data_dir)
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


def _completion() -> Iterator[Finding]:
    """Nothing where the shell is not known, or none that can complete."""
    import shellingham

    try:
        shell, _ = shellingham.detect_shell()
    except shellingham.ShellDetectionFailure:
        return
    scripts = {"bash": ".bash_completions/convtui.sh", "zsh": ".zfunc/_convtui", "fish": ".config/fish/completions/convtui.fish"}
    changed = {"bash": "~/.bashrc", "zsh": "~/.zshrc", "fish": "~/.config/fish"}
    if shell not in scripts:
        return
    if (Path.home() / scripts[shell]).exists():
        yield Finding("completion", "good", f"{shell} completes commands, runs and settings")
        return

    def install() -> str:
        from typer.completion import install as install_script  # type: ignore[attr-defined]  # what --install-completion calls

        _, script = install_script(shell, "convtui")
        return f"{script} is written: open a new shell to use it"

    yield Finding(
        "completion",
        "could be better",
        f"{shell} does not complete commands, runs and settings",
        "'convtui --install-completion' adds it",
        (Mend(install, f"add completion to {changed[shell]}"),),
    )


def _settings() -> Iterator[Finding]:
    """The application's, and presets of the person's own; nothing where all are good."""
    from convtui.engine.presets import own_presets, presets
    from convtui.tui.app import settings

    try:
        settings.load()
    except SpecError as error:
        aside = next(path for path in _asides(settings.file()) if not path.exists())

        def put_aside() -> str:
            settings.file().rename(aside)
            return f"{settings.file()} is now {aside.name}: the application starts with its defaults"

        advice = f"correct it, or put it aside: mv {settings.file()} {aside}"
        yield Finding("settings", "broken", str(error), advice, (Mend(put_aside, f"put {settings.file().name} aside"),))
    wrong = [str(found) for found in presets().values() if isinstance(found, SpecError)]
    for each in wrong:
        yield Finding("presets", "could be better", each, f"correct it, or move it out of {own_presets()}")


def _asides(file: Path) -> Iterator[Path]:
    yield from (file.with_name(f"{file.name}.broken{number or ''}") for number in range(10_000))


def _file(path: Path) -> Iterator[Finding]:
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
            "choose a local disk with --store, or a server: --store postgresql://...",
        )
    elif free < 2 * 10**9:
        yield Finding(
            "store",
            "could be better",
            f"{path} on {kind}, {size(free)} free",
            "checkpoints need room: 'convtui runs delete RUN' makes some",
        )
    else:
        yield Finding("store", "good", f"{path} on {kind}, {size(free)} free")
    if path.exists():
        from convtui.engine.store import Store

        try:
            with Store.open(path, create=False) as store:
                yield from _runs(store)
                yield from _folder(store)
        except ConvtuiError as error:
            yield Finding("runs", "broken", str(error))


def _server(address: ServerAddress) -> Iterator[Finding]:
    from convtui.engine.store import Store, backend

    try:
        if not backend.is_there(address):
            yield Finding("store", "could be better", f"{address} answers, and has no store yet", "'convtui run' makes one")
            return
        with Store.open(address, create=False) as store:
            why = store.database.why_read_only
            yield Finding("store", "could be better" if why else "good", f"{address} answers{', for reading' if why else ''}", why)
            if lacks := store.files.lacks():
                yield Finding("files", "broken", lacks)
            elif store.files.url:
                yield Finding("files", "good", f"{store.files.url} answers")
            else:
                place = store.files.place
                kind, free = file_system(place.resolve()), shutil.disk_usage(place).free
                shared = "" if kind.lower() in NETWORK_FILE_SYSTEMS else "; other hosts need the same files there"
                yield Finding("files", "good", f"{place} on {kind}, {size(free)} free{shared}")
            yield from _runs(store)
            yield from _folder(store)
    except ConvtuiError as error:
        yield Finding("store", "broken", str(error))


def _runs(store: Store) -> Iterator[Finding]:
    runs = store.runs()
    crashed = [run for run in runs if run.status == "crashed"]
    resumable = next((run.id for run in crashed if run.is_training), None)
    advice = f"'convtui resume {resumable}{_of(store)}' continues it" if resumable is not None else ""
    if crashed and not advice:
        advice = f"'convtui runs show {crashed[0].id}{_of(store)}' shows it; its program can be started again"
    yield Finding("runs", "could be better" if crashed else "good", f"{counted(len(runs))}, {len(crashed)} crashed", advice)


def _folder(store: Store) -> Iterator[Finding]:
    """What is wrong with the files of runs; nothing where all is good."""
    files = store.files
    if files.has_lost_its_mark():
        folder = files.folder(1).parent

        def mark() -> str:
            files.mark_again()
            return f"{folder} is marked as the store's again"

        lost = f"{folder} lacks the mark that it is this store's (copied without hidden files?): nothing can be trained"
        yield Finding("folder", "broken", lost, f"'convtui doctor --fix{_of(store)}' marks it again", (Mend(mark),))
    if missing := files.missing():
        why = files.lacks() or f"'convtui store check{_of(store)}' lists them: put them back from a backup"
        yield Finding("weights", "could be better", f"{len(missing)} of its files with weights are missing", why)
    if left := files.leftovers():
        what = f"{len(left)} leftovers ({size(sum(each.bytes for each in left))}) in its folder"

        def clear() -> str:
            removed = files.clear_leftovers()
            kept = len(files.leftovers())
            told = f"; {kept} with other files in them are left: move yours away" if kept else ""
            return f"{len(removed)} leftovers deleted{told}"

        advice = f"'convtui store check{_of(store)}' lists them, 'convtui store check --clean{_of(store)}' deletes them"
        yield Finding("leftovers", "could be better", what, advice, (Mend(clear, f"delete {what}"),))


def _of(store: Store) -> str:
    """The option that names it; empty for the usual one."""
    return "" if store.address == DEFAULT_STORE else f" --store {shlex.quote(str(store.address))}"


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
    advice = f"'convtui data get {missing[0]}' downloads it; --data-dir or CONVTUI_DATA says where it is" if missing else ""
    detail = f"ready: {', '.join(there)}" + (f"; not on disk: {', '.join(missing)}" if missing else "")
    mends = tuple(Mend(partial(_get, name, data_dir), f"download {name}", goes_without_asking=False) for name in missing)
    yield Finding("data", "could be better" if missing else "good", detail, advice, mends)


def _get(name: str, data_dir: Path | None) -> str:
    from convtui.engine.data.catalog import get
    from convtui.tui.cli.train import reporter_for

    reporter = reporter_for(0, as_json=False, quiet=False)
    try:
        where = get(name, data_dir, reporter.preparing)
    finally:
        reporter.close()
    return f"{name} is ready: {where}"


def _scraps(data_dir: Path | None) -> Iterator[Finding]:
    """What downloads and decodings that were killed left half-written; nothing where they left nothing."""
    from convtui.engine.data.catalog import lies_at
    from convtui.engine.data.room import folder

    places = (folder(), lies_at("cifar10", data_dir))
    scraps = [scrap for place in places for depth in ("", "*/", "*/*/") for scrap in dead_scraps(place, f"{depth}.*.partial")]
    if not scraps:
        return
    what = f"{counted(len(scraps), 'half-written file')} ({size(sum(_bytes(each) for each in scraps))})"

    def clear() -> str:
        for scrap in scraps:
            scrap.unlink(missing_ok=True)
        return f"{what} deleted"

    advice = f"'convtui doctor --fix' deletes {'it' if len(scraps) == 1 else 'them'}: no process writes there any more"
    yield Finding("cache", "could be better", f"{what} in {scraps[0].parent}", advice, (Mend(clear),))


def _bytes(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


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
    cuda = torch.version.cuda or "(none)"
    told = f"convtui {__version__}, Python {platform.python_version()}, torch {torch.__version__} for CUDA {cuda}"
    yield Finding("versions", "good", told)


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
