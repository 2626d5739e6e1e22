"""Every view on nets as other people write them: a result, or the true reason why there is none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Result, Sheet, Table
from convtui.engine.lens.registry import View, view, views
from convtui.engine.lens.subject import Subject
from convtui.engine.models.outputs import answer
from tests.engine.lens.foreign import CLASSES, NETS
from tests.engine.lens.subjects import noise_images, subject_of
from tests.engine.lens.views.test_everywhere import FEW, OF_MAPS, assert_sound
from tests.tolerance import assert_close

NO_CONV = "the net has no convolutional layer; use 'saliency', 'statistics' or 'confusion'"
NO_FILTERS = "neither a 2-D convolution nor a dense layer that looks at the image itself"
REFUSED: dict[str, dict[str, str]] = {
    "mobilenet_v2": dict.fromkeys(("deconvnet", "guided"), r"features\.0\.2 \(hardtanh\) is not a ReLU"),
    "mobilenet_v3_small": dict.fromkeys(("deconvnet", "guided"), r"features\.0\.2 \(hardswish\) is not a ReLU"),
    "efficientnet_b0": dict.fromkeys(("deconvnet", "guided"), r"features\.0\.2 \(silu\) is not a ReLU"),
    "maxvit": dict.fromkeys(("deconvnet", "guided"), r"stem\.0\.2 \(gelu\) is not a ReLU"),
    "densenet121": {
        "deconvnet": r"transition1\.pool \(avg_pool2d\) is not a max-pool.*use guided or saliency.*; deconvnet serves "
        r"features\.transition1\.conv \(--layer\)"
    },
    "inception_v3": {"deconvnet": r"Mixed_5b \(avg_pool2d\) is not a max-pool.*use guided or saliency"},
    "regnet_y_400mf": {"deconvnet": r"avgpool \(adaptive_avg_pool2d\) is not a max-pool", "guided": r"\(sigmoid\) is not a ReLU"},
    "convnext_tiny": dict.fromkeys(("deconvnet", "guided"), r"\(layer_norm\) has no known way back"),
    "vit": {
        "guided": r"ln_1 \(layer_norm\) has no known way back by this rule; use saliency.*; guided serves conv_proj \(--layer\)"
    },
    "swin": {"guided": r"features\.0\.2 \(layer_norm\) has no known way back by this rule; use saliency"},
    "fused": {"guided": "scaled_dot_product_attention has no known way back"},
    "gru": {"guided": r"cell \(gru\) has no known way back"},
    "gru, batch first": {"guided": r"cell \(gru\) has no known way back"},
    "lstm both ways": {"guided": r"cell \(lstm\) has no known way back"},
    "encoder": {"guided": r"self_attn \(multi_head_attention_forward\) has no known way back"},
    "encoder, batch first": {"guided": r"self_attn \(multi_head_attention_forward\) has no known way back"},
}
for name in ("mobilenet_v3_small", "efficientnet_b0", "regnet_y_400mf", "maxvit"):
    REFUSED[name] |= {"transposed": r"\(mul\) has no known way back by this rule.*; transposed serves .* \(--layer\)"}
REFUSED["convnext_tiny"] |= {
    "transposed": r"features\.0\.1 \(layer_norm\) has no known way.*; transposed serves features\.0\.0 \(--layer\)"
}
for name in ("gru", "gru, batch first", "lstm both ways", "encoder", "encoder, batch first"):
    REFUSED[name] |= dict.fromkeys(("deconvnet", *OF_MAPS), NO_CONV) | {"filters": NO_FILTERS}
CELLS, TOKENS = ("gru", "gru, batch first", "lstm both ways"), ("vit", "swin", "fused", "encoder", "encoder, batch first")
"""Nets with recurrent layers, and with attention."""
for name in NETS:
    REFUSED.setdefault(name, {})["evolution"] = "weights of several epochs are needed, and 0 are kept"
    if name not in CELLS:
        REFUSED[name] |= dict.fromkeys(("hidden", "gates", "accuracy-by-row"), r"no recurrent layer \(RNN, LSTM, GRU\)")
    if name not in TOKENS:
        REFUSED[name]["attention"] = "attention is within windows" if name == "maxvit" else "the net has no attention layer"
REFUSED["lstm both ways"]["ablation"] = "no convolutional, dense or one-way recurrent layer"
OFTEN_RUN = ("resnet18", "mobilenet_v3_small", "vit", "swin", "fused", "gru", "lstm both ways", "encoder, batch first", "maxvit")
"""Of each kind one; the others are checked by make test-all."""
DEEP = [name for name in NETS if NETS[name].size >= 32 and name not in ("squeezenet1_0", "vit", "swin")]
OFTEN = ("ablation", "integrated", "invariance", "maximise", "occlusion", "probe", "transposed")
EACH = [name if name in OFTEN_RUN else pytest.param(name, marks=pytest.mark.long) for name in NETS]
ALWAYS = {"statistics", "activations", "confusion", "misclassified", "saliency", "summary"}


def subject_for(name: str, count: int = 6) -> Subject:
    """Its last image is of the first one's class, so that there are two of one."""
    foreign = NETS[name]
    subject = subject_of(foreign.net(), noise_images(count, channels=3, size=foreign.size), classes=CLASSES)
    subject.split("test").labels[-1] = 0
    return subject


def results(subject: Subject, name: str, **options: object) -> list[Result]:
    return view(name)(subject, view(name).make(options))


@pytest.mark.parametrize("name", EACH)
def test_every_view_shows_the_net_or_says_the_true_reason_and_changes_nothing(name: str) -> None:
    assert_shown(name, [look for look in views().values() if name not in DEEP or look.name not in OFTEN])


@pytest.mark.long
@pytest.mark.parametrize("name", DEEP)
def test_views_that_go_through_a_deep_net_many_times_show_it_and_change_nothing(name: str) -> None:
    assert_shown(name, [view(often) for often in OFTEN])


def assert_shown(name: str, looks: Sequence[View]) -> None:
    subject = subject_for(name)
    subject.net.train()
    before = {key: value.clone() for key, value in subject.net.state_dict().items()}
    random = torch.get_rng_state()
    assert not ALWAYS & set(REFUSED.get(name, {}))
    for look in looks:
        few = {option: value for option, value in FEW.items() if option in look.options.model_fields}
        if (words := REFUSED.get(name, {}).get(look.name)) is not None:
            with pytest.raises(NotApplicable, match=words):
                look(subject, look.make(few))
            continue
        for result in look(subject, look.make(few)):
            assert_sound(result)
    assert all(module.training for module in subject.net.modules())
    assert all(torch.equal(value, before[key]) for key, value in subject.net.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in subject.net.modules())
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("name", EACH)
def test_what_is_predicted_and_its_gradient_are_the_nets_own(name: str) -> None:
    subject = subject_for(name)
    images = noise_images(6, channels=3, size=NETS[name].size)
    net = NETS[name].net()
    seen = subject.seen(images).requires_grad_()
    with torch.compiler.set_stance("force_eager"):
        scores = answer(net(seen))
    assert scores is not None
    predictions = subject.predictions(images)
    assert_close(
        np.array([told.scores for told in predictions]), scores.double().softmax(1).detach().numpy(), 10**5, dtype=np.float32
    )
    label = int(scores[0].argmax())
    assert predictions[0].predicted == label
    (expected,) = torch.autograd.grad(scores[0, label], seen)
    sheet = results(subject, "saliency")[1]
    assert isinstance(sheet, Sheet)
    assert_close(sheet.tiles[0].pixels, expected[0].permute(1, 2, 0).numpy(), 10**5)


def given_by(subject: Subject, layer: str) -> Tensor:
    """What a module returns for all images, by a hook of its own."""
    found: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: object) -> None:
        tensor = answer(output)
        assert tensor is not None
        found.append(tensor)

    hook = subject.net.get_submodule(layer).register_forward_hook(keep)
    with torch.no_grad():
        subject.net(subject.seen(subject.images.test.images))
    hook.remove()
    return found[0]


UNITS_LAST = {
    "vit": ("encoder.layers.encoder_layer_0.mlp.0", 0),
    "encoder": ("encoder.layers.0.linear1", 1),
    "encoder, batch first": ("encoder.layers.1.linear2", 0),
    "convnext_tiny": ("features.1.0.block.3", 0),
    "swin": ("features.1.0.mlp.0", 0),
    "gru": ("cell", 1),
    "gru, batch first": ("cell", 0),
}
"""Layer, and the dimension of what it gives in which images are counted; its units are in the last."""


@pytest.mark.parametrize("name", UNITS_LAST)
def test_maps_and_units_are_found_in_whatever_dimension_they_are(name: str) -> None:
    subject = subject_for(name)
    layer, images = UNITS_LAST[name]
    given = given_by(subject, layer).movedim(images, 0)
    call = subject.trace.layer(layer)
    assert call.shape == (given.shape[-1], *given.shape[1:-1])
    *_, table = results(subject, "statistics", layer=layer)
    assert isinstance(table, Table)
    rows = [row for row in table.rows if row[1] in ("before", "output")]
    by_unit = given.double().flatten(0, -2).T
    means, deviations = ([row[list(table.columns).index(figure)] for row in rows] for figure in ("mean", "std"))
    assert_close(np.array(means, float), by_unit.mean(1).numpy(), 10**5, dtype=np.float32, magnitude=float(by_unit.abs().max()))
    assert_close(np.array(deviations, float), by_unit.std(1, correction=0).numpy(), 10**5, dtype=np.float32)
    sheet = results(subject, "activations", layer=layer, before=True, image="3")[1]
    assert isinstance(sheet, Sheet)
    one = given[3]
    shown = [one] if one.ndim == 2 else [one[..., unit] for unit in range(one.shape[-1])]
    assert len(sheet.tiles) == len(shown)
    for tile, expected in zip(sheet.tiles, shown, strict=True):
        assert_close(tile.pixels, expected.numpy(), 10**5, magnitude=float(given.abs().max()))


@pytest.mark.parametrize("name", ["encoder", "encoder, batch first"])
def test_attention_is_a_layer_too(name: str) -> None:
    subject = subject_for(name)
    given = given_by(subject, "encoder.layers.0.self_attn")
    table = results(subject, "statistics")[0]
    assert isinstance(table, Table)
    (row,) = [row for row in table.rows if row[0] == "encoder.layers.0.self_attn"]
    assert row[1] == "output"
    assert_close(np.array(row[2:5], float), np.array([given.min(), given.max(), given.mean()]), 10**5, dtype=np.float32)


@pytest.mark.parametrize("name", ["vit", "swin", "fused", "encoder", "encoder, batch first", "resnet18", "shufflenet_v2_x0_5"])
def test_multiply_adds_are_those_that_torch_counts(name: str) -> None:
    subject = subject_for(name)
    table = results(subject, "summary")[0]
    assert isinstance(table, Table)
    counter = FlopCounterMode(display=False)
    with counter:  # with gradients, so that attention is not one fused kernel, which torch does not count
        subject.net(torch.zeros(1, *subject.shape))
    total = dict(zip(table.columns, table.rows[-1], strict=True))
    assert total["multiply-adds"] == counter.get_total_flops() // 2
    assert total["parameters"] == sum(parameter.numel() for parameter in subject.net.parameters())
    assert not any("never called" in note for note in table.notes)
