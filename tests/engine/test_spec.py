"""RunSpec: what a wrong value is answered with, what paths and notations mean."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convtui.engine.errors import SpecError
from convtui.engine.spec import (
    ConvBlock,
    DenseBlock,
    RunSpec,
    changed,
    difference,
    hyperparameters,
    make,
    parse_setting,
    read,
    written,
)
from convtui.engine.spec.choices import Activation


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"model.activation": "rellu"},
            f"model.activation = rellu is not one of {', '.join(get_args(Activation))} (did you mean relu?)",
        ),
        (
            {"optimiser.learning_rate": 20},
            "optimiser.learning_rate = 20 is out of bounds: it must be <= 10; the nearest valid value is 10",
        ),
        ({"optimiser.learning_rate": 0}, "optimiser.learning_rate = 0 is out of bounds: it must be > 0"),
        ({"data.batch_size": 0}, "data.batch_size = 0 is out of bounds: it must be >= 1; the nearest valid value is 1"),
        ({"data.batch_size": 1.5}, "data.batch_size = 1.5 is not a whole number"),
        ({"data.batch_size": "many"}, "data.batch_size = many is not a whole number"),
        ({"optimiser.learning_rate": float("nan")}, "optimiser.learning_rate = nan is not a finite number"),
        ({"data.standardise": "perhaps"}, "data.standardise = perhaps is not true or false"),
        ({"model.activaton": "tanh"}, "unknown hyperparameter 'model.activaton' (did you mean model.activation?)"),
        ({"model.conv_blocks.0.filters": 0}, "model.conv_blocks.0.filters = 0 is out of bounds"),
        ({"model.conv_blocks.7.filters": 3}, "unknown hyperparameter 'model.conv_blocks.7.filters'"),
        ({"model.conv_blocks": "32 by 5"}, "model.conv_blocks.0 = 32 by 5 is not a block: write FILTERS KxK"),
        ({"model.conv_blocks": "32 5x5 maxpool 2"}, "is not a block from 'maxpool 2' on (did you mean pool?): write FILTERS"),
        ({"model.conv_blocks": "32 5x5 padding 2 bn"}, "is not a block from 'padding 2 bn' on (did you mean pad?): write FILTERS"),
        ({"model.conv_blocks": "32 5x5 bn bn"}, "is not a block from 'bn' on: write FILTERS"),
        ({"model.conv_blocks": "32 5x5 pool 2 avg-pool 2"}, "is not a block from 'avg-pool 2' on: write FILTERS"),
        (
            {"model.conv_blocks": "32 5x5 dilation 65"},
            "dilation = 65 is out of bounds: it must be <= 64; the nearest valid value is 64",
        ),
        ({"model.conv_blocks": "32 5x5 groups 0"}, "groups = 0 is out of bounds: it must be >= 1; the nearest valid value is 1"),
        ({"model.conv_blocks": "32 5x5 dropout 1"}, "model.conv_blocks.0.dropout = 1 is out of bounds: it must be < 1"),
        (
            {"model.conv_blocks": "8 3x3, 8 5x5 dilation 2 stride 2 pad same"},
            "model.conv_blocks.1: pad same keeps the size of maps, which a stride of 2 does not: write pad 4",
        ),
        (
            {"model.conv_blocks": "8 4x3 pad same"},
            "model.conv_blocks.0: pad same puts as many zeros on either side, and a kernel of even sides has no middle: write 5x3",
        ),
        ({"model.conv_blocks": "8 5x5 pad 2 pad same"}, "model.conv_blocks.0: pad 2 and pad same are two paddings"),
        ({"model.conv_blocks": "8 5x5 skip"}, "is not a block from 'skip' on: write FILTERS"),
        (
            {"model.conv_blocks": "8 5x5 skip 33"},
            "model.conv_blocks.0.skip = 33 is out of bounds: it must be <= 32; the nearest valid value is 32",
        ),
        ({"model.conv_blocks": "8 5x5 pool 2 pool global"}, "model.conv_blocks.0: pool 2 and pool global are two pools"),
        (
            {"model.conv_blocks.0.pool_kind": "average"},
            "model.conv_blocks.0: pool_kind = average is about a pool, but there is none",
        ),
        ({"model.conv_blocks.0.pool_kind": "mean"}, "pool_kind = mean is not one of max, average"),
        ({"model.conv_blocks": "9 3x3 groups 3", "model.first_filters": "class_means"}, "in groups its filters see a part of them"),
        ({"model.dense_blocks": "ten"}, "model.dense_blocks.0 = ten is not a block: write UNITS"),
        ({"model.leak": True}, "model.leak = true is not a comma-separated list"),
        ({"model.first_filters": "class_means", "model.conv_blocks": "none"}, "model.first_filters = class_means is about conv1"),
        ({"data.classes": "1, 3, 1"}, "data.classes = 1, 3, 1 names a class twice"),
        ({"data.classes": "3"}, "data.classes = 3 is one class"),
        ({"data.width": 3}, "data.width = 3 is out of bounds: it must be 0 or >= 4; the nearest valid value is 4"),
        ({"data.width": 513}, "data.width = 513 is out of bounds: it must be <= 512; the nearest valid value is 512"),
        ({"data.size": 16, "data.width": 8, "data.shift": 8}, "data.shift = 8 shifts images of 8 pixels out of view"),
        ({"data.size": 8, "data.shift": 8}, "data.shift = 8 shifts images of 8 pixels out of view"),
        ({"model.cell": "gru"}, "model.cell = gru reads the image itself"),
        ({"training.patience": 3}, "training.patience = 3 stops on the validation loss, but data.validation_fraction = 0"),
        ({"optimiser.momentum": 0.9}, "optimiser.momentum = 0.9 applies to sgd, nesterov and rmsprop only"),
        ({"optimiser.warmup_epochs": 2.0}, "optimiser.warmup_epochs = 2 applies to the cosine schedule only"),
    ],
)
def test_a_bad_value_is_named_with_its_bound_and_the_nearest_choice(changes: dict[str, object], said: str) -> None:
    with pytest.raises(SpecError) as caught:
        changed(make({"model": {"conv_blocks": ["8 3x3"]}}), changes)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_all_bad_values_are_told_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        changed(RunSpec(), {"data.batch_size": 0, "model.leak": 2})
    assert "data.batch_size" in str(caught.value)
    assert "model.leak" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("model.activation=tanh", "model.activation", "tanh"),
        ("data.batch_size=32", "data.batch_size", 32),
        ("model.leak = 0.1", "model.leak", 0.1),
        ("data.standardise=false", "data.standardise", False),
        ("data.source=folder:/a=b", "data.source", "folder:/a=b"),
        ("model.conv_blocks=8 3x3 pad 1, 16 3x3", "model.conv_blocks", "8 3x3 pad 1, 16 3x3"),
        ("model.dense_blocks=[64, 32]", "model.dense_blocks", [64, 32]),
    ],
)
def test_settings_are_read_as_people_write_them(text: str, path: str, value: object) -> None:
    assert parse_setting(text) == (path, value)
    changed(make({"model": {"conv_blocks": ["8 3x3"]}}), {path: value})


def test_a_setting_without_a_value_is_refused() -> None:
    with pytest.raises(SpecError, match=r"write PART\.NAME=VALUE"):
        parse_setting("model.activation")


blocks = st.builds(
    ConvBlock,
    filters=st.integers(1, 4096),
    kernel=st.integers(1, 512),
    stride=st.integers(1, 16),
    padding=st.integers(0, 128),
    batch_norm=st.booleans(),
    kernel_width=st.integers(0, 512),
    dilation=st.integers(1, 64),
    groups=st.integers(1, 4096),
    bias=st.booleans(),
    skip=st.integers(0, 32),
    pool=st.integers(0, 16),
    pool_stride=st.integers(0, 16),
    dropout=st.floats(0, 0.99),
)
more_blocks = st.builds(
    ConvBlock,
    same=st.just(True),
    pool=st.integers(1, 16),
    pool_kind=st.just("average"),
) | st.builds(ConvBlock, global_pool=st.just(True), pool_kind=st.sampled_from(["max", "average"]), bias=st.booleans())


@given(st.lists(blocks | more_blocks, max_size=4))
def test_the_notation_of_blocks_reads_back_as_what_was_written(drawn: list[ConvBlock]) -> None:
    spec = make({"model": {"conv_blocks": drawn}})
    assert changed(RunSpec(), {"model.conv_blocks": written(spec.model.conv_blocks)}) == spec


dense_blocks = st.builds(
    DenseBlock, units=st.integers(1, 65536), bias=st.booleans(), batch_norm=st.booleans(), dropout=st.floats(0, 0.99)
)


@given(st.lists(dense_blocks, max_size=4))
def test_so_does_that_of_dense_ones(drawn: list[DenseBlock]) -> None:
    spec = make({"model": {"dense_blocks": drawn}})
    assert changed(RunSpec(), {"model.dense_blocks": written(spec.model.dense_blocks)}) == spec


def test_none_is_nothing_of_a_list_and_a_choice_where_there_is_one() -> None:
    spec = make({"model": {"cell": "gru"}, "data": {"classes": [1, 3]}, "training": {"steps": 5}})
    cleared = changed(spec, {"model.cell": "none", "data.classes": "none", "training.steps": "none"})
    assert cleared == RunSpec()
    assert spec.data.classes == ("1", "3")


def test_what_the_first_version_kept_of_a_run_means_what_it_did() -> None:
    kept = {"model": {"dense_blocks": [{"units": 8, "dropout": 0.5}], "activation": "leaky_relu", "leak": 0.1, "init": "he"}}
    spec = make(kept | {"data": {"source": "mnist", "order": "fixed"}})
    model, data = spec.model, spec.data
    assert (data.sides, changed(spec, {"data.width": 32}) == spec) == ((32, 32), True)
    assert (model.leak, model.slope, model.output_activation, model.cell) == ((0.1,), (1.0,), "none", "none")
    assert (data.classes, data.fit, data.flip, data.shift, data.cutout) == ((), "resize", False, 0, 0)


def test_a_block_that_an_earlier_version_kept_is_the_one_of_the_same_words() -> None:
    kept = {"filters": 16, "kernel": 3, "stride": 2, "padding": 1, "batch_norm": True, "pool": 3, "pool_stride": 2}
    dense = {"units": 8, "batch_norm": False, "dropout": 0.5}
    spec = make({"model": {"conv_blocks": [kept], "dense_blocks": [dense]}})
    assert spec == make({"model": {"conv_blocks": "16 3x3 stride 2 pad 1 bn pool 3/2", "dense_blocks": "8 dropout 0.5"}})
    assert written(spec.model.conv_blocks) == "16 3x3 stride 2 pad 1 bn pool 3/2"


def test_the_words_of_a_block_come_in_any_order_and_are_written_in_one() -> None:
    spec = make(
        {"model": {"conv_blocks": "32 3x5 dropout 0.2 no-bias avg-pool 2 groups 2 dilation 2 pad same, 8 3 pool global bn"}}
    )
    first, second = spec.model.conv_blocks
    assert str(first) == "32 3x5 pad same dilation 2 groups 2 no-bias avg-pool 2 dropout 0.2"
    assert str(second) == "8 3x3 bn pool global"
    assert (first.kernel_sides, second.kernel_sides) == ((3, 5), (3, 3))
    assert ConvBlock(kernel=3, kernel_width=3, pool=2, pool_stride=2) == ConvBlock(kernel=3, pool=2)


def test_overlapping_pools_have_a_notation() -> None:
    (block,) = make({"model": {"conv_blocks": "16 3x3 stride 2 pad 1 bn pool 3/2"}}).model.conv_blocks
    assert block == ConvBlock(filters=16, kernel=3, stride=2, padding=1, batch_norm=True, pool=3, pool_stride=2)


def test_every_value_written_out_is_taken_back() -> None:
    spec = make({"model": {"conv_blocks": ["8 5x5"], "dense_blocks": ["32 dropout 0.25"]}, "optimiser": {"learning_rate": 1e-4}})
    settings = [f"{field.path}={written(read(spec, field.path))}" for field in hyperparameters()]
    assert changed(RunSpec(), dict(parse_setting(text) for text in settings)) == spec


def test_the_difference_of_two_runs_names_what_differs_and_nothing_else() -> None:
    before = RunSpec()
    after = changed(before, {"model.activation": "tanh", "optimiser.learning_rate": 0.01})
    assert difference(before, after) == {"model.activation": ("relu", "tanh"), "optimiser.learning_rate": ("0.001", "0.01")}
    assert difference(before, before) == {}


def test_every_hyperparameter_has_help_and_every_number_has_bounds() -> None:
    for field in hyperparameters():
        assert field.help, field.path
        if field.kind in (int, float):
            assert field.bounds, field.path


def test_a_spec_survives_json_to_the_last_bit() -> None:
    spec = changed(RunSpec(), {"optimiser.learning_rate": 0.1 + 0.2, "model.conv_blocks": "8 3x3 pool 2"})
    assert RunSpec.model_validate_json(spec.model_dump_json()) == spec


def test_measures_are_written_in_one_line_each_once_and_a_wrong_one_is_named() -> None:
    spec = changed(RunSpec(), {"training.measures": "gradient_norm,  dead , gradient_norm"})
    assert spec.training.measures == ("gradient_norm", "dead")
    assert written(spec.training.measures) == "gradient_norm, dead"
    assert changed(spec, {"training.measures": "none"}).training.measures == ()
    with pytest.raises(SpecError, match=r"training\.measures\.1 = ded is not one of .*\(did you mean dead\?\)"):
        changed(spec, {"training.measures": "gradient_norm, ded"})


def test_nesterov_without_momentum_is_refused_with_what_to_do() -> None:
    with pytest.raises(SpecError, match=r"set optimiser\.momentum \(e\.g\. 0\.9\)"):
        changed(RunSpec(), {"optimiser.name": "nesterov"})


def test_images_shown_count_an_epochs_short_last_batch_as_it_is() -> None:
    spec = changed(RunSpec(), {"data.batch_size": 32})
    assert spec.images_in(7, 200) == 200  # six batches of 32 and one of 8
    assert spec.images_in(8, 200) == 232
    assert spec.images_in(15, 200) == 432
    assert spec.images_in(0, 200) == 0


@pytest.mark.parametrize(
    ("images", "steps"),
    [(1, 1), (32, 1), (33, 2), (192, 6), (193, 7), (200, 7), (201, 8), (232, 8), (233, 9), (400, 14)],
)
def test_a_budget_in_images_ends_with_the_step_that_shows_the_last_of_them(images: int, steps: int) -> None:
    spec = changed(RunSpec(), {"data.batch_size": 32, "training.images": images})
    assert spec.total_steps(200) == steps  # an epoch of 200 images is six batches of 32 and one of 8
    assert spec.images_in(steps - 1, 200) < images <= spec.images_in(steps, 200)


def test_one_budget_takes_the_place_of_epochs_and_two_are_refused() -> None:
    spec = changed(RunSpec(), {"data.batch_size": 32, "training.epochs": 3})
    assert spec.total_steps(200) == 21
    assert changed(spec, {"training.steps": 5}).total_steps(200) == 5
    with pytest.raises(SpecError, match=r"^training\.steps = 5 and training\.images = 100 are two budgets: set one"):
        changed(spec, {"training.steps": 5, "training.images": 100})
    with pytest.raises(SpecError, match=r"training\.images = 0 is out of bounds"):
        changed(spec, {"training.images": 0})
    assert changed(spec, {"training.images": 100}).training.images == 100
    assert changed(changed(spec, {"training.images": 100}), {"training.images": "none"}) == spec


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (f"training.epochs={'9' * 5000}", "training.epochs = 999"),
        (f"training.epochs=0x{'9' * 5000}", "training.epochs = a value that is too long to show is out of bounds"),
        ("training.epochs=3\nx = 2", r"training.epochs = 3\nx = 2 is not a whole number"),
        ("model.activation=a\r\n\x1b[31m\u2028b", r"model.activation = a\r\n\x1b[31m\u2028b is not one of"),
        (f"model.activation={'x' * 100_000}", "…"),
        (f"model.activation={'[' * 5000}", "…"),
        (f"data.classes=a{'b' * 5000}, a{'b' * 5000}", "names a class twice"),
        ("x\ny.z=1", "unknown hyperparameter"),
        (f"{'x' * 5000}=1", "unknown hyperparameter"),
        ("a\nb" * 5000, "write PART.NAME=VALUE"),
    ],
    ids=["digits", "hexadecimal", "a second key", "controls", "long", "nested", "classes", "odd path", "long path", "no value"],
)
def test_a_wrong_value_is_quoted_in_one_short_line(setting: str, said: str) -> None:
    with pytest.raises(SpecError) as told:
        changed(RunSpec(), dict([parse_setting(setting)]))
    assert said in str(told.value)
    assert not {"\n", "\r", "\x1b", "\u2028"} & set(str(told.value))
    assert len(str(told.value)) < 400


def test_a_group_that_is_text_is_told_in_one_short_line() -> None:
    for text in ("a\nb\r\nc", "9" * 5000):
        with pytest.raises(SpecError, match=r"^training = .* is not a group of hyperparameters$") as told:
            make({"training": text})
        assert len(str(told.value)) < 400


@pytest.mark.parametrize(
    ("setting", "meant"),
    [
        ("optimiser.name=AdamW", "adamw"),
        ("optimiser.name=SGD", "sgd"),
        ("model.activation=ReLU", "relu"),
        ("optimiser.lr=0.1", "optimiser.learning_rate"),
        ("lr=0.1", "optimiser.learning_rate"),
        ("optimizer.learning_rate=0.1", "optimiser.learning_rate"),
        ("training.batch_size=4", "data.batch_size"),
        ("data.batch-size=4", "data.batch_size"),
        ("model.init=Kaiming", "he"),
        ("model.activation=Swish", "silu"),
    ],
)
def test_other_spellings_and_other_programs_words_have_their_nearest_right_one(setting: str, meant: str) -> None:
    path, value = parse_setting(setting)
    with pytest.raises(SpecError, match=re.escape(f"(did you mean {meant}?)")):
        changed(RunSpec(), {path: value})
