"""Which runs are wanted."""

from __future__ import annotations

from pathlib import Path

import pytest

from convtui.engine.errors import DataError, UsageError
from convtui.engine.spec import DataSpec, RunSpec, changed, difference
from convtui.engine.study import Study, plan
from convtui.engine.study.parsing import read
from convtui.engine.study.plan import scaled

TEXT = """
title = "t"
question = "q"
seeds = 2
[[setting]]
name = "one"
preset = "lenet5"
[[setting]]
name = "two"
preset = "rnn-32"
seeds = 1
[[setting]]
name = "three"
preset = "rnn"
set = { "training.seed" = 40 }
"""


@pytest.fixture
def study(tmp_path: Path) -> Study:
    (tmp_path / "s.toml").write_text(TEXT)
    return read(tmp_path / "s.toml")


def thousand(_data: DataSpec) -> int:
    return 1000


def test_every_setting_comes_with_its_first_seed_before_any_with_its_second(study: Study) -> None:
    wanted = plan(study, images=thousand)
    assert [(one.setting, one.seed, one.name) for one in wanted] == [
        ("one", 0, "s/one#0"),
        ("two", 0, "s/two"),
        ("three", 40, "s/three#40"),
        ("one", 1, "s/one#1"),
        ("three", 41, "s/three#41"),
    ]
    assert all(one.spec.training.seed == one.seed for one in wanted)
    assert difference(wanted[0].spec, wanted[3].spec) == {"training.seed": ("0", "1")}


def test_only_seeds_and_patterns(study: Study) -> None:
    assert [one.name for one in plan(study, only=["t*"], seeds=1, images=thousand)] == ["s/two", "s/three"]
    assert [one.seed for one in plan(study, only=["two"], seeds=3, images=thousand)] == [0, 1, 2]
    with pytest.raises(UsageError, match=r"no setting 'thre' \(did you mean three\?\)"):
        plan(study, only=["one", "thre"], images=thousand)


def test_of_many_settings_a_message_lists_the_first(tmp_path: Path) -> None:
    rows = "".join(f'[[setting]]\nname = "s{number}"\npreset = "lenet5"\n' for number in range(500))
    (tmp_path / "s.toml").write_text(f'title = "t"\nquestion = "q"\n{rows}')
    with pytest.raises(UsageError, match=r"no setting 'x': it has s0, s1, .*, s19 and 480 more$"):
        plan(read(tmp_path / "s.toml"), only=["x"], images=thousand)


@pytest.mark.parametrize(
    ("scale", "budgets"),
    [
        # lenet5 and rnn: 10 epochs of 1,000 images in batches of 128, 8 steps each; rnn-32: 30,000 steps.
        (1.0, [(10, None), (10, 30_000), (10, None)]),
        (0.5, [(5, None), (10, 15_000), (5, None)]),
        (0.14, [(1, None), (10, 4_200), (1, None)]),
        (0.05, [(1, 4), (10, 1_500), (1, 4)]),
        (0.000001, [(1, 1), (10, 1), (1, 1)]),
        (2.0, [(20, None), (10, 60_000), (20, None)]),
    ],
)
def test_a_scale_is_a_factor_on_the_budget(study: Study, scale: float, budgets: list[tuple[int, int | None]]) -> None:
    wanted = plan(study, scale=scale, seeds=1, images=thousand)
    assert [(one.spec.training.epochs, one.spec.training.steps) for one in wanted] == budgets


def test_a_budget_in_images_is_scaled_in_images() -> None:
    spec = changed(RunSpec(), {"training.images": 300_000})
    assert difference(spec, scaled(spec, 0.1, thousand)) == {"training.images": ("300000", "30000")}


def test_a_source_is_replaced_where_it_is_wanted_by_a_place_that_is_the_same_from_anywhere(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = plan(study, seeds=1, sources={"cifar10": "folder:c.zip"}, images=thousand)
    assert [one.spec.data.source for one in wanted] == [f"folder:{tmp_path / 'c.zip'}", "mnist", "mnist"]
    with pytest.raises(UsageError, match=r"does not use 'cifar' \(did you mean cifar10\?\): it uses cifar10, mnist"):
        plan(study, sources={"cifar": "shapes"}, images=thousand)
    with pytest.raises(DataError, match="unknown dataset"):
        plan(study, sources={"cifar10": "nothing"}, images=thousand)
