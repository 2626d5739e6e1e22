"""A study's file: what it comes to, and what is said of a wrong one - the file, the line, what is near."""

from __future__ import annotations

import os
import re
from pathlib import Path

import platformdirs
import pytest

from convtui.engine.errors import SpecError, UsageError
from convtui.engine.models import check
from convtui.engine.presets import Preset, preset
from convtui.engine.spec import difference
from convtui.engine.study import Published, Study, parsing, studies, study
from convtui.engine.study.parsing import read

GOOD = """\
title = "Which rate?"
question = "Is 0.01 better than 0.1?"
report = "004"
seeds = 3

[set]
"training.epochs" = 7

[[setting]]
name = "rnn-30"
preset = "rnn"
set = { "model.hidden" = 30, "training.epochs" = 8 }
seeds = 1
source = "report 002, RNN 7"
published = { test_accuracy = 0.9417, train_loss = { low = 0.1, high = 0.2 }, seconds = { about = 60 } }

[[grid]]
name = "relu-{optimiser.learning_rate}-{data.order}"
preset = "two-filters"
set = { "training.measures" = ["conv_deltas"] }
over = { "optimiser.learning_rate" = [0.1, 0.01], "data.order" = ["shuffle", "fixed"] }
statistics = ["conv1:after"]
source = "report 004, rates"

[grid.published]
"relu-0.1-fixed" = { test_loss = 0.169, "statistics.conv1.after.max" = 0.75, "conv_deltas/conv1" = 3.0 }

[[claim]]
says = "the smaller rate wins"
measure = "test_accuracy"
order = [["relu-0.01-fixed", "relu-0.01-shuffle"], "relu-0.1-fixed"]

[[claim]]
says = "fast"
measure = "steps_to_loss"
of = "relu-0.1-fixed"
settings = ["rnn-30"]
high = 100
"""


def made(folder: Path, text: str) -> Study:
    file = folder / "mine.toml"
    file.write_text(text)
    return read(file)


def test_settings_are_presets_changed_as_written_and_grids_are_written_out(tmp_path: Path) -> None:
    found = made(tmp_path, GOOD)
    assert (found.name, found.title, found.report) == ("mine", "Which rate?", "004")
    assert list(found.settings) == [
        "rnn-30", "relu-0.1-shuffle", "relu-0.1-fixed", "relu-0.01-shuffle", "relu-0.01-fixed",
    ]  # fmt: skip
    rnn, fixed = found.settings["rnn-30"], found.settings["relu-0.1-fixed"]
    assert difference(preset("rnn").spec, rnn.spec) == {"training.epochs": ("10", "8")}
    assert set(difference(preset("two-filters").spec, fixed.spec)) == {
        "training.epochs", "training.measures", "optimiser.learning_rate", "data.order",
    }  # fmt: skip
    assert (rnn.seeds, fixed.seeds) == (1, 3)
    assert rnn.published == {
        "test_accuracy": Published(0.9417, 0.9417),
        "train_loss": Published(0.1, 0.2),
        "seconds": Published(60, 60, about=True),
    }
    assert list(fixed.published) == ["test_loss", "statistics.conv1.after.max", "conv_deltas/conv1"]
    assert fixed.statistics == (("conv1", "after"),)
    order, bound = found.claims
    assert order.groups == (("relu-0.01-fixed", "relu-0.01-shuffle"), ("relu-0.1-fixed",))
    assert order.highest_first
    assert (bound.settings, bound.low, bound.high, bound.of) == (("rnn-30",), None, 100, "relu-0.1-fixed")


def test_the_documents_examples_are_studies(tmp_path: Path) -> None:
    document = (Path(__file__).parents[3] / "docs" / "studies.md").read_text()
    example, search = re.findall(r"```toml\n(.*?)```", document, re.DOTALL)
    wanted = made(tmp_path, search).search
    assert wanted is not None
    assert (wanted.trials, len(wanted.space)) == (40, 3)
    found = made(tmp_path, example)
    assert {name: setting.seeds for name, setting in found.settings.items()} == {
        "rnn-30": 5, "gru-20": 3, "gru-30": 3, "lstm-20": 3, "lstm-30": 3,
    }  # fmt: skip
    assert [len(setting.published) for setting in found.settings.values()] == [3, 0, 1, 0, 1]
    assert [check(setting.spec).parameters > 0 for setting in found.settings.values()] == [True] * 5


def test_the_difference_to_a_range_is_to_its_nearer_end() -> None:
    figure = Published(0.1, 0.2)
    assert [round(figure.difference(value), 9) for value in (0.05, 0.1, 0.15, 0.2, 0.3)] == [-0.05, 0, 0, 0, 0.1]


ORDER = 'order = [["relu-0.01-fixed", "relu-0.01-shuffle"], "relu-0.1-fixed"]'
# What is put in place of what; what stands on the line that is named ("|1": on the line above it); and what is said.
WRONG = [
    ("seeds = 3", "sedes = 3", "sedes", "unknown key 'sedes' (did you mean seeds?)"),
    ("seeds = 3", "seeds = 0", "seeds = 0", "seeds = 0: "),
    ("seeds = 3", 'seeds = "3"', "seeds =", "seeds = '3': "),
    ('title = "Which rate?"\n', "", "question", "'title' is missing"),
    ('preset = "rnn"', 'preset = "rrnn"', "rrnn", "unknown preset 'rrnn' (did you mean rnn?)"),
    ('preset = "rnn"\n', "", "[[setting]]", "this [[setting]] has no 'preset'"),
    ("seeds = 1", "seed = 1", "seed = 1", "unknown key 'seed' (did you mean seeds?)"),
    ('"model.hidden" = 30', '"model.hiden" = 30', "model.hiden", "did you mean model.hidden?"),
    ('"model.hidden" = 30', '"model.hidden" = -1', "model.hidden", "model.hidden = -1 is out of bounds"),
    ('"training.epochs" = 7', '"training.epoch" = 7', "training.epoch", "did you mean training.epochs?"),
    ('"training.epochs" = 8', '"training.steps" = 0', "training.steps", "training.steps = 0 is out of bounds"),
    ("test_accuracy = 0.9417", "test_acuracy = 0.9417", "test_acuracy", "did you mean test_accuracy?"),
    ("test_accuracy = 0.9417", "test_accuracy = 94.17", "94.17", "test_accuracy is a fraction from 0 to 1: write 0.9417"),
    ("test_accuracy = 0.9417", "test_accuracy = -0.5", "-0.5", "a fraction from 0 to 1, and -0.5 is below"),
    ("test_accuracy = 0.9417", 'test_accuracy = "94 %"', "94 %", "must be a number, { low = , high = } or { about = }"),
    ("test_accuracy = 0.9417", "steps_to_loss = 5", "steps_to_loss = 5", "belongs in a [[claim]]"),
    ("{ low = 0.1, high = 0.2 }", "{ low = 0.3, high = 0.2 }", "low = 0.3", "low = 0.3 is above high = 0.2"),
    ("{ low = 0.1, high = 0.2 }", "{ lo = 0.1, high = 0.2 }", "lo = 0.1", "must be a number, { low = , high = } or { about = }"),
    ('name = "rnn-30"', 'name = "rnn 30"', "rnn 30", "a setting cannot be called 'rnn 30'"),
    ('name = "rnn-30"', 'name = "relu-0.1-fixed"', "[[grid]]|1", "there are two settings 'relu-0.1-fixed'"),
    ("-{data.order}", "-{data.ordre}", "data.ordre", "{data.ordre} is not in 'over' (did you mean data.order?)"),
    ("-{data.order}", "", "relu-{", "there are two settings 'relu-0.1'"),
    ('["shuffle", "fixed"]', '["shuffle", "fixd"]', "over =", "did you mean fixed?"),
    ('["shuffle", "fixed"]', "[]", "over =", "a grid needs a hyperparameter with values"),
    ('"relu-0.1-fixed" = {', '"relu-.1-fixed" = {', "relu-.1-fixed", "did you mean relu-0.1-fixed?"),
    ("statistics.conv1.after.max", "statistics.conv2.after.max", "conv2", "did you mean statistics.conv1.after.max?"),
    ('set = { "training.measures" = ["conv_deltas"] }', "", "conv_deltas/conv1", 'put "conv_deltas" into "training.measures"'),
    ('statistics = ["conv1:after"]', 'statistics = ["conv1"]', "statistics =", "'conv1' is not LAYER:STAGE"),
    ('measure = "test_accuracy"', 'measure = "accuracy"', 'measure = "accuracy"', "did you mean test_accuracy?"),
    ('measure = "test_accuracy"', 'measure = "spikes"', "order =", "write highest_first or lowest_first"),
    ('"relu-0.01-shuffle"], "relu', '"relu-0.01-shufle"], "relu', "shufle", "did you mean relu-0.01-shuffle?"),
    (ORDER, "", "[[claim]]", "a claim has one order"),
    (ORDER, 'order = ["rnn-30"]', "order =", "two or more settings"),
    ("high = 100", "", 'says = "fast"|-1', "a claim has one order"),
    ("high = 100", "high = 100\nlow = 200", "low = 200", "low = 200 is above high = 100"),
    ('of = "relu-0.1-fixed"', 'of = "relu"', 'of = "relu"', "unknown setting 'relu'"),
    ('of = "relu-0.1-fixed"\n', "", 'measure = "steps_to_loss"', "steps_to_loss needs 'of'"),
    ('measure = "steps_to_loss"', 'measure = "seconds"', "of =", "'of' belongs to the measure steps_to_loss"),
    ("high = 100", "high = inf", "high = inf", "high = inf: must be a finite number"),
    ('"relu-0.01-shuffle"], "relu-0.1-fixed"]', '"relu-0.1-fixed"], "relu-0.1-fixed"]', "order =", "fixed stands on both sides"),
    (ORDER, 'order = ["rnn-30", "relu-0.1-fixed", "rnn-30"]', "order = [", "rnn-30 stands on both sides"),
    ('title = "Which rate?"', 'title = ""', "title =", "title = '': must not be empty"),
    ('title = "Which rate?"', "title = 7", "title =", "title = 7: must be text, in quotation marks"),
    ("seeds = 3", "seeds = 3.5", "seeds = 3.5", "seeds = 3.5: must be a whole number"),
    ("seeds = 1\n", "seeds = 1001\n", "seeds = 1001", "setting.seeds = 1001: must be from 1 to 1,000"),
    (ORDER, 'order = "relu-0.01-fixed > relu-0.1-fixed"', "order =", "must be a list, in [ ]"),
    ("[[setting]]", "[setting]", "[setting]", "several times: write [[setting]]"),
    ('"training.epochs" = 7', "training.epochs = 7", "training.epochs = 7", 'needs quotation marks: "training.epochs" = ...'),
    ('"training.epochs" = 8', "training.epochs = 8", "training.epochs = 8", 'needs quotation marks: "training.epochs" = ...'),
    ('"training.epochs" = 7', '"data.source" = "mnits"', "mnits", "unknown dataset mnits (did you mean mnist?)"),
    ('source = "report 002, RNN 7"\n', "", "published =", "published figures need a source"),
    ('source = "report 004, rates"\n', "", '"relu-0.1-fixed" = {', "published figures need a source"),
    ('"relu-0.1-fixed" = { test_loss = 0.169,', 'test_loss = 0.169 #', "0.169 #", 'by setting: "NAME" = { test_loss'),
    ("[0.1, 0.01]", str(list(range(1, 502))), "over =", "1,002 settings are too many: a grid may have 1,000"),
    ('measure = "steps_to_loss"', 'measure = "test_accuracy"', "of =", "'of' belongs to the measure steps_to_loss"),
    ("seeds = 3", "seeds 3", "seeds 3", "column 7: not valid TOML: expected '=' after a key"),
    ("seeds = 3", "seeds = 3\nseeds = 4", "seeds = 4", "each key may appear once"),
    ('"Is 0.01 better than 0.1?"', "Is 0.01 better", "question", "text needs quotation marks"),
]  # fmt: skip


@pytest.mark.parametrize(("right", "wrong", "at", "said"), WRONG)
def test_what_is_wrong_is_said_with_its_line_and_what_is_right(right: str, wrong: str, at: str, said: str, tmp_path: Path) -> None:
    assert right in GOOD
    text = GOOD.replace(right, wrong, 1)
    word, _, below = at.partition("|")
    line = next(number for number, content in enumerate(text.splitlines(), 1) if word in content) + int(below or 0)
    with pytest.raises(SpecError) as caught:
        made(tmp_path, text)
    message = str(caught.value)
    assert said in message
    assert re.match(rf"study {re.escape(str(tmp_path / 'mine.toml'))}, line {line}(, column \d+)?: ", message)
    assert "\n" not in message


def test_epochs_that_a_presets_steps_would_override_are_refused(tmp_path: Path) -> None:
    text = 'title = "t"\nquestion = "q"\n[[setting]]\nname = "a"\npreset = "rnn-32"\nset = { "training.epochs" = 2 }\n'
    with pytest.raises(SpecError, match=r"line 6: training.epochs has no effect here: preset rnn-32 has training.steps = 30000"):
        made(tmp_path, text)
    assert made(tmp_path, text.replace("= 2 }", '= 2, "training.steps" = "none" }')).settings["a"].spec.training.steps is None


def test_toml_that_is_none_is_said_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"mine.toml, line 2, column 12: not valid TOML: invalid value"):
        made(tmp_path, 'title = "x"\nquestion = \n')
    with pytest.raises(SpecError, match=r"mine.toml, line 2: not valid TOML: a bracket or a text is not closed"):
        made(tmp_path, 'title = "x"\nnotes = [\n\n')


def test_a_file_of_another_encoding_is_said_with_its_line_and_one_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(GOOD.replace("Is 0.01", "\xef").encode("latin-1"))
    with pytest.raises(SpecError, match=r"mine.toml, line 2: byte 0xef is not valid UTF-8: save the file as UTF-8"):
        read(tmp_path / "mine.toml")
    (tmp_path / "mine.toml").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert read(tmp_path / "mine.toml").title == "Which rate?"


@pytest.mark.parametrize("values", ["[" * 5000 + "]" * 5000, "9" * 5000], ids=["nested", "digits"])
def test_what_toml_cannot_hold_is_refused(values: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"mine.toml: (a number in it is too long|it is nested too deeply)"):
        made(tmp_path, f"title = {values}\n")


def test_what_cannot_be_opened_says_what_else_to_name(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"is a directory: name a \.toml file in it"):
        read(tmp_path)
    with pytest.raises(SpecError, match=r"nowhere\.toml is not there"):
        study(str(tmp_path / "nowhere.toml"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(GOOD)
    (tmp_path / "mine.toml").chmod(0)
    with pytest.raises(SpecError, match=r"cannot be read: Permission denied: check its permissions"):
        read(tmp_path / "mine.toml")


def test_a_file_without_settings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="there is nothing to run"):
        made(tmp_path, 'title = "x"\nquestion = "y"\n')


def own(name: str, text: str) -> Path:
    folder = platformdirs.user_config_path("convtui") / "studies"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.toml").write_text(text)
    return folder / f"{name}.toml"


def test_ones_own_studies_are_found_by_name_and_win_and_a_bad_one_keeps_no_other_from_being_used() -> None:
    own("rates", GOOD)
    bad = own("broken", "title = ")
    assert study("rates").title == "Which rate?"
    assert isinstance(studies()["rates"], Study)
    assert str(bad) in str(studies()["broken"])
    with pytest.raises(UsageError, match=r"unknown study 'rate' \(did you mean rates\?\)"):
        study("rate")


def test_a_study_can_be_named_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here.toml").write_text(GOOD)
    assert study(str(tmp_path / "here.toml")).name == "here"
    monkeypatch.chdir(tmp_path)
    assert study("here.toml").name == "here"
    with pytest.raises(UsageError, match=r"unknown study 'here', but there is a file of that name: write here\.toml"):
        study("here")


@pytest.mark.parametrize("name", sorted(studies()))
def test_every_shipped_study_can_be_read(name: str) -> None:
    assert study(name).settings


def test_hundreds_of_settings_read_the_preset_that_they_begin_with_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []

    def counted(name: str) -> Preset:
        names.append(name)
        return preset(name)

    monkeypatch.setattr(parsing, "preset", counted)
    settings = "".join(f'[[setting]]\nname = "s{number}"\npreset = "{"rnn" if number % 2 else "demo"}"\n' for number in range(20))
    (tmp_path / "many.toml").write_text(f'title = "many"\nquestion = "?"\n{settings}')
    assert len(read(tmp_path / "many.toml").settings) == 20
    assert sorted(names) == ["demo", "rnn"]
