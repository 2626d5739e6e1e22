"""Attention, however it is written, is softmax(q k / sqrt(d)); the rollout is the paper's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.swin_transformer import SwinTransformer
from torchvision.models.vision_transformer import VisionTransformer

from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Sheet
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Subject
from tests.engine.lens import oracles
from tests.engine.lens.subjects import CLASSES, noise_images, small_net, subject_of

LOOK = view("attention")
SIZE = 8


class Written(nn.Module):
    """Two layers over 4x4 tokens behind a class token; each keeps its queries and keys; `how` attention is written."""

    def __init__(self, how: str, *, token: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.how, self.patches = how, nn.Conv2d(1, 8, 2, 2)
        self.token = nn.Parameter(torch.randn(1, 1, 8)) if token else None
        self.qkv = nn.ModuleList(nn.Linear(8, 24) for _ in range(2))
        self.head = nn.Linear(8, 3)
        self.seen: list[tuple[Tensor, Tensor]] = []

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        if self.token is not None:
            tokens = torch.cat([self.token.expand(len(images), -1, -1), tokens], 1)
        self.seen = []
        for qkv in self.qkv:
            query, key, value = qkv(tokens).unflatten(2, (3, 2, 4)).permute(2, 0, 3, 1, 4).unbind(0)
            self.seen.append((query[0], key[0]))
            if self.how == "fused":
                mixed = F.scaled_dot_product_attention(query, key, value)
            else:
                mixed = F.dropout(((query @ key.transpose(2, 3)) / 2).softmax(-1), 0.1, self.training) @ value
            tokens = tokens + mixed.transpose(1, 2).flatten(2)
        return self.head(tokens[:, 0])  # type: ignore[no-any-return]


def sheets(subject: Subject, **options: object) -> list[Sheet]:
    return [result for result in LOOK(subject, LOOK.make(options)) if isinstance(result, Sheet)]


@pytest.mark.parametrize("token", [True, False])
@pytest.mark.parametrize("how", ["fused", "written out"])
def test_weights_and_their_rollout_are_those_of_queries_and_keys(how: str, token: bool) -> None:
    net = Written(how, token=token).double()
    subject = subject_of(net, noise_images(4, size=SIZE))
    net.eval()(subject.seen(subject.split("test").images[2:3]))
    expected = [oracles.attention(query, key).detach() for query, key in net.seen]
    _, rollout, of_class, heads = sheets(subject, image="2")
    for number, tile in enumerate(heads.tiles):
        np.testing.assert_allclose(tile.pixels, expected[1][number], rtol=1e-6, atol=1e-7)
    row = expected[1][0, 0, 1:] if token else expected[1][0].mean(0)
    np.testing.assert_allclose(of_class.tiles[0].pixels, row.reshape(4, 4), rtol=1e-6, atol=1e-7)
    rolled = oracles.rollout(expected)
    row = rolled[0, 1:] if token else rolled.mean(0)
    large = F.interpolate(row.reshape(1, 1, 4, 4), (SIZE, SIZE), mode="bilinear")[0, 0]
    np.testing.assert_allclose(rollout.tiles[0].pixels, large, rtol=1e-6, atol=1e-7)
    assert rollout.beside
    assert ("class token" in of_class.title) == token
    named = sheets(subject, image="2", layer="(the net)", map=1)[3]
    np.testing.assert_allclose(named.tiles[0].pixels, expected[0][1], rtol=1e-6, atol=1e-7)


def test_torchs_own_layers_give_what_they_give_when_asked_for_weights() -> None:
    torch.manual_seed(1)
    net = VisionTransformer(32, 8, 2, 2, 32, 64, num_classes=3).eval()
    subject = subject_of(net, noise_images(3, channels=3, size=32), classes=CLASSES)
    layer = net.encoder.layers[1]
    kept: list[Tensor] = []
    handle = layer.self_attention.register_forward_pre_hook(lambda _module, inputs: kept.append(inputs[0]))
    net(subject.seen(subject.split("test").images[:1]))
    handle.remove()
    _, weights = layer.self_attention(kept[0], kept[0], kept[0], average_attn_weights=False)
    _, rollout, of_class, heads = sheets(subject)
    for number, tile in enumerate(heads.tiles):
        np.testing.assert_allclose(tile.pixels, weights[0, number].detach(), atol=1e-6)
    assert of_class.shape == (4, 4)
    assert rollout.shape == (32, 32)
    assert "encoder.layers.encoder_layer_1.self_attention" in heads.title
    with pytest.raises(UsageError, match="has no head 2: its 2 heads are 0 to 1"):
        sheets(subject, map=2)
    with pytest.raises(UsageError, match="attention layer 'encoder': choose one of encoder"):
        sheets(subject, layer="encoder")


def test_masks_and_causal_attention_are_kept() -> None:
    class Causal(Written):
        def forward(self, images: Tensor) -> Tensor:
            tokens = self.patches(images).flatten(2).transpose(1, 2)
            query, key, value = self.qkv[0](tokens).unflatten(2, (3, 2, 4)).permute(2, 0, 3, 1, 4).unbind(0)
            mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
            mixed = mixed + F.scaled_dot_product_attention(query, key, value, torch.eye(16, dtype=torch.bool), scale=3.0)
            return self.head(mixed.transpose(1, 2).flatten(2).mean(1))  # type: ignore[no-any-return]

    subject = subject_of(Causal("fused"), noise_images(3, size=SIZE))
    heads = sheets(subject, layer="(the net)")[3]
    assert not np.triu(heads.tiles[0].pixels, 1).any()
    np.testing.assert_array_equal(sheets(subject, layer="(the net) (2)")[3].tiles[0].pixels, np.eye(16))


def test_nets_without_attention_and_attention_within_windows_are_refused() -> None:
    for subject, why in (
        (subject_of(small_net(), noise_images()), "the net has no attention layer; use 'cam' or 'saliency'"),
        (
            subject_of(SwinTransformer([4, 4], 16, [2], [2], [4, 4]), noise_images(3, channels=3, size=32)),
            "within windows, which are",
        ),
    ):
        with pytest.raises(NotApplicable, match=why):
            LOOK(subject, LOOK.make({}))
