"""Where things stand in a TOML text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from convtui.engine.study.toml_lines import lines_of

TEXT = '''\
title = "a # b [c]"   # not = here
notes = [
    "one = two",
    """three
    [[setting]]
    """,
]

[set]
"training.epochs" = 2
data.size = 8

[[setting]] # [[grid]]
name = "a"
published = { test_accuracy = 0.5, test_loss = 1.0 }

[[grid]]
name = 'b-{x}'
[grid.published]
"b-1" = { test_loss = 2 }

[[setting]]
name = "c"
order = [
    ["a", "aa"],
    "b-1",
]
[[grid]]
[grid.published]
"b.2" = 1
'''


def line_of(text: str) -> int:
    return next(number for number, line in enumerate(TEXT.splitlines(), 1) if text in line)


def test_every_table_and_key_is_found_whatever_strings_and_comments_hold() -> None:
    lines = lines_of(TEXT)
    assert lines.of(("title",)) == 1
    assert lines.of(("notes",)) == 2
    assert lines.of(("set", "training.epochs")) == line_of('"training.epochs"')
    assert lines.of(("set", "data", "size")) == line_of("data.size")
    assert lines.of(("setting", 0)) == line_of("[[setting]] #")
    assert lines.of(("setting", 0, "name")) == line_of('name = "a"')
    assert lines.of(("setting", 0, "published", "test_loss")) == line_of("published = {")
    assert lines.of(("grid", 0, "published", "b-1", "test_loss")) == line_of('"b-1" = {')
    assert lines.of(("setting", 1, "name")) == line_of('name = "c"')
    assert lines.of(("grid", 1, "published", "b.2")) == line_of('"b.2"')


def test_what_has_no_line_of_its_own_is_where_the_thing_around_it_is() -> None:
    lines = lines_of(TEXT)
    assert lines.of(("setting", 1, "preset")) == line_of('name = "c"') - 1
    assert lines.of(("claim", 7)) == 1


def test_a_word_is_found_within_its_value_and_not_within_another_word() -> None:
    lines = lines_of(TEXT)
    assert lines.naming(("setting", 1, "order"), "aa") == line_of('"aa"')
    assert lines.naming(("setting", 1, "order"), "b-1") == line_of('    "b-1",')
    assert lines.naming(("setting", 1, "order"), "b") == line_of("order = [")


@given(
    st.lists(
        st.sampled_from(
            ["x{n} = 1", 'x{n} = "[" # ]', "x{n} = [ # [\n  1,\n]", 'x{n} = """\n\n"""', "# x{n} = 2", "", "[t{n}]", "[[m]]"]
        )
    )
)
def test_keys_are_found_in_any_arrangement(parts: list[str]) -> None:
    text, expected = "", []
    for number, part in enumerate(parts):
        line = text.count("\n") + 1
        if part.startswith("x"):
            expected.append(line)
        text += part.format(n=number) + "\n"
    found = [line for path, line in lines_of(text).begins.items() if str(path[-1]).startswith("x")]
    assert found == expected
