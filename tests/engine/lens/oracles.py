"""What the views of engine/lens/views must give, worked out slowly from the papers, apart from the lens.

Nets are modules in eval mode, images float [N, C, H, W] as the net sees them; layers are modules of the net by name, taken by
forward hooks. Loops are plain on purpose.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations, pairwise

import torch
from torch import Tensor, nn


def features(net: nn.Module, images: Tensor, layer: str) -> Tensor:
    """What the module `layer` gives for the images: [N, ...]."""
    kept: list[Tensor] = []
    handle = net.get_submodule(layer).register_forward_hook(lambda module, inputs, output: kept.append(output.clone()))
    try:
        net(images)
    finally:
        handle.remove()
    (found,) = kept
    return found


# --------------------------------------------------------------------------------------------------------------- occlusion


def occlusion(
    net: nn.Module, image: Tensor, layer: str, label: int, square: int, stride: int, fill: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Zeiler & Fergus (2014), Fig. 7: by the square's top left corner, each [rows, columns].

    `image` is [C, H, W] and `fill` [C] what each pixel under the square becomes. The sum of the map of `layer` that has the
    greatest sum in the whole image; the probability of `label`; the most probable class; how far the probability falls.
    """
    whole = features(net, image[None], layer)[0].sum((1, 2))
    strongest = int(whole.argmax())
    unharmed = net(image[None]).double().softmax(1)[0, label]
    _, height, width = image.shape
    rows, columns = range(0, height - square + 1, stride), range(0, width - square + 1, stride)
    total, probability, best, drop = (torch.zeros(len(rows), len(columns), dtype=torch.float64) for _ in range(4))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            covered = image.clone()
            for y in range(row, row + square):
                for x in range(column, column + square):
                    covered[:, y, x] = fill
            total[i, j] = features(net, covered[None], layer)[0, strongest].sum()
            scores = net(covered[None]).double().softmax(1)[0]
            probability[i, j], best[i, j] = scores[label], scores.argmax()
            drop[i, j] = unharmed - scores[label]
    return total, probability, best, drop


# ------------------------------------------------------------------------------------------------------------ attributions


def grad_cam(net: nn.Module, image: Tensor, layer: str, label: int) -> Tensor:
    """Selvaraju et al. (2017): [h, w], the sum of the layer's maps, each times the mean of its gradient, below zero cut off."""
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_())
        return kept[0]

    handle = net.get_submodule(layer).register_forward_hook(keep)
    try:
        score = net(image[None])[0, label]
    finally:
        handle.remove()
    (gradient,) = torch.autograd.grad(score, kept[0])
    maps = kept[0][0].detach()
    found = torch.zeros_like(maps[0])
    for number, each in enumerate(maps):
        found += each * gradient[0, number].mean()
    return found.clamp(min=0)


def integrated_gradients(net: nn.Module, image: Tensor, label: int, baseline: Tensor, steps: int) -> Tensor:
    """Sundararajan et al. (2017): [C, H, W], by the midpoint rule with `steps` points: right to O(1 / steps^2)."""
    mean = torch.zeros_like(image)
    for step in range(steps):
        point = (baseline + (step + 0.5) / steps * (image - baseline)).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(net(point[None])[0, label], point)
        mean += gradient / steps
    return (image - baseline) * mean


def ablated_accuracy(net: nn.Module, images: Tensor, labels: Tensor, layer: str, number: int | None, fill: float = 0.0) -> float:
    """The share of images that are classified correctly where the layer, or its map `number`, gives `fill` everywhere."""

    def silence(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        output = output.clone()
        if number is None:
            output[:] = fill
        else:
            output[:, number] = fill
        return output

    handle = net.get_submodule(layer).register_forward_hook(silence)
    try:
        right = sum(int(net(image[None])[0].argmax()) == int(label) for image, label in zip(images, labels, strict=True))
    finally:
        handle.remove()
    return right / len(images)


# --------------------------------------------------------------------------------------------------------------- distances


def moved(image: Tensor, source: Callable[[float, float], tuple[float, float]]) -> Tensor:
    """[C, H, W] whose value at row y, column x (from the centre, in pixels) is the image's at `source(y, x)`, between pixels
    linearly, zero outside."""
    height, width = image.shape[1:]
    found = torch.zeros_like(image)
    for row in range(height):
        for column in range(width):
            y, x = source(row - (height - 1) / 2, column - (width - 1) / 2)
            y, x = y + (height - 1) / 2, x + (width - 1) / 2
            top, left = math.floor(y), math.floor(x)
            for r, weight_r in ((top, 1 - (y - top)), (top + 1, y - top)):
                for c, weight_c in ((left, 1 - (x - left)), (left + 1, x - left)):
                    if 0 <= r < height and 0 <= c < width:
                        found[:, row, column] += weight_r * weight_c * image[:, r, c]
    return found


def translated(image: Tensor, pixels: float) -> Tensor:
    """Moved down by `pixels`."""
    return moved(image, lambda y, x: (y - pixels, x))


def scaled(image: Tensor, factor: float) -> Tensor:
    """Made larger by `factor` about the centre."""
    return moved(image, lambda y, x: (y / factor, x / factor))


def rotated(image: Tensor, degrees: float) -> Tensor:
    """Turned counterclockwise, as it is seen, about the centre."""
    angle = math.radians(degrees)
    # Rows grow downwards: what is seen at (x, y) was, before a turn to the left, an angle further clockwise.
    return moved(image, lambda y, x: (x * math.sin(angle) + y * math.cos(angle), x * math.cos(angle) - y * math.sin(angle)))


def distance(net: nn.Module, image: Tensor, other: Tensor, layer: str) -> float:
    """Zeiler & Fergus (2014), Fig. 5: between the layer's features of two images, Euclidean."""
    one, two = features(net, image[None], layer).flatten(), features(net, other[None], layer).flatten()
    return math.sqrt(sum((float(a) - float(b)) ** 2 for a, b in zip(one, two, strict=True)))


def correspondence(net: nn.Module, images: Tensor, masked: Tensor, layer: str) -> tuple[float, float]:
    """Zeiler & Fergus (2014), Table 1: mean and deviation over pairs of images of how often the signs of their changes differ."""
    signs = []
    for image, other in zip(images, masked, strict=True):
        change = features(net, image[None], layer).flatten() - features(net, other[None], layer).flatten()
        signs.append([0 if value == 0 else 1 if value > 0 else -1 for value in change.tolist()])
    pairs = combinations(signs, 2)
    shares = [sum(a != b for a, b in zip(one, other, strict=True)) / len(one) for one, other in pairs]
    mean = sum(shares) / len(shares)
    return mean, math.sqrt(sum((share - mean) ** 2 for share in shares) / len(shares))


# ------------------------------------------------------------------------------------------------------------- calibration


def calibration(probabilities: Tensor, labels: Tensor, bins: int) -> tuple[list[tuple[int, float, float]], float, float]:
    """Guo et al. (2017): of each bin its count, accuracy and mean confidence (0 where it is empty); the expected error; the
    greatest error of a bin that is not empty."""
    members: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for row, label in zip(probabilities.double(), labels, strict=True):
        confidence, predicted = float(row.max()), int(row.argmax())
        for number in range(bins):
            if number / bins < confidence <= (number + 1) / bins:
                members[number].append((confidence, predicted == int(label)))
    rows, expected, greatest = [], 0.0, 0.0
    for held in members:
        if not held:
            rows.append((0, 0.0, 0.0))
            continue
        accuracy = sum(right for _, right in held) / len(held)
        confidence = sum(sure for sure, _ in held) / len(held)
        rows.append((len(held), accuracy, confidence))
        expected += len(held) / len(labels) * abs(accuracy - confidence)
        greatest = max(greatest, abs(accuracy - confidence))
    return rows, expected, greatest


def log_likelihood(probabilities: Tensor, labels: Tensor) -> float:
    """The mean negative logarithm of the true class's probability."""
    return -sum(math.log(float(row[int(label)])) for row, label in zip(probabilities, labels, strict=True)) / len(labels)


def brier(probabilities: Tensor, labels: Tensor) -> float:
    """The mean over images of the squared distance between the probabilities and the true class's."""
    total = 0.0
    for row, label in zip(probabilities, labels, strict=True):
        total += sum((float(p) - (number == int(label))) ** 2 for number, p in enumerate(row))
    return total / len(labels)


def mcnemar(only_first: int, only_second: int) -> float:
    """The two-sided exact p of McNemar's test: how often a fair coin is at least as one-sided."""
    tosses, fewer = only_first + only_second, min(only_first, only_second)
    return min(1.0, 2 * sum(math.comb(tosses, k) for k in range(fewer + 1)) / 2**tosses)


# --------------------------------------------------------------------------------------------------------- recurrent cells


def rnn_states(module: nn.RNN, rows: Tensor) -> Tensor:
    """[T, units]: the states of a single layer, in one direction, of float [T, features]."""
    w, u, b, c = (getattr(module, f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    act = torch.tanh if module.nonlinearity == "tanh" else torch.relu
    state, found = torch.zeros(module.hidden_size, dtype=rows.dtype), []
    for row in rows:
        state = act(w @ row + b + u @ state + c)
        found.append(state)
    return torch.stack(found)


def lstm_gates(module: nn.LSTM, rows: Tensor) -> dict[str, Tensor]:
    """Hochreiter & Schmidhuber (1997), with forget gates: i, f, g, o, c, h of a single layer, each [T, units]."""
    w, u, b, c_ = (getattr(module, f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    n = module.hidden_size
    h, c = torch.zeros(n, dtype=rows.dtype), torch.zeros(n, dtype=rows.dtype)
    found: dict[str, list[Tensor]] = {name: [] for name in "ifgoch"}
    for row in rows:
        a = [
            w[k * n : (k + 1) * n] @ row + b[k * n : (k + 1) * n] + u[k * n : (k + 1) * n] @ h + c_[k * n : (k + 1) * n]
            for k in range(4)
        ]
        i, f, g, o = torch.sigmoid(a[0]), torch.sigmoid(a[1]), torch.tanh(a[2]), torch.sigmoid(a[3])
        c = f * c + i * g
        h = o * torch.tanh(c)
        for name, value in zip("ifgoch", (i, f, g, o, c, h), strict=True):
            found[name].append(value)
    return {name: torch.stack(values) for name, values in found.items()}


def gru_gates(module: nn.GRU, rows: Tensor) -> dict[str, Tensor]:
    """Cho et al. (2014), as PyTorch has it (the reset gate behind the product): r, z, n, h of a single layer, each [T, units]."""
    w, u, b, c = (getattr(module, f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    size = module.hidden_size
    h = torch.zeros(size, dtype=rows.dtype)
    found: dict[str, list[Tensor]] = {name: [] for name in "rznh"}
    for row in rows:
        x, s = w @ row + b, u @ h + c
        r, z = torch.sigmoid(x[:size] + s[:size]), torch.sigmoid(x[size : 2 * size] + s[size : 2 * size])
        n = torch.tanh(x[2 * size :] + r * s[2 * size :])
        h = (1 - z) * n + z * h
        for name, value in zip("rznh", (r, z, n, h), strict=True):
            found[name].append(value)
    return {name: torch.stack(values) for name, values in found.items()}


def row_saliency(net: nn.Module, image: Tensor, label: int) -> Tensor:
    """[H]: the magnitudes of the gradient of the class's output over the pixels of each row, added up."""
    seen = image[None].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(net(seen)[0, label], seen)
    return gradient[0].abs().sum((0, 2))


# -------------------------------------------------------------------------------------------------- taken apart, and back


def window(image: Tensor, row: int, column: int, kernel: tuple[int, int], stride: int, padding: int, dilation: int = 1) -> Tensor:
    """[C, k, k]: what a convolution sees for its output at `row`, `column`; zero outside the image [C, H, W]."""
    found = torch.zeros((len(image), *kernel), dtype=image.dtype)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            y, x = row * stride - padding + i * dilation, column * stride - padding + j * dilation
            if 0 <= y < image.shape[1] and 0 <= x < image.shape[2]:
                found[:, i, j] = image[:, y, x]
    return found


def transposed(response: Tensor, filters: Tensor, size: tuple[int, int], stride: int, padding: int) -> Tensor:
    """Report 004's deconvolution, [C, H, W]: one map [h, w] with its filter [C, k, k]; a place adds its value times that."""
    found = torch.zeros((len(filters), *size), dtype=response.dtype)
    for row in range(response.shape[0]):
        for column in range(response.shape[1]):
            for i in range(filters.shape[1]):
                for j in range(filters.shape[2]):
                    y, x = row * stride - padding + i, column * stride - padding + j
                    if 0 <= y < size[0] and 0 <= x < size[1]:
                        found[:, y, x] += response[row, column] * filters[:, i, j]
    return found


def class_means(net: nn.Module, images: Tensor, labels: Tensor, layer: str, classes: int) -> Tensor:
    """[classes, h, w]: over the images of a class, and over the layer's maps, the mean."""
    found = []
    for label in range(classes):
        maps = [
            features(net, image[None], layer)[0].mean(0) for image, own in zip(images, labels, strict=True) if int(own) == label
        ]
        found.append(sum(maps[1:], maps[0]) / len(maps))
    return torch.stack(found)


def principal_components(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Scores [N, count] and shares of the variance [count], from the eigenvectors of the covariance; signs are not fixed."""
    centred = values.double() - values.double().mean(0)
    covariance = centred.T @ centred / (len(values) - 1)
    sizes, vectors = torch.linalg.eigh(covariance)
    order = sizes.argsort(descending=True)[:count]
    return centred @ vectors[:, order], sizes[order] / sizes.sum()


def attention(queries: Tensor, keys: Tensor) -> Tensor:
    """[heads, T, T]: softmax over keys of q . k / sqrt(d), of [heads, T, d] each."""
    heads, tokens, width = queries.shape
    found = torch.zeros((heads, tokens, tokens), dtype=queries.dtype)
    for head in range(heads):
        for query in range(tokens):
            products = torch.stack([(queries[head, query] * keys[head, key]).sum() / math.sqrt(width) for key in range(tokens)])
            found[head, query] = products.softmax(0)
    return found


def rollout(layers: Sequence[Tensor]) -> Tensor:
    """Abnar & Zuidema (2020): [T, T] from the layers' attention [heads, T, T], first layer first; half of each is the residual."""
    mixed = []
    for layer in layers:
        both = layer.mean(0) + torch.eye(layer.shape[1], dtype=layer.dtype)
        mixed.append(both / both.sum(1, keepdim=True))
    found = mixed[0]
    for _, later in pairwise(mixed):
        found = later @ found
    return found
