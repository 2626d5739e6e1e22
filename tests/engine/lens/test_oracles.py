"""The oracles against what others have: an oracle that is wrong would bless a view that is."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from captum.attr import IntegratedGradients, LayerGradCam, Occlusion
from scipy.stats import binomtest
from torch import nn

from tests.engine.lens import oracles
from tests.engine.lens.subjects import small_net

NEAR = {"rtol": 1e-9, "atol": 1e-9}


@pytest.fixture
def net() -> nn.Module:
    return small_net(size=8).double()


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randn(1, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_attributions_are_captums(net: nn.Module, image: torch.Tensor) -> None:
    cam = LayerGradCam(net, net.get_submodule("act2")).attribute(image[None], target=1, relu_attributions=True)[0, 0]
    torch.testing.assert_close(oracles.grad_cam(net, image, "act2", 1), cam.detach(), **NEAR)
    gradients = IntegratedGradients(net, multiply_by_inputs=True)
    path = gradients.attribute(image[None], baselines=-torch.ones_like(image)[None], target=1, n_steps=400, method="riemann_middle")
    torch.testing.assert_close(oracles.integrated_gradients(net, image, 1, -torch.ones_like(image), 400), path[0], **NEAR)


def test_the_drop_under_a_square_is_captums(net: nn.Module, image: torch.Tensor) -> None:
    *_, drop = oracles.occlusion(net, image, "act2", 2, 3, 1, torch.zeros(1, dtype=torch.float64))
    # Captum gives each pixel the mean of the squares over it: with a window as large as its stride they do not overlap.
    apart = Occlusion(lambda seen: net(seen).softmax(1)).attribute(image[None], (1, 3, 3), strides=(1, 3, 3), target=2)[0, 0]
    assert drop.shape == (6, 6)
    torch.testing.assert_close(apart[[0, 3]][:, [0, 3]], drop[[0, 3]][:, [0, 3]].float(), rtol=1e-5, atol=1e-6)


def test_whole_pixels_and_right_angles_move_as_arrays_do(image: torch.Tensor) -> None:
    down = oracles.translated(image, 2)
    torch.testing.assert_close(down[:, 2:], image[:, :-2], **NEAR)
    assert not down[:, :2].any()
    torch.testing.assert_close(oracles.rotated(image, 90), torch.rot90(image, 1, (1, 2)), **NEAR)
    torch.testing.assert_close(oracles.scaled(image, 1), image, **NEAR)


def test_cells_are_torchs(image: torch.Tensor) -> None:
    torch.manual_seed(3)
    rows = image[0]
    lstm, gru, rnn = (kind(8, 5).double() for kind in (nn.LSTM, nn.GRU, nn.RNN))
    torch.testing.assert_close(oracles.lstm_gates(lstm, rows)["h"], lstm(rows)[0], **NEAR)
    torch.testing.assert_close(oracles.gru_gates(gru, rows)["h"], gru(rows)[0], **NEAR)
    torch.testing.assert_close(oracles.rnn_states(rnn, rows), rnn(rows)[0], **NEAR)


def test_windows_and_their_way_back_are_a_convolutions() -> None:
    torch.manual_seed(4)
    conv = nn.Conv2d(2, 3, 3, stride=2, padding=1).double()
    image = torch.randn(2, 7, 7, dtype=torch.float64)
    maps = conv(image[None])[0]
    seen = oracles.window(image, 1, 3, (3, 3), 2, 1)
    torch.testing.assert_close((seen * conv.weight[1]).sum() + conv.bias[1], maps[1, 1, 3], **NEAR)
    back = F.conv_transpose2d(maps[None, 1:2], conv.weight[1:2], stride=2, padding=1)[0]
    torch.testing.assert_close(oracles.transposed(maps[1], conv.weight[1], (7, 7), 2, 1), back, **NEAR)


def test_counts_of_coins_and_calibration_by_hand() -> None:
    assert oracles.mcnemar(3, 11) == pytest.approx(binomtest(3, 14).pvalue)
    assert oracles.mcnemar(0, 0) == 1
    told, labels = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]]), torch.tensor([0, 1, 1])
    rows, expected, greatest = oracles.calibration(told, labels, 2)
    assert rows == [(0, 0, 0), (3, pytest.approx(2 / 3), pytest.approx(2.3 / 3))]
    assert expected == pytest.approx(0.1) == greatest
    assert oracles.brier(told, labels) == pytest.approx((0.02 + 1.28 + 0.32) / 3)


def test_attention_and_components_are_torchs(image: torch.Tensor) -> None:
    torch.manual_seed(5)
    queries, keys = torch.randn(2, 4, 3, dtype=torch.float64), torch.randn(2, 4, 3, dtype=torch.float64)
    own = F.scaled_dot_product_attention(queries, keys, torch.eye(4, dtype=torch.float64).expand(2, 4, 4))
    torch.testing.assert_close(oracles.attention(queries, keys), own, **NEAR)
    torch.testing.assert_close(oracles.rollout([own, own]).sum(1), torch.ones(4, dtype=torch.float64), **NEAR)
    values = torch.randn(20, 6, dtype=torch.float64)
    scores, shares = oracles.principal_components(values, 2)
    left, sizes, _ = torch.linalg.svd(values - values.mean(0), full_matrices=False)
    torch.testing.assert_close(scores.abs(), (left[:, :2] * sizes[:2]).abs(), **NEAR)
    assert shares.tolist() == pytest.approx((sizes**2 / (sizes**2).sum())[:2].tolist())
