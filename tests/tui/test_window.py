"""What is written to a terminal beside the screen: title, progress, notifications; and what is written at a run's end."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from rich.console import Console

from convtui.engine import events
from convtui.tui.app.driver import LastingFile
from convtui.tui.cli.reporters import BarReporter
from convtui.tui.render.pictures import Painter
from convtui.tui.window import Window

XTERM = {"TERM": "xterm-256color"}
WINDOWS_TERMINAL = XTERM | {"WT_SESSION": "1"}
KEEP, RESTORE = "\x1b[22;0t", "\x1b[23;0t"


def run(**values: Any) -> Any:
    return SimpleNamespace(**{"name": "lenet5", "status": "running", "step": 42, "total_steps": 100} | values)


def title(text: str) -> str:
    return f"\x1b]0;{text}\x1b\\"


def test_the_title_tells_the_run_and_how_far_it_is_and_is_put_back() -> None:
    window = Window(environment=XTERM)
    assert window.opened() == KEEP + title("convtui")
    assert window.tell(run()) == title("42 % lenet5 · convtui")
    assert window.tell(run(step=42.9)) == ""  # nothing new to be seen, nothing written
    assert window.tell(run(status="paused")) == title("lenet5 paused · convtui")
    assert window.tell(run(status="finished", step=100)) == title("lenet5 finished · convtui")
    assert window.tell(None) == title("convtui")
    assert window.closed() == title("") + RESTORE


def test_what_is_told_while_the_screen_is_away_is_there_when_it_comes_back() -> None:
    window = Window(environment=XTERM)
    window.opened()
    window.closed()
    assert window.tell(run()) == ""
    assert window.opened() == KEEP + title("42 % lenet5 · convtui")


def test_progress_goes_to_terminals_that_are_known_to_show_it() -> None:
    window = Window(environment=WINDOWS_TERMINAL)
    window.opened()
    assert window.tell(run()).endswith("\x1b]9;4;1;42\x1b\\")
    assert window.closed().startswith("\x1b]9;4;0\x1b\\")


@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        ({"TERM_PROGRAM": "ghostty"}, True),
        ({"VTE_VERSION": "8001"}, True),
        ({"VTE_VERSION": "7600"}, False),
        ({"KONSOLE_VERSION": "250401"}, True),
        ({"KITTY_WINDOW_ID": "1"}, False),  # 0.32 makes a notification of each
        ({"TERM_PROGRAM": "iTerm.app"}, False),
        ({"WT_SESSION": "1", "TMUX": "/tmp/tmux,1,0", "TERM": "screen-256color"}, False),
        ({}, False),
    ],
)
def test_which_terminals_show_progress(environment: dict[str, str], shown: bool) -> None:
    window = Window(environment=XTERM | environment)
    window.opened()
    assert ("\x1b]9;4;1;42" in window.tell(run())) is shown


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"TERM": ""}, {"TERM": "linux"}])
def test_terminals_without_a_title_are_sent_none(environment: dict[str, str]) -> None:
    window = Window(environment=environment)
    assert window.opened() + window.tell(run()) + window.closed() == ""
    assert window.notification("over") == ("\a" if environment["TERM"] == "linux" else "")


def test_the_title_can_be_switched_off() -> None:
    window = Window(title=False, environment=WINDOWS_TERMINAL)
    assert window.opened() + window.tell(run()) + window.closed() == ""
    assert window.notification("over") != ""


def test_a_name_can_neither_steer_the_terminal_nor_fill_the_title() -> None:
    window = Window(environment=XTERM)
    window.opened()
    written = window.tell(run(name="a\x1b\\\x1b]52;c;AAAA\a\x9dend" + "x" * 500))
    assert written.count("\x1b") == 2  # those of the title itself
    assert "\a" not in written
    assert "\x9d" not in written
    assert len(written) < 100


@pytest.mark.parametrize(
    ("environment", "escape"),
    [
        ({}, "\x1b]9;convtui: net over\x1b\\"),
        ({"VTE_VERSION": "7600"}, "\x1b]777;notify;convtui;net over\x1b\\"),
        ({"TERM": "foot"}, "\x1b]777;notify;convtui;net over\x1b\\"),
        ({"TMUX": "x"}, "\x1bPtmux;\x1b\x1b]9;convtui: net over\x1b\x1b\\\x1b\\"),
    ],
)
def test_a_notification_has_the_form_that_the_terminal_knows(environment: dict[str, str], escape: str) -> None:
    window = Window(environment=XTERM | environment)
    assert window.notification("net over") == f"{escape}\a"
    assert window.notification("net over", bell=False) == escape
    assert window.notification("net over", desktop=False) == "\a"
    assert window.notification("a\x1b]52;b\ac").count("\x1b]52") == 0


def test_the_application_takes_the_title_with_its_screen_and_gives_it_back_before_it() -> None:
    terminal = io.StringIO()
    file = LastingFile(terminal, Window(environment=XTERM), pytest.fail)
    file.write("\x1b[?1049h")
    file.write("text ·")
    file.write("\x1b[?1049l")
    assert terminal.getvalue() == f"{KEEP}{title('convtui')}\x1b[?1049htext ·{title('')}{RESTORE}\x1b[?1049l"
    assert file.written == len(terminal.getvalue().encode())


def test_what_cannot_be_drawn_is_told_and_the_next_text_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Textual's thread that writes ends with an error of its own, and the application would wait for it for ever."""
    terminal, told = io.StringIO(), list[Exception]()
    file = LastingFile(terminal, Window(environment=XTERM), told.append)
    error = KeyError("a picture")
    with monkeypatch.context() as patch:
        patch.setattr(Painter, "painted", Mock(side_effect=error))
        file.write("one ")
    file.write("two")
    assert (terminal.getvalue(), told) == ("one two", [error])


def test_a_bar_on_a_terminal_has_a_title_until_it_is_closed() -> None:
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=120, color_system=None)
    reporter = BarReporter(console, Window(environment=XTERM), "lenet5")
    reporter.preparing("reading pictures", 1, 2)
    assert "\x1b]0" not in terminal.getvalue()
    reporter.show(events.Started(0, 0, 20, 10, 100, 4_257_674, "cifar10", "cpu"))
    assert KEEP + title("0 % lenet5 · convtui") in terminal.getvalue()
    values = {"batch_loss": (1.5,), "batch_accuracy": (0.5,), "learning_rate": (1e-4,)}
    reporter.show(events.Progress(5, 1, 5, 5, values, 20, 5.0, 640.0))
    assert title("25 % lenet5 · convtui") in terminal.getvalue()
    reporter.close()
    reporter.close()
    assert terminal.getvalue().count(RESTORE) == terminal.getvalue().count(KEEP) == 1
