"""The draft of a run: what the form writes into, judged by the spec alone; and presets of one's own."""

from __future__ import annotations

import pytest

from convtui.engine.errors import UsageError
from convtui.engine.presets import own_presets, preset
from convtui.engine.spec import changed, hyperparameters, make, read, written
from convtui.tui.app.new.draft import Draft
from convtui.tui.app.new.fields import items
from convtui.tui.widgets.own_preset import file_of, save

BASE = preset("lenet5").spec


def draft() -> Draft:
    return Draft("lenet5", BASE, BASE)


def test_every_hyperparameter_has_a_row_with_its_help() -> None:
    rows = {item.key: item for item in items()}
    assert list(rows) == [parameter.path for parameter in hyperparameters()]
    for parameter in hyperparameters():
        assert rows[parameter.path].help == parameter.help
        assert rows[parameter.path].bounds == parameter.bounds
        assert set(parameter.choices) <= set(rows[parameter.path].choices)


@pytest.mark.parametrize("parameter", list(hyperparameters()), ids=lambda parameter: parameter.path)
def test_what_a_row_shows_can_be_written_into_it(parameter) -> None:
    one = draft()
    one.put(parameter.path, one.text(parameter.path))
    assert one.spec == BASE
    assert not one.wrong
    assert not one.changes()


def test_a_change_is_counted_with_the_presets_value() -> None:
    one = draft()
    one.put("model.activation", "tanh")
    one.put("training.steps", "7")
    assert one.changes() == {"model.activation": ("relu", "tanh"), "training.steps": ("none", "7")}
    assert one.spec == changed(BASE, {"model.activation": "tanh", "training.steps": 7})


def test_a_wrong_value_is_kept_with_the_judges_words_and_the_other_fields_go_on() -> None:
    one = draft()
    one.put("optimiser.learning_rate", "99")
    assert "out of bounds: it must be <= 10" in one.wrong["optimiser.learning_rate"].why
    assert one.text("optimiser.learning_rate") == "99"
    one.put("data.size", "28")
    assert one.spec == changed(BASE, {"data.size": 28})
    assert set(one.wrong) == {"optimiser.learning_rate"}
    one.put("optimiser.learning_rate", "0.5")
    assert not one.wrong
    assert one.spec.optimiser.learning_rate == 0.5


def test_two_values_that_only_make_sense_together_are_taken_once_both_are_there() -> None:
    one = draft()
    one.put("optimiser.momentum", "0.9")
    assert "means something to sgd" in one.wrong["optimiser.momentum"].why
    one.put("optimiser.name", "sgd")
    assert not one.wrong
    assert (one.spec.optimiser.name, one.spec.optimiser.momentum) == ("sgd", 0.9)


def test_a_value_that_others_stand_against_waits_for_them() -> None:
    one = Draft("", *[changed(BASE, {"optimiser.name": "sgd", "optimiser.momentum": 0.9})] * 2)
    one.put("optimiser.name", "adam")
    assert set(one.wrong) == {"optimiser.name"}
    one.put("optimiser.momentum", "0")
    assert not one.wrong
    assert one.spec.optimiser.name == "adam"


def test_reset_takes_the_presets_value_also_where_the_text_was_wrong() -> None:
    one = draft()
    one.put("data.size", "many")
    one.reset("data.size")
    assert not one.wrong
    assert one.spec == BASE


def test_undo_takes_back_step_by_step_also_the_choice_of_a_preset() -> None:
    one = draft()
    for path, text in (("data.size", "28"), ("data.size", "x")):
        before = one.now()
        one.put(path, text)
        one.remember(before)
    before = one.now()
    one.choose("demo", preset("demo").spec)
    one.remember(before)
    assert one.undo()
    assert (one.preset, one.text("data.size")) == ("lenet5", "x")
    assert one.undo()
    assert one.text("data.size") == "28"
    assert one.undo()
    assert one.spec == BASE
    assert not one.undo()


def test_a_step_that_changed_nothing_is_no_step_to_undo() -> None:
    one = draft()
    before = one.now()
    one.put("data.size", one.text("data.size"))
    one.remember(before)
    assert not one.undo()


def test_a_preset_of_ones_own_reads_back_as_it_was_written() -> None:
    spec = changed(
        BASE,
        {
            "model.conv_blocks": "16 3x3 stride 2 pad 1 bn pool 3/2, 8 1x1",
            "model.dense_blocks": "64 dropout 0.25",
            "data.source": 'folder:/a "b"\\ü',
            "optimiser.learning_rate": 1e-5,
            "training.steps": 12,
        },
    )
    save(file_of("mine"), spec, "lenet5, changed")
    found = preset("mine")
    assert found.spec == spec
    assert found.summary == "lenet5, changed"
    assert found.file.parent == own_presets()


def test_every_shipped_preset_and_the_defaults_can_be_kept() -> None:
    for spec in (make({}), preset("demo").spec, BASE):
        save(file_of("again"), spec, "")
        assert preset("again").spec == spec
        assert [written(read(preset("again").spec, field.path)) for field in hyperparameters()]


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "two words"])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="a preset's name"):
        file_of(name)
