"""What is squeezed looks the same in fewer bytes."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from convtui.tui.render.sgr import squeezed

CODES = (
    "",
    "0",
    "1",
    "2",
    "7",
    "31",
    "97",
    "44",
    "39",
    "49",
    "38;5;4",
    "48;5;200",
    "38;2;1;2;3",
    "38;2;1;2;4",
    "48;2;1;2;3",
    "1;38;2;9;9;9;48;2;1;2;3",
)


def cells(text: str) -> list[tuple[str, dict[str, str]]]:
    """Every letter with all that holds for it, as a terminal keeps it; what holds behind the last one at the end."""
    found, state = [], {}
    for code, letter in re.findall("\x1b\\[([0-9;]*)m|([^\x1b])", text):
        if letter:
            found.append((letter, dict(state)))
            continue
        numbers = [int(number or 0) for number in code.split(";")]
        while numbers:
            number = numbers.pop(0)
            if number == 0:
                state.clear()
            elif number in (38, 48):
                count = 4 if numbers[0] == 2 else 2
                state["front" if number == 38 else "back"] = str([numbers.pop(0) for _ in range(count)])
            elif number in (39, 49):
                state.pop("front" if number == 39 else "back", None)
            elif number < 10:
                state[str(number)] = "on"
            else:
                state["front" if number < 40 or 90 <= number < 100 else "back"] = str(number)
    return [*found, ("", state)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(CODES).map(lambda code: f"\x1b[{code}m"), st.text("ab ⣿", min_size=1, max_size=3))))
def test_every_letter_looks_as_before_and_nothing_gets_longer_for_it(parts: list[str]) -> None:
    text = "".join(parts) + "\x1b[0m"
    assert cells(squeezed(text)) == cells(text)
    assert squeezed(squeezed(text)) == squeezed(text)


def test_what_is_not_understood_stays_as_it_is() -> None:
    for text in ("\x1b[4:3mcurly\x1b[0m", "\x1b[58;2;1;2;3mline\x1b[0m", "\x1b[38;9;1mbroken\x1b[0m", "\x1b[22mx"):
        assert squeezed(text) == text
    assert squeezed("\x1b[5;1H\x1b[31mred\x1b[0m\x1b[31m too\x1b[0m\x1b[?25l") == "\x1b[5;1H\x1b[31mred too\x1b[0m\x1b[?25l"


def test_a_row_of_a_chart_takes_less_than_two_thirds() -> None:
    row = Text.assemble(
        *((braille, f"rgb(86,{180 + number % 2},233) on rgb(16,19,21)") for number, braille in enumerate("⣀⠤⠒⠉" * 20))
    )
    console = Console(force_terminal=True, color_system="truecolor", width=100)
    with console.capture() as capture:
        console.print(row)
    written = capture.get()
    assert len(squeezed(written).encode()) < 0.67 * len(written.encode())
