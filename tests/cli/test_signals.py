"""What a signal does before, while and after there is something to save."""

from __future__ import annotations

import os
import signal

import pytest

from convtui.tui.cli.signals import handled


def test_before_there_is_anything_to_save_a_signal_leaves_at_once() -> None:
    with pytest.raises(SystemExit) as left, handled():
        os.kill(os.getpid(), signal.SIGTERM)
    assert left.value.code == 143


def test_the_first_asks_the_training_to_stop_and_the_second_leaves() -> None:
    asked = []
    with handled() as signals:
        signals.on_signal = lambda: asked.append(True)
        os.kill(os.getpid(), signal.SIGINT)
        assert asked == [True]
        with pytest.raises(SystemExit) as left:
            os.kill(os.getpid(), signal.SIGINT)
    assert left.value.code == 130
    assert asked == [True]


def test_a_held_signal_is_only_noted() -> None:
    with handled() as signals:
        signals.hold()
        os.kill(os.getpid(), signal.SIGHUP)
        assert signals.received == signal.SIGHUP


def test_a_hang_up_that_was_ignored_from_the_start_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with handled() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            assert signals.received is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_interrupt_is_heard_by_a_background_command_of_a_script_too() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with handled() as signals:
            signals.hold()
            os.kill(os.getpid(), signal.SIGINT)
            assert signals.received == signal.SIGINT
    finally:
        signal.signal(signal.SIGINT, before)
