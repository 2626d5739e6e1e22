"""What terminals answer, and what is made of it: XTERM and TMUX were recorded, the others follow what their projects document."""

from __future__ import annotations

import os
import pty
import sys
import threading
import time
from pathlib import Path

import pexpect
import pytest

from convtui.engine.errors import UsageError
from convtui.tui import graphics
from convtui.tui.graphics import Graphics, chosen, understood

XTERM = b"\x1bP1$r0;48:2::1:2:3m\x1b\\\x1bP>|XTerm(379)\x1b\\\x1b[6;17;8t\x1b[?1;0;1024S\x1b[?63;1;2;4;6;9;15;16;22;28c"
PLAIN_XTERM = b"\x1bP1$r0;48:5:16m\x1b\\\x1bP>|XTerm(379)\x1b\\\x1b[?1;0;16S\x1b[?64;1;2;6;9;15;16;17;18;21;22;28c"
TMUX = b"\x1bP>|tmux 3.3a\x1b\\\x1b[?1;2c"
KITTY = b"\x1b_Gi=31;OK\x1b\\\x1bP1+r524742=38\x1b\\\x1bP1$r0;48:2:1:2:3m\x1b\\\x1bP>|kitty(0.35.2)\x1b\\\x1b[6;20;10t\x1b[?62;52;c"
WEZTERM = b"\x1b_Gi=31;OK\x1b\\\x1bP>|WezTerm 20240203\x1b\\\x1b[6;20;10t\x1b[?1;0;256S\x1b[?65;4;6;18;22c"


@pytest.fixture(autouse=True)
def no_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convtui.tui.graphics._measured", lambda: None)
    for name in ("TMUX", "CONVTUI_GRAPHICS", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("answers", "protocol", "true_colour", "cell"),
    [
        (XTERM, "sixel", True, (17, 8)),
        (PLAIN_XTERM, "halfcell", False, None),
        (TMUX, "halfcell", False, None),
        (KITTY, "kitty", True, (20, 10)),
        (WEZTERM, "sixel", False, (20, 10)),  # it has kitty's pictures, but does not put them where text says
        (b"", "halfcell", False, None),
    ],
)
def test_a_terminals_answers_say_what_it_can(
    answers: bytes, protocol: str, true_colour: bool, cell: tuple[int, int] | None
) -> None:
    found = understood(answers, "auto")
    assert (found.protocol, found.true_colour, found.told_cell) == (protocol, true_colour, cell)


def test_what_a_person_chose_is_what_is_used() -> None:
    assert understood(KITTY, "halfcell").protocol == "halfcell"
    assert understood(b"", "sixel").protocol == "sixel"
    assert understood(b"", "sixel").cell == (20, 10)
    assert understood(XTERM, "halfcell").cell == (2, 1)


def test_the_option_goes_before_the_variable_and_that_before_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(None, "") == "auto"
    assert chosen(None, "sixel") == "sixel"
    monkeypatch.setenv("CONVTUI_GRAPHICS", "kitty")
    assert chosen(None, "sixel") == "kitty"
    assert chosen("none", "sixel") == "none"
    monkeypatch.setenv("CONVTUI_GRAPHICS", "pretty")
    with pytest.raises(UsageError, match=r"CONVTUI_GRAPHICS is 'pretty': use one of auto, kitty"):
        chosen(None)


def test_colours_are_told_to_those_that_look_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphics, "_current", Graphics())
    graphics.use(Graphics("halfcell", true_colour=False))
    assert "COLORTERM" not in os.environ
    graphics.use(Graphics("halfcell", true_colour=True))
    assert os.environ["COLORTERM"] == "truecolor"


def _asked_on_a_terminal(answers: bytes, monkeypatch: pytest.MonkeyPatch, *, late: float = 0.0) -> tuple[Graphics, bytes]:
    """Ask a terminal that answers so; gives also what it was sent."""
    ours, theirs = pty.openpty()
    seen = b""

    def terminal() -> None:
        nonlocal seen
        while not seen.endswith(b"\x1b[c"):
            seen += os.read(ours, 4096)
        time.sleep(late)
        os.write(ours, answers)

    answering = threading.Thread(target=terminal)
    answering.start()
    with os.fdopen(theirs, "r+b", buffering=0) as raw:
        stream = os.fdopen(os.dup(raw.fileno()), "w")
        monkeypatch.setattr("sys.stdin", raw)
        monkeypatch.setattr("sys.stdout", stream)
        monkeypatch.setenv("TERM", "xterm-256color")
        with graphics.asked("auto") as question:
            found = question.answered()
        answering.join()
        stream.close()
    os.close(ours)
    return found, seen


def test_a_terminal_is_asked_and_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    found, seen = _asked_on_a_terminal(XTERM, monkeypatch)
    assert found == Graphics("sixel", true_colour=True, told_cell=(17, 8))
    assert b"\x1b_G" in seen


def test_tmux_is_not_asked_what_it_would_show_in_its_status_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMUX", "/tmp/tmux,1,0")
    found, seen = _asked_on_a_terminal(TMUX, monkeypatch)
    assert found.protocol == "halfcell"
    assert b"\x1b_G" not in seen


def test_a_terminal_that_never_answers_is_waited_for_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphics, "FIRST_SECONDS", 0.05)
    found, _ = _asked_on_a_terminal(b"", monkeypatch)
    assert found == Graphics("halfcell")


def test_a_job_in_the_background_leaves_the_terminal_alone(tmp_path: Path) -> None:
    """It would be stopped otherwise, and wait for ever to be brought to the front."""
    program = "from convtui.tui import graphics\nwith graphics.asked('auto') as question: print('asked', question.keyboard)"
    shell = pexpect.spawn(
        "bash", ["--norc", "--noprofile", "-i"], env=os.environ | {"PS1": "$ ", "TERM": "xterm"}, encoding="utf-8"
    )
    (tmp_path / "ask.py").write_text(program)
    shell.sendline(f"set -m; {sys.executable} {tmp_path / 'ask.py'} & wait $!")
    shell.expect("asked None", timeout=30)
    shell.close(force=True)
