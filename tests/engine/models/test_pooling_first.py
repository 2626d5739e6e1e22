"""Pools before ReLUs: the same numbers to the last bit."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from convtui.engine.models import build, pooling_first
from convtui.engine.spec import ModelSpec, make
from convtui.engine.training.step import autocast

POOLED = "8 5x5 pad 2 pool 2, 16 3x3 bn pool 2 dropout 0.2, 8 3x3 avg-pool 2"


def spec_of(blocks: str, activation: str = "relu") -> ModelSpec:
    return make({"model": {"conv_blocks": blocks.split(", "), "dense_blocks": ["32"], "activation": activation}}).model


def net_of(spec: ModelSpec) -> nn.Module:
    return build(spec, channels=3, size=(32, 32), classes=10).to(memory_format=torch.channels_last)


def gone(net: nn.Module, ways: nn.Module, precision: str) -> tuple[Tensor, ...]:
    """Outputs, the gradients of all weights, and statistics, of a batch with whole areas of one value, so that many are equal."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(16, 3, 8, 8, generator=generator).repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.manual_seed(0)  # of dropout
    with autocast(precision, torch.device("cpu")):  # type: ignore[arg-type]
        outputs = ways(images.to(memory_format=torch.channels_last))
    outputs.float().square().mean().backward()
    return outputs, *(parameter.grad for parameter in net.parameters()), *net.buffers()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("blocks", [POOLED, "8 3x3 pool 3 stride 1, 8 3x3 pool global", "8 3x3 pad same skip 1 pool 2"])
def test_outputs_gradients_and_statistics_are_the_same_to_the_last_bit(blocks: str, precision: str) -> None:
    spec = spec_of(blocks)
    net = net_of(spec)
    twin = copy.deepcopy(net)
    for one, other in zip(gone(net, net, precision), gone(twin, pooling_first(twin, spec), precision), strict=True):
        assert torch.equal(one, other)


def test_relus_have_a_quarter_of_the_work_where_a_pool_of_2x2_follows() -> None:
    sizes: dict[str, list[int]] = {}
    spec = spec_of(POOLED)
    for name, ways in (("plain", lambda net: net), ("pooling first", partial(pooling_first, spec=spec))):
        net = net_of(spec)
        for layer in net.modules():
            if isinstance(layer, nn.ReLU):
                layer.register_forward_hook(lambda _l, _i, output: sizes.setdefault(name, []).append(output.numel()))  # noqa: B023
        ways(net)(torch.zeros(1, 3, 32, 32))
    assert sizes["plain"] == [8 * 32 * 32, 16 * 14 * 14, 8 * 5 * 5, 32]
    assert sizes["pooling first"] == [8 * 16 * 16, 16 * 7 * 7, 8 * 5 * 5, 32]


@pytest.mark.parametrize("activation", ["tanh", "leaky_relu", "gelu"])
def test_after_other_activations_a_pool_stays_where_it_is(activation: str) -> None:
    """Where two values round to one another of them may get the gradient, and gelu of the largest is not the largest gelu."""
    spec = spec_of(POOLED, activation)
    net = net_of(spec)
    assert [type(layer) for layer in pooling_first(net, spec)] == [type(layer) for layer in net]  # type: ignore[arg-type]


def test_a_net_of_a_persons_own_is_left_as_it_is() -> None:
    """It may have hooks."""
    net = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2))
    assert pooling_first(net, ModelSpec(module="net.py:Net")) is net
