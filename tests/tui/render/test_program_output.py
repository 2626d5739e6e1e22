"""What a program printed, as a person at its terminal would have read it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from convtui.engine.store.output import Printed
from convtui.tui.render.program_output import LONGEST, MOST_LINES, ProgramOutput


def shown(*parts: bytes) -> list[str]:
    output, start = ProgramOutput(), 0
    for part in parts:
        output.add([Printed(start, part)])
        start += len(part)
    return list(output.lines)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs", "Cf", "Zl", "Zp"])), max_size=8), st.integers(1, 7))
def test_lines_are_the_same_in_however_many_parts_they_come(lines: list[str], size: int) -> None:
    content = "\n".join([*lines, ""]).encode()
    assert shown(*(content[start : start + size] for start in range(0, len(content), size))) == lines == shown(content)


def test_a_progress_bar_is_shown_as_it_was_written_last() -> None:
    assert shown(b"start\n10 %\r50 ", b"%\r", b"100 %") == ["start", "100 %"]
    assert shown(b"10 %\r100 %\r\nend\r\n") == ["100 %", "end"]


def test_nothing_steers_the_terminal() -> None:
    assert shown(b"\x1b[31mred\x1b[0m \x1b]0;title\x07plain\x07 \x1b[2J\xff") == ["red plain\\x07 \ufffd"]
    assert shown(b"\x1b[3", b"1mred") == ["red"]


def test_what_was_not_kept_is_said() -> None:
    output = ProgramOutput()
    assert output.add([Printed(0, b"one\n"), Printed(1004, b"two\n")])
    assert list(output.lines) == ["one", "… 1,000 bytes were not kept …", "two"]
    assert output.end == 1008
    assert not output.add([])


def test_only_the_newest_lines_are_kept_and_none_without_end() -> None:
    assert shown(b"x\n" * (MOST_LINES + 5) + b"end\n")[-1] == "end"
    assert len(shown(b"x\n" * (MOST_LINES + 5))) == MOST_LINES
    assert len(shown(*[b"x" * 1000] * 20)[0]) <= LONGEST
