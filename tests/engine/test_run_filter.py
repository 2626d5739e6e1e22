"""The filter language: against an oracle that knows no grammar, and in the words of its documentation."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from convtui.engine.run_filter import BadFilter, KnownOfRuns, parsed_filter, searchable, tags
from convtui.engine.spec import RunSpec, changed, hyperparameters, read, written
from convtui.engine.store import Store, read_measures, read_settings
from tests.harness.rows import set_columns


@dataclass(frozen=True)
class Told:
    """A run, as a store's table tells it."""

    id: int
    name: str = "baseline"
    preset: str = "lenet5"
    data: str = "cifar10"
    status: str = "finished"
    note: str = ""
    device: str = "cpu"
    epoch: int = 10
    accuracy: float | None = 0.65
    best: float | None = 0.66
    loss: float | None = 1.0
    seconds: float = 60.0

    @property
    def searched(self) -> str:
        return searchable(self.name, self.preset, self.data, self.note)


RUNS = (
    Told(1, "baseline", note="for the write-up #report"),
    Told(2, "bn", accuracy=0.75, best=0.75),
    Told(3, "hot", status="diverged", accuracy=0.3, best=0.31, epoch=2, loss=float("nan")),
    Told(4, "half", status="stopped", epoch=5, note="#Report, #second"),
    Told(5, "large", status="failed", epoch=0, accuracy=None, best=None, loss=None),
    Told(6, "script", preset="", data="folder:x", device="cuda:0"),
)
KNOWN = KnownOfRuns(
    settings={
        1: {"optimiser.learning_rate": 1e-3, "model.activation": "relu", "data.batch_size": 32, "data.standardise": True},
        2: {"optimiser.learning_rate": 1e-2, "model.activation": "tanh", "data.batch_size": 64, "data.standardise": True},
        3: {"optimiser.learning_rate": 0.5, "model.activation": "leaky_relu", "data.batch_size": 64, "data.standardise": True},
        4: {"optimiser.learning_rate": 1e-4, "model.activation": "relu", "data.batch_size": 1, "data.standardise": True},
        6: {"lr": 0.05, "arch": "ResNet-18", "layers": [1, 2]},
    },
    measures={"test_accuracy": {1: (0.64,), 2: (0.95,), 6: (0.5,)}, "dead": {1: (0.1, 0.6), 2: (0.2,)}, "val/acc": {6: (0.5,)}},
)


def found(text: str) -> list[int]:
    asked = parsed_filter(text)
    return [run.id for run in RUNS if asked(run, KNOWN)]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", [1, 2, 3, 4, 5, 6]),
        ("bn", [2]),
        ("LENET cifar write", [1]),
        ("status:fin", [1, 2, 6]),
        ("-status:fin", [3, 4, 5]),
        ("acc>0.7", [2]),
        ("acc>70%", [2]),
        ("best>=60 acc<0.7", [1, 4, 6]),
        ("loss<=1", [1, 2, 4, 6]),
        ("NOT loss<=1", [3, 5]),
        ("epoch!=10", [3, 4, 5]),
        ("lr>=1e-3", [1, 2, 3, 6]),
        ("learning_rate=0.01 OR batch-size=32", [1, 2]),
        ("optimiser.lr<0.001", [4]),
        ("model.activation:tanh", [2]),
        ("activation:relu", [1, 4]),
        ("activation=relu", [1, 4]),
        ("activation!=relu", [2, 3]),
        ("standardise:true", [1, 2, 3, 4]),
        ("batch_size:64 -diverged NOT name:hot", [2]),
        ("test_accuracy>0.9", [2]),
        ("val/acc=50%", [6]),
        ("dead>0.5", [1]),
        ("dead>50", [1]),
        ("arch:resnet", [6]),
        ("arch=resnet-18", [6]),
        ("#report", [1, 4]),
        ("NOT #report", [2, 3, 5, 6]),
        ("#second", [4]),
        ("#rep", []),
        ("bn OR hot device:cpu OR #second", [2, 3, 4]),
        ("(bn OR hot) acc>0.5", [2]),
        ("NOT (bn OR hot OR half)", [1, 5, 6]),
        ("-(status:failed OR status:diverged) lr<1", [1, 2, 4, 6]),
        ("bn AND acc>0.7", [2]),
        ('note:"the write"', [1]),
        ('"lr>=1e-3"', []),
        ("bn or hot", []),
        ("http://x", []),
    ],
)
def test_finds_what_is_asked_for(text: str, ids: list[int]) -> None:
    assert found(text) == ids


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("acc>much", "acc> needs a number, e.g. acc>0.9"),
        ("lr>", "lr> needs a number"),
        ("test_accuracy>=", "needs a number"),
        ("status:bad", "no status starts with bad; use"),
        ("colour:red", "no colour starts with red; use grey, rgb"),
        ("activation>3", "activation is no number: activation:relu"),
        ("name>3", "name is text: name:WORD"),
        ("bn OR", "OR is between two conditions"),
        ("OR bn", "OR is between two conditions"),
        ("bn NOT", "NOT of what?"),
        ("-", "- of what?"),
        ("(bn", "( without )"),
        ("bn)", ") without ("),
        ("()", "( ) without a condition"),
        ("(" * 400 + "bn", "too many"),
        ("NOT " * 400 + "bn", "too many"),
    ],
)
def test_what_is_wrong_is_told_in_a_few_words(text: str, said: str) -> None:
    with pytest.raises(BadFilter) as error:
        parsed_filter(text)
    assert said in str(error.value)
    assert len(str(error.value)) <= 100


def test_every_beginning_of_a_filter_is_a_filter_or_told() -> None:
    """Somebody is typing."""
    whole = '(lr>=1e-3 OR model.activation:tanh) NOT "status" -#tag val/acc<50% #report note:"a b" ()'
    letters = [whole[start:end] for start in range(0, len(whole), 7) for end in range(start, len(whole))]
    told = 0
    for text in letters:
        try:
            found(text)
        except BadFilter:
            told += 1
    assert 0 < told < len(letters)


def test_names_that_nothing_has_are_told() -> None:
    ids = [run.id for run in RUNS]
    assert parsed_filter("arch:res val/acc>0 lr>1 test_accuracy>0").unknown(ids, KNOWN) == []
    assert parsed_filter("archi:res val/akk>0 bn").unknown(ids, KNOWN) == ["archi", "val/akk"]


def test_tags_are_words_that_begin_with_a_hash() -> None:
    assert tags("#One two#three #four-5, x #") == ["#one", "#four-5"]


# ------------------------------------------------------------------------------------------------------------- the oracle

Oracle = Callable[[Told], bool]
LEAVES: dict[str, Oracle] = {
    "bn": lambda run: "bn" in run.name,
    "status:stopped": lambda run: run.status == "stopped",
    "acc>=0.65": lambda run: run.accuracy is not None and run.accuracy >= 0.65,
    "lr>0.001": lambda run: {2: 1e-2, 3: 0.5, 6: 0.05}.get(run.id, 0) > 0.001,
    "activation:relu": lambda run: run.id in (1, 4),
    "#report": lambda run: run.id in (1, 4),
    "test_accuracy<0.6": lambda run: run.id == 6,
}


def some_filter(draw: random.Random, depth: int) -> tuple[str, Oracle]:
    """Its text, with no more brackets than it needs or with all of them, and what it means."""
    kind = draw.choice(["leaf", "not", "and", "or"]) if depth else "leaf"
    if kind == "leaf":
        text = draw.choice(list(LEAVES))
        return text, LEAVES[text]
    one, means_one = some_filter(draw, depth - 1)
    if kind == "not":
        return f"{draw.choice(['NOT ', '-'])}({one})", lambda run: not means_one(run)
    two, means_two = some_filter(draw, depth - 1)
    if kind == "or":
        return f"{one} OR {two}", lambda run: means_one(run) or means_two(run)
    glue = draw.choice([" ", " AND "])
    return f"({one}){glue}({two})", lambda run: means_one(run) and means_two(run)


def test_filters_find_what_a_slow_reading_finds() -> None:
    draw = random.Random(17)
    for _ in range(300):
        text, means = some_filter(draw, 4)
        assert found(text) == [run.id for run in RUNS if means(run)], text


# ------------------------------------------------------------------------------------------------------- from a store


def test_settings_by_path_are_those_of_the_spec(tmp_path: Path) -> None:
    changes = {
        "model.conv_blocks": "32 5x5 pad 2 pool 2, 64 3x3 bn",
        "model.slope": "0.5",
        "data.classes": "1,3",
        "training.steps": 7,
    }
    spec = changed(RunSpec(), changes)
    with Store.open(tmp_path / "store.db") as store:
        run = store.create_run(name="a", preset="", spec=spec, dataset="x")
        (by_path,) = read_settings(store, [run.id]).values()
        assert list(by_path) == [field.path for field in hyperparameters()]
        for path, value in by_path.items():
            assert _text(value) == written(read(spec, path)), path
        assert read_measures(store, [run.id], ["dead"]) == {"dead": {}}


def test_settings_that_nest_without_end_are_none(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.db") as store:
        for depth in (900, 100_000):
            run = store.create_run(name="deep", preset="", spec=RunSpec(), dataset="x")
            set_columns(store, run.id, spec='{"a":' * depth + "1" + "}" * depth, kind="script")
            assert len(read_settings(store, [run.id])[run.id]) <= 1


def _text(value: Any) -> str:
    return written(value) if not isinstance(value, str) else value
