"""How texts and numbers are shown: nothing of data steers a terminal, no letter is lost, no number is unreadable."""

from __future__ import annotations

import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convtui.tui.render.json_lines import line
from convtui.tui.render.text import clean, compact, counted, how_far, number

STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
ANY_TEXT = st.text(st.characters(codec=None), max_size=40)


@given(ANY_TEXT)
def test_no_text_steers_a_terminal_or_breaks_a_line(text: str) -> None:
    shown = clean(text)
    assert not STEERING.search(shown)
    assert clean(shown) == shown
    shown.encode()


@given(ANY_TEXT)
def test_what_cannot_steer_is_shown_as_it_is(text: str) -> None:
    harmless = STEERING.sub("", text)
    assert clean(harmless) == harmless


@pytest.mark.parametrize("text", ["می\u200cخواهم", "👩\u200d🔬", "❤\ufe0f", "नमस्ते", "אב\u200f", "e\u0301"])
def test_joiners_and_marks_of_real_scripts_are_letters(text: str) -> None:
    assert clean(text) == text


def test_what_steers_is_shown_as_an_escape() -> None:
    assert clean("a\x1b[31mb\u202ec\x9b\ud800") == "a\\x1b[31mb\\u202ec\\x9b\\ud800"
    assert clean("caf\udce9.png") == "caf\\xe9.png"
    assert clean("two\nlines\t.png") == "two lines .png"


@given(ANY_TEXT)
def test_json_is_true_to_the_last_letter_and_steers_nothing(text: str) -> None:
    written = line({"name": text, text: 1})
    assert not STEERING.search(written)
    assert json.loads(written) == {"name": text, text: 1}


@given(st.floats(-1e300, 1e300))
def test_a_number_tells_three_digits_in_few_letters(value: float) -> None:
    shown = number(value)
    assert len(shown) <= 11
    if value:
        assert math.isclose(float(shown), value, rel_tol=0.0051)


def test_numbers_as_people_write_them() -> None:
    values = (0.0, 1.0034, 0.91449, 0.0184, 1.84e-5, 2.0612e37, -123456.0, 99999.0)
    assert [number(value) for value in values] == [
        "0.000", "1.003", "0.914", "0.0184", "1.84e-5", "2.06e+37", "-1.23e+5", "99999.000",
    ]  # fmt: skip
    assert [number(None), number(math.nan), number(math.inf)] == ["—", "nan", "inf"]
    assert [compact(value) for value in (0.001, 1e-5, 12.0, 3.00001, 1e20)] == ["0.001", "1e-5", "12", "3", "1e+20"]


def test_one_is_not_several() -> None:
    assert [counted(1), counted(1_000), counted(1, "epoch"), counted(0, "file")] == ["1 run", "1,000 runs", "1 epoch", "0 files"]


def test_a_budget_that_ends_within_an_epoch_is_told_in_steps() -> None:
    assert how_far(3, 300, 1000, 100) == "3/10"
    assert how_far(0, 12, 20, 390) == "step 12/20"
    assert how_far(0, 0, 0, 0) == "—"
