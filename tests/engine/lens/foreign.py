"""Nets as other people write them: torchvision's with random weights, as small as they come, and short ones of every style."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.maxvit import MaxVit
from torchvision.models.swin_transformer import SwinTransformer
from torchvision.models.vision_transformer import VisionTransformer

CLASSES = tuple("0123456789")


@dataclass(frozen=True)
class Foreign:
    """How to make a net of ten classes, and the images that it takes."""

    build: Callable[[], nn.Module]
    size: int = 8

    def net(self) -> nn.Module:
        torch.manual_seed(0)
        return self.build().eval()


def of_torchvision(name: str, size: int = 32, **more: object) -> Foreign:
    return Foreign(lambda: torchvision.models.get_model(name, weights=None, num_classes=len(CLASSES), **more), size)


class Rows(nn.Module):
    """[N, 3, H, W] -> rows as steps, [H, N, 3 W] or with the batch first [N, H, 3 W]."""

    def __init__(self, *, batch_first: bool) -> None:
        super().__init__()
        self.batch_first = batch_first

    def forward(self, images: Tensor) -> Tensor:
        rows = images.transpose(1, 2).flatten(2)
        return rows if self.batch_first else rows.transpose(0, 1)


class Recurrent(nn.Module):
    """An image read row by row, the scores from the last states."""

    def __init__(self, kind: Callable[..., nn.RNNBase], *, batch_first: bool = False, **more: bool) -> None:
        super().__init__()
        self.rows = Rows(batch_first=batch_first)
        self.cell = kind(24, 16, batch_first=batch_first, **more)
        self.head = nn.Linear(32 if more else 16, len(CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        states, _ = self.cell(self.rows(images))
        return self.head(states[:, -1] if self.rows.batch_first else states[-1])  # type: ignore[no-any-return]


class Encoder(nn.Module):
    """Rows as the tokens of torch's transformer."""

    def __init__(self, *, batch_first: bool) -> None:
        super().__init__()
        self.rows, self.embed = Rows(batch_first=batch_first), nn.Linear(24, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=batch_first)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=batch_first)
        self.head = nn.Linear(16, len(CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.encoder(self.embed(self.rows(images))).mean(1 if self.rows.batch_first else 0))  # type: ignore[no-any-return]


class Fused(nn.Module):
    """Attention as most write it: one product for queries, keys and values, and torch's fused function."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.qkv, self.out = nn.Conv2d(3, 16, 2, 2), nn.Linear(16, 48), nn.Parameter(torch.randn(16, len(CLASSES)))

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        query, key, value = self.qkv(tokens).unflatten(2, (3, 2, 8)).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value)
        return mixed.transpose(1, 2).flatten(2).mean(1) @ self.out


class Returns(nn.Module):
    """A convolution, ReLU, mean and scores, which it returns as `how` says, given the features and the scores."""

    def __init__(self, how: Callable[[Tensor, Tensor], object]) -> None:
        super().__init__()
        self.how, self.conv, self.head = how, nn.Conv2d(3, 4, 3), nn.Linear(4, len(CLASSES))

    def forward(self, images: Tensor) -> object:
        features = self.conv(images).relu().mean((2, 3))
        return self.how(features, self.head(features))


class Output:
    """As libraries return: the loss first, and what it was computed from."""

    def __init__(self, features: Tensor, logits: Tensor) -> None:
        self.loss, self.hidden_states, self.logits = None, (features,), logits


def swin(depths: list[int]) -> nn.Module:
    return SwinTransformer([4, 4], 16, depths, [2, 2], [4, 4], num_classes=len(CLASSES))


NETS: dict[str, Foreign] = {
    "resnet18": of_torchvision("resnet18"),
    "vgg11": of_torchvision("vgg11"),
    "vgg11_bn": of_torchvision("vgg11_bn"),
    "alexnet": of_torchvision("alexnet", 64),
    "mobilenet_v2": of_torchvision("mobilenet_v2"),
    "mobilenet_v3_small": of_torchvision("mobilenet_v3_small"),
    "efficientnet_b0": of_torchvision("efficientnet_b0"),
    "densenet121": of_torchvision("densenet121"),
    "shufflenet_v2_x0_5": of_torchvision("shufflenet_v2_x0_5"),
    "squeezenet1_0": of_torchvision("squeezenet1_0"),
    "googlenet": of_torchvision("googlenet", init_weights=False),
    "inception_v3": of_torchvision("inception_v3", 75, init_weights=False),
    "convnext_tiny": of_torchvision("convnext_tiny"),
    "regnet_y_400mf": of_torchvision("regnet_y_400mf"),
    "mnasnet0_5": of_torchvision("mnasnet0_5"),
    "vit": Foreign(lambda: VisionTransformer(32, 8, 2, 2, 32, 64, num_classes=len(CLASSES)), 32),
    "swin": Foreign(lambda: swin([1, 1]), 32),
    "maxvit": Foreign(
        lambda: MaxVit((32, 32), 8, 4, [8, 16], [1, 1], head_dim=4, stochastic_depth_prob=0.1, num_classes=len(CLASSES)), 32
    ),
    "fused": Foreign(Fused),
    "encoder": Foreign(lambda: Encoder(batch_first=False)),
    "encoder, batch first": Foreign(lambda: Encoder(batch_first=True)),
    "gru": Foreign(lambda: Recurrent(nn.GRU)),
    "gru, batch first": Foreign(lambda: Recurrent(nn.GRU, batch_first=True)),
    "lstm both ways": Foreign(lambda: Recurrent(nn.LSTM, bidirectional=True)),
    "dict": Foreign(lambda: Returns(lambda features, scores: {"features": features, "logits": scores})),
    "tuple": Foreign(lambda: Returns(lambda features, scores: (scores, features))),
    "object": Foreign(lambda: Returns(Output)),
    "compiled": Foreign(lambda: torch.compile(Returns(lambda _, scores: scores))),  # type: ignore[arg-type, return-value]
}
