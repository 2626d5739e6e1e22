"""Nets from specs: names, shapes, counts, how weights are drawn."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock

from convtui.engine.errors import SpecError
from convtui.engine.models import build, check, seed_filters, summarise
from convtui.engine.spec import ModelSpec, RunSpec, make
from tests.tolerance import assert_close, rounding


def model(**values: object) -> ModelSpec:
    return make({"model": values}).model


def test_layers_are_named_by_kind_and_order() -> None:
    spec = model(conv_blocks=["4 3x3 bn pool 2", "8 3x3"], dense_blocks=["16 dropout 0.5"])
    names = [name for name, _ in build(spec, channels=1, size=16, classes=3).named_children()]
    assert names == ["conv1", "bn1", "act1", "pool1", "conv2", "act2", "flatten", "dense1", "act3", "dropout1", "output"]


def test_shapes_and_counts_agree_with_arithmetic_by_hand() -> None:
    spec = model(conv_blocks=["4 3x3 stride 2 pad 1 bn pool 3/2"], dense_blocks=[10])
    summary = summarise(build(spec, channels=3, size=17, classes=5), (3, 17, 17))
    found = {layer.name: (layer.output, layer.weights, layer.biases, layer.neurons) for layer in summary.layers}
    assert found["conv1"] == ((4, 9, 9), 4 * 3 * 9, 4, 324)  # floor((17 + 2 - 3) / 2) + 1 = 9
    assert found["bn1"] == ((4, 9, 9), 4, 4, 0)
    assert found["pool1"] == ((4, 4, 4), 0, 0, 0)  # floor((9 - 3) / 2) + 1 = 4
    assert found["dense1"] == ((10,), 640, 10, 10)
    assert found["output"] == ((5,), 50, 5, 5)
    assert summary.neurons == 324 + 10 + 5


def test_lenet_5_with_its_own_average_pools_has_its_61706_parameters() -> None:
    spec = model(conv_blocks="6 5x5 pad same avg-pool 2, 16 5x5 avg-pool 2, 120 5x5", dense_blocks="84", activation="tanh")
    summary = summarise(build(spec, channels=1, size=28, classes=10), (1, 28, 28))
    assert summary.parameters == 61_706
    assert [layer.output for layer in summary.layers if layer.kind == "AvgPool2d"] == [(6, 14, 14), (16, 5, 5)]


BY_TORCH: dict[str, list[nn.Module]] = {
    "6 3x5": [nn.Conv2d(4, 6, (3, 5)), nn.ReLU()],
    "6 3x5 pad same dilation 2 avg-pool 3/2": [
        nn.Conv2d(4, 6, (3, 5), padding="same", dilation=2), nn.ReLU(), nn.AvgPool2d(3, 2)
    ],
    "6 4x4 pad same dilation 2 no-bias bn": [
        nn.Conv2d(4, 6, 4, padding="same", dilation=2, bias=False), nn.BatchNorm2d(6), nn.ReLU()
    ],
    "6 3x3 stride 2 pad 2 dilation 2 groups 2 pool 2 dropout 0.5": [
        nn.Conv2d(4, 6, 3, 2, 2, 2, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.5)
    ],
    "8 3x3 groups 4 avg-pool global": [nn.Conv2d(4, 8, 3, groups=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1)],
    "5 2x7 pool global": [nn.Conv2d(4, 5, (2, 7)), nn.ReLU(), nn.AdaptiveMaxPool2d(1)],
}  # fmt: skip


@pytest.mark.parametrize("words", BY_TORCH)
def test_a_block_is_what_torchs_modules_are_by_its_words(words: str) -> None:
    ours = build(model(conv_blocks=words), channels=4, size=11, classes=3).eval()
    theirs = nn.Sequential(*BY_TORCH[words], nn.Flatten(), nn.LazyLinear(3)).eval()
    images = torch.randn(2, 4, 11, 11, generator=torch.Generator().manual_seed(0))
    theirs(images)
    kept = dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True))
    theirs.load_state_dict(kept)
    assert_close(ours(images), theirs(images), 500)


def resnet(blocks: int) -> str:
    """He et al.'s net for CIFAR-10 (2015, section 4.2), of 6 `blocks` + 2 layers; global average pooling at the end."""
    words = ["16 3x3 pad same no-bias bn"]
    for filters in (16, 32, 64):
        for number in range(blocks):
            how = "stride 2 pad 1" if filters > 16 and number == 0 else "pad same"
            words += [f"{filters} 3x3 {how} no-bias bn", f"{filters} 3x3 pad same no-bias bn skip 2"]
    return ", ".join(words) + " avg-pool global"


@pytest.mark.parametrize(("blocks", "parameters"), [(3, 272_474), (18, 1_730_714)])
def test_resnets_for_cifar_with_projections_have_their_parameters(blocks: int, parameters: int) -> None:
    """ResNet-20 and ResNet-110. Their 0.27 and 1.7 million are without the 2,752 of two projections and their batch norm."""
    summary = check(make({"model": {"conv_blocks": resnet(blocks)}}))
    assert summary.parameters == parameters
    assert [layer.name for layer in summary.layers if layer.name.endswith(".conv")] == [
        f"skip{blocks + 1}.conv", f"skip{2 * blocks + 1}.conv"
    ]  # fmt: skip


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("filters", [4, 6])
def test_a_skip_of_two_blocks_is_torchvisions_basic_block(stride: int, filters: int) -> None:
    words = f"4 3x3 pad same no-bias bn, {filters} 3x3 stride {stride} pad 1 no-bias bn, {filters} 3x3 pad 1 no-bias bn skip 2"
    ours = build(model(conv_blocks=words), channels=3, size=11, classes=2)
    shortcut = nn.Sequential(nn.Conv2d(4, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))
    theirs = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
        BasicBlock(4, filters, stride, None if stride == 1 and filters == 4 else shortcut), nn.Flatten(), nn.LazyLinear(2),
    )  # fmt: skip
    images = torch.randn(4, 3, 11, 11, generator=torch.Generator().manual_seed(0))
    theirs(images)
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    for each in (ours, theirs):
        each.zero_grad()
        each(images).square().sum().backward()
    assert_close(ours(images), theirs(images), 1000)
    for parameter, twin in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert_close(parameter.grad, twin.grad, 3000)


def test_a_skip_may_begin_at_the_image_and_spans_may_overlap() -> None:
    net = build(model(conv_blocks="3 3x3 pad same skip 1, 3 3x3 pad same skip 2", activation="tanh"), channels=3, size=6, classes=2)
    images = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    first = torch.tanh(net.conv1(images) + images)  # type: ignore[operator]
    assert_close(net[:-2](images), torch.tanh(net.conv2(first) + images), 200)  # type: ignore[operator]


def test_images_need_not_be_square() -> None:
    spec = {"model": {"conv_blocks": "4 3x5 pad 1 pool 2, 5 3x3 pad same pool global"}, "data": {"size": 12, "width": 20}}
    outputs = [layer.output for layer in check(make(spec)).layers if layer.kind in ("Conv2d", "MaxPool2d")]
    assert outputs == [(4, 12, 18), (4, 6, 9), (5, 6, 9), (5, 1, 1)]
    rows = check(make({"model": {"cell": "gru", "hidden": 7}, "data": {"size": 12, "width": 20}}))
    assert rows.layers[0].output == (12, 3 * 20)


def test_looking_at_a_net_changes_nothing_in_it() -> None:
    net = build(model(conv_blocks=["4 3x3 bn"], dense_blocks=["8 dropout 0.5"]), channels=1, size=8, classes=2)
    net.train()
    net.bn1.eval()  # type: ignore[union-attr, operator]
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    summarise(net, (1, 8, 8))
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert net.training
    assert not net.bn1.training  # type: ignore[union-attr]
    assert not any(layer._forward_hooks for layer in net.modules())


@pytest.mark.parametrize("name", ["conv_blocks.0", "conv_blocks.1"])
def test_a_block_too_large_for_what_reaches_it_is_named(name: str) -> None:
    blocks = ["4 9x9"] if name.endswith("0") else ["4 3x3 pool 4", "4 3x3"]
    with pytest.raises(SpecError, match=f"model.{name}.*does not fit"):
        check(make({"model": {"conv_blocks": blocks}, "data": {"size": 8}}))


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        ("32 3x3 groups 5", "its 3 input maps and 32 filters do not fall into 5 groups of one size; .* divides both is 1$"),
        ("12 3x3, 18 3x3 groups 4", r"conv_blocks\.1 = .*its 12 input maps and 18 filters do not fall into 4 groups.* is 3$"),
        ("4 3x9", "its kernel of 3x9 does not fit the 8x8 maps that reach it; make the kernel at most 8"),
        (
            "4 3x3 dilation 4",
            "its kernel of 3 and dilation of 4 does not fit the 8x8 maps that reach it; make the kernel at most 2",
        ),
        ("4 1x5, 4 3x3 dilation 3 pad 1", "does not fit the 8x4 maps that reach it; make the kernel at most 4x2"),
        ("4 3x3 pad same, 4 3x3 skip 2", r"its skip of 2 has 8x8 maps to add to 6x6 ones: .*by pad same, or by half the kernel"),
        ("4 3x3 pad 1 stride 2, 4 3x3 pad 2 skip 2", "its skip of 2 has 4x4 maps to add to 6x6 ones"),
        ("4 3x3 pad same, 4 3x3 pad same skip 3", "its skip of 3 begins before the first block: write at most skip 2"),
        ("4 3x7 avg-pool 3", "its pool of 3 does not fit the 6x2 maps that reach it; make the pool at most 6x2"),
    ],
)
def test_what_does_not_fit_is_told_with_what_would(blocks: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        check(make({"model": {"conv_blocks": blocks}, "data": {"size": 8}}))


def test_a_net_without_any_hidden_layer_is_a_linear_classifier() -> None:
    net = build(model(), channels=1, size=4, classes=3)
    images = torch.rand(2, 1, 4, 4)
    assert_close(net(images), images.flatten(1) @ net.output.weight.T + net.output.bias, 50)  # type: ignore[union-attr, operator]


@pytest.mark.parametrize(
    ("init", "expected"),
    [
        ("xavier", math.sqrt(2 / (2500 + 3000))),
        ("he", math.sqrt(2 / 2500)),
        ("lecun", 1 / math.sqrt(2500)),
        ("gaussian", 0.25),
        ("default", 1 / math.sqrt(3 * 2500)),
    ],
)
def test_weights_have_the_spread_that_their_paper_says(init: str, expected: float) -> None:
    net = build(model(dense_blocks=[3000], init=init, init_std=0.25), channels=1, size=50, classes=2)
    dense = net.get_submodule("dense1")
    assert isinstance(dense, nn.Linear)
    assert dense.weight.std().item() == pytest.approx(expected, rel=0.01)
    assert dense.weight.mean().item() == pytest.approx(0, abs=expected / 100)
    assert (dense.bias.abs().max().item() == 0) == (init != "default")


def test_weights_depend_on_the_seed_alone_and_leave_torchs_generator_alone() -> None:
    spec = model(conv_blocks=["4 3x3"])
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first = build(spec, channels=1, size=8, classes=2, seed=5)
    assert torch.equal(torch.rand(3), expected)
    second = build(spec, channels=1, size=8, classes=2, seed=5)
    third = build(spec, channels=1, size=8, classes=2, seed=6)
    assert torch.equal(first.conv1.weight, second.conv1.weight)  # type: ignore[union-attr, arg-type]
    assert not torch.equal(first.conv1.weight, third.conv1.weight)  # type: ignore[union-attr, arg-type]


def test_a_net_is_drawn_without_a_look_at_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their generators belong to whoever trains there; torch.manual_seed would seed them all."""

    def seeded(seed: int) -> None:
        raise AssertionError(f"a GPU was seeded with {seed}")

    for gpus, name in ((torch.cuda, "manual_seed_all"), (torch.mps, "manual_seed")):
        monkeypatch.setattr(gpus, name, seeded)
    build(model(conv_blocks=["4 3x3"]), channels=1, size=8, classes=2, seed=5)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relu", [0.0, 0.0, 2.0]),
        ("leaky_relu", [-0.1, 0.0, 2.0]),
        ("tanh", [math.tanh(-1), 0.0, math.tanh(2)]),
        ("sigmoid", [1 / (1 + math.exp(1)), 0.5, 1 / (1 + math.exp(-2))]),
        ("gelu", [-(1 + math.erf(-1 / math.sqrt(2))) / 2, 0.0, 1 + math.erf(2 / math.sqrt(2))]),
        ("silu", [-1 / (1 + math.exp(1)), 0.0, 2 / (1 + math.exp(-2))]),
        ("elu", [math.exp(-1) - 1, 0.0, 2.0]),
    ],
)
def test_activations_are_their_formulas(name: str, expected: list[float]) -> None:
    net = build(model(dense_blocks=[3], activation=name, leak=0.1), channels=1, size=4, classes=2)
    assert net.get_submodule("act1")(torch.tensor([-1.0, 0.0, 2.0])).tolist() == pytest.approx(expected, rel=rounding(16))


SIGMOID_B = [
    [1 / (1 + math.exp(0.7)), 0.5, 1 / (1 + math.exp(-1.4))],
    [1 / (1 + math.exp(0.7)), 0.5, 1 / (1 + math.exp(-1.4))],
    [1 / (1 + math.exp(0.05)), 0.5, 1 / (1 + math.exp(-0.1))],
]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"activation": "tanh", "slope": 0.5}, [[math.tanh(-0.5), 0.0, math.tanh(1)]] * 3),
        ({"activation": "sigmoid", "slope": "0.7, 0.7, 0.05"}, SIGMOID_B),
        ({"activation": "leaky_relu", "leak": [0.1, 0.2, 0.3]}, [[-0.1, 0.0, 2.0], [-0.2, 0.0, 2.0], [-0.3, 0.0, 2.0]]),
        # max(leak s x, s x)
        ({"activation": "leaky_relu", "leak": 0.5, "slope": 3}, [[-1.5, 0.0, 6.0]] * 3),
        ({"activation": "elu", "slope": 2}, [[math.exp(-2) - 1, 0.0, 4.0]] * 3),
        ({"activation": "silu", "slope": 1.702}, [[-1.702 / (1 + math.exp(1.702)), 0.0, 3.404 / (1 + math.exp(-3.404))]] * 3),
        ({"activation": "relu", "slope": [1, 2, 3]}, [[0.0, 0.0, 2.0], [0.0, 0.0, 4.0], [0.0, 0.0, 6.0]]),
    ],
)
def test_slopes_and_leaks_are_one_for_all_or_one_each_the_outputs_last(how: dict[str, object], expected: list[list[float]]) -> None:
    spec = make(
        {
            "model": {"conv_blocks": "2 3x3", "dense_blocks": [4], "output_activation": how["activation"]} | how,
            "training": {"loss": "sum_squares"},
        }
    )
    net = build(spec.model, channels=1, size=6, classes=2)
    assert list(dict(net.named_children()))[-2:] == ["output", "act3"]
    for number, values in enumerate(expected, 1):
        assert net.get_submodule(f"act{number}")(torch.tensor([-1.0, 0.0, 2.0])).tolist() == pytest.approx(values, rel=rounding(16))


def test_the_outputs_activation_may_be_another_and_is_refused_where_the_loss_has_a_softmax() -> None:
    asked = {"dense_blocks": [4], "activation": "relu", "output_activation": "sigmoid"}
    net = build(make({"model": asked, "training": {"loss": "sum_squares"}}).model, channels=1, size=6, classes=2)
    images = torch.rand(5, 1, 6, 6)
    assert torch.equal(net(images), net[:-1](images).sigmoid())
    with pytest.raises(
        SpecError, match=r"model.output_activation = sigmoid, but training.loss = cross_entropy already includes a softmax"
    ):
        make({"model": asked})


@pytest.mark.parametrize("slope", ["0.7, 0.5", "1, 2, 3, 4", []])
def test_a_wrong_number_of_slopes_is_told_with_the_right_one(slope: object) -> None:
    with pytest.raises(SpecError, match=r"model.slope = .* but the net has 3 activations: give one for all, or 3$"):
        model(conv_blocks="2 3x3, 2 3x3", dense_blocks=[4], slope=slope)


def test_dense_layers_may_have_batch_norm() -> None:
    net = build(model(dense_blocks=["6 no-bias bn dropout 0.5", "5"]), channels=1, size=4, classes=3)
    assert list(dict(net.named_children())) == ["flatten", "dense1", "bn1", "act1", "dropout1", "dense2", "act2", "output"]
    assert summarise(net, (1, 4, 4)).parameters == 16 * 6 + 12 + 6 * 5 + 5 + 5 * 3 + 3


def test_filters_may_be_as_large_as_the_image() -> None:
    summary = check(make({"model": {"conv_blocks": "2 28x28"}, "data": {"size": 28, "colour": "grey", "classes": "1, 3"}}))
    assert [layer.output for layer in summary.layers] == [(2, 1, 1), (2, 1, 1), (2,), (2,)]
    assert summary.parameters == 2 * 784 + 2 + 2 * 2 + 2


def test_seeded_filters_are_the_pictures_centred_and_as_strong_as_what_was_drawn() -> None:
    net = build(model(conv_blocks="4 6x6"), channels=2, size=6, classes=3)
    before = net.conv1.weight.clone()  # type: ignore[union-attr, operator]
    pictures = torch.rand(3, 2, 6, 6)
    pictures[1] = 0.5
    seed_filters(net, pictures)
    after = net.conv1.weight.detach()  # type: ignore[union-attr]
    for number in (0, 2):
        alike = torch.corrcoef(torch.stack([after[number].flatten(), pictures[number].flatten()]))[0, 1]  # type: ignore[index]
        assert alike.item() == pytest.approx(1, rel=rounding(100))
        assert after[number].mean().item() == pytest.approx(0, abs=rounding(100))  # type: ignore[index, union-attr]
        assert after[number].std().item() == pytest.approx(before[number].std().item(), rel=rounding(100))  # type: ignore[index, union-attr]
    # A constant picture says nothing, and there are more filters than pictures.
    assert torch.equal(after[[1, 3]], before[[1, 3]])  # type: ignore[index]


def test_pictures_are_made_to_fit_smaller_filters() -> None:
    net = build(model(conv_blocks="1 2x2"), channels=1, size=4, classes=2)
    picture = torch.zeros(1, 1, 4, 4)
    picture[..., :2] = 1
    seed_filters(net, picture)
    left, right = net.conv1.weight[0, 0].T  # type: ignore[union-attr, index]
    assert (left > 0).all()
    assert_close(left, -right, 16)


def test_the_default_spec_can_be_built() -> None:
    assert check(RunSpec()).parameters == 3 * 32 * 32 * 10 + 10
