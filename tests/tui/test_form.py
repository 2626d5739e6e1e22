"""The draft of a run: what the form writes into, judged by the spec alone; and presets of one's own."""

from __future__ import annotations

import pytest

from convtui.engine.presets import preset
from convtui.engine.spec import changed, hyperparameters
from convtui.tui.app.new.draft import Draft
from convtui.tui.app.new.fields import fields

BASE = preset("lenet5").spec


def draft() -> Draft:
    return Draft("lenet5", BASE, BASE)


def test_every_hyperparameter_has_a_row_with_its_help() -> None:
    rows = {field.key: field for field in fields()}
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
    assert "applies to sgd" in one.wrong["optimiser.momentum"].why
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


def test_a_setting_is_found_by_what_others_call_it() -> None:
    assert [field.key for field in fields() if field.matches("lr")] == ["optimiser.learning_rate"]


def test_a_zero_that_is_no_amount_is_told_by_what_it_stands_for() -> None:
    told = {field.key: field.meaning("0") for field in fields() if field.meaning("0")}
    assert told["data.train_per_class"] == told["data.test_per_class"] == ": all"
    assert told["training.patience"] == ": never"
    assert told["training.threads"] == ": one per core"
    assert "training.seed" not in told
    for field in fields():
        assert field.help.endswith(f"; 0{field.meaning('0')}") == bool(field.meaning("0"))
        assert not field.meaning("3")
