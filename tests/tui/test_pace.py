"""How often the page Live draws charts."""

from __future__ import annotations

from convtui.tui.app.live.pace import Pace


class Terminal:
    """What was written to it, and a clock."""

    def __init__(self) -> None:
        self.now, self.written = 100.0, 0
        self.pace = Pace(lambda: self.written, lambda: self.now)

    def draw(self, size: int) -> None:
        self.pace.drawn()
        self.written += size

    def waits(self, *, here: bool) -> float:
        """Seconds until charts are drawn, in steps of a quarter."""
        start = self.now
        while not self.pace.is_time(here=here):
            self.now += 0.25
        return self.now - start


def test_charts_are_drawn_at_once_where_there_are_none_yet_or_a_person_asks() -> None:
    terminal = Terminal()
    assert terminal.waits(here=False) == 0
    terminal.draw(1_000_000)
    terminal.pace.hurry()
    assert terminal.waits(here=False) == 0


def test_charts_of_another_process_s_run_write_five_thousand_bytes_a_second_however_large_they_are() -> None:
    terminal = Terminal()
    for size in (10_000, 25_000, 60_000):
        terminal.draw(size)
        assert terminal.waits(here=False) == size / 5000


def test_small_changes_are_drawn_once_a_second_and_those_that_fill_a_large_screen_every_fifteen() -> None:
    terminal = Terminal()
    terminal.draw(100)
    assert terminal.waits(here=False) == 1
    terminal.draw(1_000_000)
    assert terminal.waits(here=False) == 15


def test_charts_of_what_trains_in_this_process_do_not_wait_for_the_line() -> None:
    terminal = Terminal()
    terminal.draw(1_000_000)
    assert terminal.waits(here=True) == 1
