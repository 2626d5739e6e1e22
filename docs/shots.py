"""Pictures of the application in real terminals, to be looked at: python -m docs.shots STORE FOLDER [KIND]...

xterm under Xvfb, with sixels or without, with true colour, 256 and 16 colours, with tmux in it and without, in three sizes, dark
and light. What TERM=dumb gets is kept as text. Written are FOLDER/KIND-PAGE.png.
Needs Debian's xvfb xterm xdotool imagemagick tmux fonts-dejavu-core.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

NEEDS = ("Xvfb", "xterm", "xdotool", "import", "tmux")
CONVTUI = Path(sys.executable).with_name("convtui")
QUIET_SECONDS, BUSY_SHARE = 2.0, 0.04
"""A page is taken to be there once it has not changed for that long, in which the program took less than this of a processor."""
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Kind:
    """A terminal and what its person wants."""

    size: tuple[int, int] = (120, 36)
    theme: str = "convtui-dark"
    term: str = "xterm-256color"
    colour: str = "truecolor"
    """COLORTERM of the program; empty: none, as over ssh."""
    sixel: bool = False
    tmux: str = ""
    """tmux's default-terminal; empty: without tmux."""


PLAIN = Kind()
KINDS: dict[str, Kind] = {
    "true-120x36": PLAIN,
    "true-80x24": replace(PLAIN, size=(80, 24)),
    "true-250x70": replace(PLAIN, size=(250, 70)),
    "light-120x36": replace(PLAIN, theme="convtui-light"),
    "light-80x24": replace(PLAIN, theme="convtui-light", size=(80, 24)),
    "light-250x70": replace(PLAIN, theme="convtui-light", size=(250, 70)),
    "sixel-120x36": replace(PLAIN, sixel=True),
    "sixel-250x70": replace(PLAIN, sixel=True, size=(250, 70)),
    "256-120x36": replace(PLAIN, colour=""),
    "256-light-120x36": replace(PLAIN, colour="", theme="convtui-light"),
    "16-120x36": replace(PLAIN, colour="", term="xterm"),
    "16-light-120x36": replace(PLAIN, colour="", term="xterm", theme="convtui-light"),
    "tmux-120x36": replace(PLAIN, colour="", tmux="screen"),
    "tmux-true-120x36": replace(PLAIN, tmux="tmux-256color"),
}
PAGES = {"runs": "1", "new": "2", "live": "3", "look": "4", "compare": "5", "studies": "6"}


def main(store: Path, folder: Path, kinds: Sequence[str]) -> None:
    missing = [name for name in NEEDS if shutil.which(name) is None]
    if missing:
        raise SystemExit(
            f"docs/shots.py: no {', '.join(missing)}: apt-get install xvfb xterm xdotool imagemagick tmux fonts-dejavu-core"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name in kinds or (*KINDS, "dumb"):
        if name == "dumb":
            (folder / "dumb.txt").write_text(on_a_dumb_terminal(store))
        else:
            take(KINDS[name], name, store, folder)
        print(name, flush=True)


def on_a_dumb_terminal(store: Path) -> str:
    """What is said there in place of pages, and what works there."""
    told = []
    for arguments in ([], ["runs", "list"], ["look", "filters", "last"]):
        command = [str(CONVTUI), *arguments, "--store", str(store)]
        script = ["script", "-qec", shlex.join(command), "/dev/null"]
        done = subprocess.run(script, env=os.environ | {"TERM": "dumb"}, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        told.append(f"$ {shlex.join(['convtui', *arguments])}\n{done.stdout}[exit code {done.returncode}]\n")
    return "\n".join(told)


def take(kind: Kind, name: str, store: Path, folder: Path) -> None:
    """Every page once, in one terminal."""
    application = [str(CONVTUI), "--store", str(store), "--device", "cpu"]
    with (
        tempfile.TemporaryDirectory() as settings,
        screen() as display,
        terminal(kind, application, Path(settings), display) as window,
    ):
        program = program_of(Path(settings))
        settle(window, display, program)
        for page, key in PAGES.items():
            press(window, display, key)
            if page == "runs":
                press(window, display, "space", "j", "space")  # for Compare
            settle(window, display, program)
            if page == "studies":
                press(window, display, "Return")
                settle(window, display, program)
            picture(window, display, folder / f"{name}-{page}.png")
            if page == "look":
                press(window, display, "v", *"deconvnet", "Return")
                settle(window, display, program)
                picture(window, display, folder / f"{name}-look-deconvnet.png")
        press(window, display, "q")


@contextlib.contextmanager
def screen(memory: Path | None = None) -> Iterator[dict[str, str]]:
    """A virtual screen; the environment for what is to be on it. In the folder `memory`, if named, is its picture at any moment."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "2600x1700x24", "-nolisten", "tcp", "-noreset"]
    command += ["-fbdir", str(memory)] if memory else []
    process = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with os.fdopen(read) as told:
            yield os.environ | {"DISPLAY": f":{told.readline().strip()}"}
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def terminal(kind: Kind, command: Sequence[str], settings: Path, display: dict[str, str]) -> Iterator[str]:
    """A command in a terminal of this kind, with settings of its own; the number of its window."""
    (settings / "convtui").mkdir()
    (settings / "convtui" / "settings.toml").write_text(f'theme = "{kind.theme}"\n')
    # xterm takes COLORTERM from what runs in it.
    of_program = ["env", "-u", "COLORTERM", f"XDG_CONFIG_HOME={settings}", *([f"COLORTERM={kind.colour}"] if kind.colour else [])]
    program = [*of_program, *command]
    socket = f"convtui-shots-{os.getpid()}"
    if kind.tmux:
        of_tmux = settings / "tmux.conf"
        of_tmux.write_text(f'set -g default-terminal {kind.tmux}\nset -as terminal-features ",*:RGB"\nset -g status-right ""\n')
        program = ["tmux", "-L", socket, "-f", str(of_tmux), "new-session", shlex.join(program)]
    resources = {
        "termName": kind.term,
        "sixelScrolling": "true",
        "numColorRegisters": "1024",
        "allowWindowOps": "true",
        "allowSendEvents": "true",
    }
    options = [text for name, value in resources.items() for text in ("-xrm", f"XTerm*{name}: {value}")]
    options += ["-ti", "vt340"] if kind.sixel else ["-ti", "vt420"]
    options += ["-xrm", f"XTerm*directColor: {'true' if kind.colour else 'false'}"]
    options += ["-bg", "white", "-fg", "black"] if "light" in kind.theme else ["-bg", "black", "-fg", "gray90"]
    columns, rows = kind.size
    xterm = ["xterm", "-fa", "DejaVu Sans Mono", "-fs", "10", "-geometry", f"{columns}x{rows}+0+0", *options, "-e", *program]
    process = subprocess.Popen(xterm, env=display, stderr=subprocess.DEVNULL)
    try:
        yield window_of(display)
    finally:
        process.terminate()
        process.wait()
        if kind.tmux:
            subprocess.run(["tmux", "-L", socket, "kill-server"], check=False, capture_output=True)


def window_of(display: dict[str, str]) -> str:
    """The terminal's window, once it is there."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        found = subprocess.run(["xdotool", "search", "--class", "xterm"], env=display, capture_output=True, text=True, check=False)
        if found.stdout.split():
            window = found.stdout.split()[-1]
            subprocess.run(["xdotool", "windowfocus", window], env=display, check=False, capture_output=True)
            return window
        time.sleep(0.1)
    raise SystemExit("docs/shots.py: xterm did not open a window")


def press(window: str, display: dict[str, str], *keys: str) -> None:
    """One after the other."""
    subprocess.run(["xdotool", "key", "--window", window, "--delay", "60", *keys], env=display, check=True, capture_output=True)


def program_of(settings: Path) -> psutil.Process:
    """The program that has these settings; in tmux it is no child of the terminal."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("XDG_CONFIG_HOME") == str(settings) and "convtui" in " ".join(process.cmdline()[:2]):
                    return process
        time.sleep(0.2)
    raise SystemExit("docs/shots.py: convtui did not start")


def seconds_of(program: psutil.Process) -> float:
    """Of a processor, by it and all that it started."""
    return sum(sum(process.cpu_times()[:2]) for process in (program, *program.children(recursive=True)))


def settle(window: str, display: dict[str, str], program: psutil.Process) -> None:
    """Wait until nothing has changed for a while, and nothing is being worked at."""
    seen, began = b"", time.monotonic()
    since, spent = began, seconds_of(program)
    while time.monotonic() - since < QUIET_SECONDS and time.monotonic() - began < PATIENCE_SECONDS:
        now = subprocess.run(["import", "-window", window, "gray:-"], env=display, capture_output=True, check=False).stdout
        if now != seen or seconds_of(program) - spent > BUSY_SHARE * QUIET_SECONDS:
            seen, since, spent = now, time.monotonic(), seconds_of(program)
        time.sleep(0.3)


def picture(window: str, display: dict[str, str], file: Path) -> None:
    """As it is now, in few colours: pictures of text are small so."""
    subprocess.run(["import", "-window", window, "+dither", "-colors", "255", f"PNG8:{file}"], env=display, check=True)


if __name__ == "__main__":
    if len(sys.argv) < 3 or set(sys.argv[3:]) - {*KINDS, "dumb"}:
        sys.exit(f"{__doc__}\nKINDs: {', '.join((*KINDS, 'dumb'))}")
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
