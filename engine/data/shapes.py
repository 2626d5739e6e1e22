"""`shapes`: ten kinds of object, drawn from signed distances, with the true mask of each.

Made by arithmetic alone (float64, PCG64), so every machine has the same bytes for a seed. Position, size, turn, colours and
contrast sign are random, which leaves a linear classifier near chance; a small convolutional net does well.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from convtui.engine.data.raw import ProgressCallback, RawDataset, RawSplit
from convtui.engine.spec.sizes import Size

if TYPE_CHECKING:
    from convtui.engine.data.raw import Array

SIDE = 32
TRAIN_IMAGES, TEST_IMAGES = 10_000, 2_000
VERSION = 1
"""Raised whenever the bytes change: decoded copies of another version are not read."""

RADIUS = (8.0, 13.0)
TURN_DEGREES = 20.0
CONTRAST = 0.11
"""Least difference of luma between object and ground, black to white being 1."""
TEXTURE = 0.16
"""Greatest departure of a texture from its colour, of the same 1."""
NOISE = 0.11
"""Greatest noise of one channel of one pixel (triangular about 0), of the same 1."""

_CHUNK = 500
_KNOTS = 6
_LUMA = np.array([0.299, 0.587, 0.114])


# ------------------------------------------------------- signed distances: negative inside, the object's radius being 1


def _disc(x: Array, y: Array, radius: float) -> Array:
    return np.asarray(np.sqrt(x * x + y * y) - radius)


def _box(x: Array, y: Array, half_width: float, half_height: float) -> Array:
    across, down = np.abs(x) - half_width, np.abs(y) - half_height
    outside = np.sqrt(np.maximum(across, 0) ** 2 + np.maximum(down, 0) ** 2)
    return np.asarray(outside + np.minimum(np.maximum(across, down), 0))


def _ring(x: Array, y: Array) -> Array:
    return np.asarray(np.abs(_disc(x, y, 0.75)) - 0.2)


def _frame(x: Array, y: Array) -> Array:
    return np.maximum(_box(x, y, 0.8, 0.8), -_box(x, y, 0.45, 0.45))


def _triangle(x: Array, y: Array) -> Array:
    half_height, slope = 0.5, np.sqrt(3) / 2
    return np.asarray(np.maximum(y - half_height, np.maximum(slope * x - 0.5 * y, -slope * x - 0.5 * y) - half_height))


def _cross(x: Array, y: Array) -> Array:
    return np.minimum(_box(x, y, 0.95, 0.27), _box(x, y, 0.27, 0.95))


def _flower(x: Array, y: Array) -> Array:
    distance = _disc(x, y, 0.47)
    for petal in range(5):
        angle = 2 * np.pi * petal / 5
        distance = np.minimum(distance, _disc(x - 0.61 * np.sin(angle), y + 0.61 * np.cos(angle), 0.36))
    return np.asarray(distance)


def _crescent(x: Array, y: Array) -> Array:
    return np.maximum(_disc(x, y, 0.95), -_disc(x - 0.45, y, 0.75))


def _half_disc(x: Array, y: Array) -> Array:
    centred = y - 0.4
    return np.maximum(_disc(x, centred, 0.95), centred)


_DISTANCES: dict[str, Callable[[Array, Array], Array]] = {
    "disc": lambda x, y: _disc(x, y, 0.9),
    "ring": _ring,
    "square": lambda x, y: _box(x, y, 0.75, 0.75),
    "frame": _frame,
    "triangle": _triangle,
    "cross": _cross,
    "flower": _flower,
    "crescent": _crescent,
    "bar": lambda x, y: _box(x, y, 0.95, 0.27),
    "half-disc": _half_disc,
}
CLASSES = tuple(_DISTANCES)


# ---------------------------------------------------------------------------------------------------------- drawing


def draw(count: int, seed: int, progress: ProgressCallback | None = None) -> RawSplit:
    """`count` images [N, 3, 32, 32] of the ten classes in equal shares and random order, with masks [N, 32, 32].

    A mask is true where a pixel's centre lies within the object. The same `count` and `seed` give the same bytes.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    labels = np.argsort(generator.random(count), kind="stable") % len(CLASSES)
    images = np.empty((count, 3, SIDE, SIDE), np.uint8)
    masks = np.empty((count, SIDE, SIDE), np.bool_)
    for start in range(0, count, _CHUNK):
        if progress:
            progress("drawing shapes", start, count)
        part = slice(start, min(start + _CHUNK, count))
        images[part], masks[part] = _draw_chunk(labels[part], generator)
    if progress:
        progress("drawing shapes", count, count)
    return RawSplit(images, labels.astype(np.int64), masks)


def _draw_chunk(labels: Array, generator: np.random.Generator) -> tuple[Array, Array]:
    count = len(labels)
    radius = RADIUS[0] + (RADIUS[1] - RADIUS[0]) * generator.random(count)
    turn = np.radians(TURN_DEGREES) * (2 * generator.random(count) - 1)
    centre = radius[:, None] + (SIDE - 2 * radius[:, None]) * generator.random((count, 2))
    distance = _distance_in_pixels(labels, radius, turn, centre)
    # One pixel's width of the edge is blended, which is what makes it smooth.
    cover = np.clip(0.5 - distance, 0, 1)[:, None]

    ground, thing = _two_colours(count, generator)
    ground_surface = ground[:, :, None, None] + _texture(count, generator)
    thing_surface = thing[:, :, None, None] + _texture(count, generator)
    picture = ground_surface + cover * (thing_surface - ground_surface)
    picture += NOISE * (generator.random(picture.shape) + generator.random(picture.shape) - 1)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8), distance < 0


def _distance_in_pixels(labels: Array, radius: Array, turn: Array, centre: Array) -> Array:
    """Signed distance of every pixel's centre to the object's edge [N, 32, 32]."""
    pixels = np.arange(SIDE) + 0.5
    across = pixels[None, None, :] - centre[:, 0, None, None]
    down = pixels[None, :, None] - centre[:, 1, None, None]
    cosine, sine = (np.cos(turn) / radius)[:, None, None], (np.sin(turn) / radius)[:, None, None]
    x, y = cosine * across + sine * down, cosine * down - sine * across
    distance = np.empty((len(labels), SIDE, SIDE))
    for label, name in enumerate(CLASSES):
        chosen = labels == label
        distance[chosen] = _DISTANCES[name](x[chosen], y[chosen]) * radius[chosen, None, None]
    return distance


def _two_colours(count: int, generator: np.random.Generator) -> tuple[Array, Array]:
    """Colours [N, 3] of ground and object, drawn again until their lumas differ by at least CONTRAST."""
    pair = generator.random((count, 2, 3))
    while True:
        luma = (pair * _LUMA).sum(axis=2)
        alike = np.abs(luma[:, 0] - luma[:, 1]) < CONTRAST
        if not alike.any():
            return pair[:, 0], pair[:, 1]
        pair[alike] = generator.random((int(alike.sum()), 2, 3))


def _texture(count: int, generator: np.random.Generator) -> Array:
    """Soft random cloud a colour channel [N, 3, 32, 32]: random values at 6 x 6 knots, smoothly joined."""
    place = (np.arange(SIDE) + 0.5) / SIDE * (_KNOTS - 1)
    near = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(_KNOTS)))
    weight = near * near * (3 - 2 * near)
    knots = TEXTURE * (2 * generator.random((count, 3, _KNOTS, _KNOTS)) - 1)
    return np.asarray(weight @ knots @ weight.T)


# --------------------------------------------------------------------------------------------------------- as a source


def on_disk(place: Path) -> bool:
    """Always: it is made, not read."""
    return True


def fingerprint(place: Path) -> str:
    """Changes only when the drawing does."""
    return f"shapes {VERSION}"


def read(place: Path, size: Size, progress: ProgressCallback | None = None, *, crop: bool = False) -> RawDataset:
    """10,000 training and 2,000 test images [N, 3, 32, 32] with masks."""
    train = draw(TRAIN_IMAGES, seed=1, progress=progress)
    return RawDataset(train, draw(TEST_IMAGES, seed=2, progress=progress), CLASSES)
