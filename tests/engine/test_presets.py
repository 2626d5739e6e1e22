"""Presets: the shipped ones are what the reports had, one's own win, a bad file is named."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from convtui.engine.errors import SpecError, UsageError
from convtui.engine.models import check
from convtui.engine.presets import own_preset_file, own_presets, preset, presets, save_preset
from convtui.engine.spec import changed, hyperparameters, make, read, written


def test_lenet5_is_report_002s_net() -> None:
    spec = preset("lenet5").spec
    # By hand: 5x5x1x32+32, 5x5x32x64+64, 4096x1024+1024, 1024x10+10.
    assert check(spec).parameters == 832 + 51_264 + 4_195_328 + 10_250 == 4_257_674
    assert (spec.data.source, spec.data.colour, spec.data.size, spec.data.batch_size) == ("cifar10", "grey", 32, 128)
    assert (spec.optimiser.name, spec.optimiser.learning_rate, spec.training.epochs) == ("adam", 1e-4, 10)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        # Report 003's own figures: convolutions and dense layers; batch norm adds a scale and a shift a map.
        ("cs7015", 960_896 + 5_255_178),
        ("cs7015-he", 6_216_074),
        ("cs7015-bn", 6_216_074 + 2 * (64 + 128 + 256 + 256)),
        # 28x28 pooled twice are 7x7.
        ("lenet5-28", 832 + 51_264 + 7 * 7 * 64 * 1024 + 1024 + 10_250),
        ("lenet5-28-decay", 832 + 51_264 + 7 * 7 * 64 * 1024 + 1024 + 10_250),
        # Gates (of torch's two biases each) by units by row and state, twice; a dense output.
        ("rnn", 30 * (28 + 30 + 2) + 30 * (30 + 30 + 2) + 310),
        ("gru", 3 * 30 * (28 + 30 + 2) + 3 * 30 * (30 + 30 + 2) + 310),
        ("lstm", 4 * 30 * (28 + 30 + 2) + 4 * 30 * (30 + 30 + 2) + 310),
        ("gru-128", 3 * 128 * (28 + 128 + 2) + 1290),
        ("lstm-64", 4 * 64 * (28 + 64 + 2) + 650),
        ("two-filters", 2 * 785 + 2 * 3),
        ("sixteen-a", 16 * 50 + 22 * 22 * 16 * 10 + 10),
        ("sixteen-b", 16 * 50 + 22 * 22 * 16 * 128 + 128 + 1290),
    ],
)
def test_the_reports_nets_by_hand(name: str, parameters: int) -> None:
    assert check(preset(name).spec).parameters == parameters


def test_report_004s_slopes_leaks_and_ends() -> None:
    slopes = {name: preset(name).spec.model.slope for name in ("sixteen-a-sigmoid", "sixteen-b-sigmoid", "sixteen-b-tanh")}
    assert slopes == {"sixteen-a-sigmoid": (0.7, 0.05), "sixteen-b-sigmoid": (0.7, 0.7, 0.05), "sixteen-b-tanh": (0.5,)}
    for spec in (preset(name).spec for name in presets() if name.startswith(("two-", "sixteen-"))):
        assert spec.model.output_activation == spec.model.activation
        assert (spec.training.loss, spec.data.batch_size, spec.training.epochs) == ("sum_squares", 1, 200)
    for name in (name for name in presets() if name.startswith("sixteen-")):
        assert (preset(name).spec.data.train_per_class, preset(name).spec.data.test_per_class) == (100, 100)
        assert preset(name).spec.data.standardise
    for name in (name for name in presets() if name.startswith("two-")):
        # 100 images in all, whose accuracies are whole per cents; normalised from the third part on only.
        assert (preset(name).spec.data.train_per_class, preset(name).spec.data.test_per_class) == (50, 50)
        assert not preset(name).spec.data.standardise


@pytest.mark.parametrize("name", sorted(presets()))
def test_every_preset_says_what_it_is_and_can_be_built(name: str) -> None:
    assert preset(name).summary
    assert check(preset(name).spec).parameters > 0


def test_an_unknown_preset_is_answered_with_the_nearest() -> None:
    with pytest.raises(SpecError, match=r"did you mean lenet5\?"):
        preset("lenet")


def own(name: str, text: str) -> None:
    folder = platformdirs.user_config_path("convtui") / "presets"
    folder.mkdir(parents=True)
    (folder / f"{name}.toml").write_text(text)


def test_ones_own_preset_wins_over_the_shipped_one() -> None:
    own("lenet5", 'summary = "mine"\n[training]\nepochs = 3\n')
    assert preset("lenet5").summary == "mine"
    assert preset("lenet5").spec.training.epochs == 3


@pytest.mark.parametrize("text", ["[model\n", "[model]\nactivaton = 'tanh'\n", "[training]\nepochs = -1\n"])
def test_a_bad_preset_names_its_file(text: str) -> None:
    own("mine", text)
    with pytest.raises(SpecError, match=str(Path("presets") / "mine.toml")):
        preset("mine")
    assert isinstance(presets()["mine"], SpecError)
    assert preset("lenet5").summary, "one's own mistake must not keep the others from being used"


def test_a_preset_of_ones_own_reads_back_as_it_was_written() -> None:
    spec = changed(
        preset("lenet5").spec,
        {
            "model.conv_blocks": "16 3x3 stride 2 pad 1 bn pool 3/2, 8 1x1",
            "model.dense_blocks": "64 dropout 0.25",
            "data.source": 'folder:/a "b"\\ü',
            "optimiser.learning_rate": 1e-5,
            "training.steps": 12,
        },
    )
    save_preset(own_preset_file("mine"), spec, "lenet5")
    found = preset("mine")
    assert found.spec == spec
    assert found.summary == "modified from lenet5"
    assert found.file.parent == own_presets()
    save_preset(own_preset_file("copy"), spec, "mine")
    assert preset("copy").summary == "same as mine"


def test_every_shipped_preset_and_the_defaults_can_be_kept() -> None:
    for spec in (make({}), preset("demo").spec, preset("lenet5").spec):
        save_preset(own_preset_file("again"), spec, "")
        assert preset("again").spec == spec
        assert [written(read(preset("again").spec, field.path)) for field in hyperparameters()]


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "two words"])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="a preset's name"):
        own_preset_file(name)


def test_presets_are_in_the_order_of_their_names() -> None:
    shipped = list(presets())
    assert shipped == sorted(shipped)
    assert shipped.index("lenet5") < shipped.index("lenet5-28")
