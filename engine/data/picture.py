"""One image file -> an array of the size wanted, whatever Pillow can read; anything doubtful is refused with its reason."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from convtui.engine.data.names import shown
from convtui.engine.spec.sizes import Size, sides_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from convtui.engine.data.raw import Array

MOST_PIXELS = 50_000_000
"""Images of more are not decoded."""
WHITE = 65_535
"""The value that is white in a grey picture of 16 or 32 bits, unless the pictures that it belongs to are of fewer bits."""

_WHITE = (255, 255, 255, 255)
_DIRECT = ("RGB", "L", "1", "P", "CMYK", "YCbCr", "HSV", "RGBX")
_SIXTEEN_BITS = ("I", "I;16", "I;16L", "I;16B", "I;16N")
_BITS = (1, 2, 4, 8, 10, 12, 14, 16)

# Else what Pillow logs of odd files is printed on stderr, over a screen or a progress bar.
logging.getLogger("PIL").addHandler(logging.NullHandler())


class UnreadableImage(Exception):
    """Why an image cannot be used, in a few words."""


class Picture(NamedTuple):
    """What `decode` makes of a file."""

    pixels: Array
    """uint8 [3 or, with its opacity, 4, *size]."""
    brightest: int | None = None
    """The largest value of a grey picture of 16 or 32 bits, 0 to 65,535; None for others. Pictures that belong together have one
    white: see `white_of`."""
    vanished: bool = False
    """Whether it has parts that are transparent, and on white nothing is seen of the rest."""


@contextmanager
def silence() -> Iterator[None]:
    """Pillow warns of much that is harmless, and of what is refused here; none of it may reach the terminal.

    For one thread at a time: warnings are silent in all of them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def decode(content: bytes, size: Size, *, crop: bool = False, white: int = WHITE, alpha: bool = False) -> Picture:
    """The image in `content`, size x size. For any thread, within `silence`. Raises UnreadableImage.

    It is turned as its EXIF orientation says; what is transparent is laid on white, or kept with `alpha`; 16 bits become 8, of
    which `white` is 255; of an animation the first frame counts. Another size is resized (bilinear, antialiased), another aspect
    ratio is squeezed; or with `crop` the middle size x size pixels are cut out, of images that have so many.
    """
    if not content:
        raise UnreadableImage("empty")
    try:
        return _decoded(content, size, crop=crop, white=white, alpha=alpha)
    except UnreadableImage:
        raise
    except Image.DecompressionBombError:
        raise UnreadableImage("huge") from None
    except UnidentifiedImageError:
        raise UnreadableImage("not an image") from None
    # Pillow's readers of damaged files raise nearly anything; each such file is reported with its name by the caller.
    except Exception as error:
        raise UnreadableImage(f"corrupt: {shown(error) or type(error).__name__}") from None


def white_of(brightest: int) -> int:
    """The value that is white where the brightest of all grey pictures of 16 or 32 bits is this: the largest one of the fewest bits
    (1, 2, 4, 8, 10, 12, 14 or 16) that hold it. Cameras of 12 bits write files of 16."""
    return next((1 << bits) - 1 for bits in _BITS if brightest < 1 << bits)


def decode_alone(
    content: bytes, size: Size, *, crop: bool = False, white: Callable[[], int | None] = lambda: None, alpha: bool = False
) -> Array:
    """`decode` of a picture that is looked at by itself: uint8 [3 or 4, *size]. Where it has 16 or 32 bits, `white` is asked for
    the value that is white in the pictures that it belongs with; None is its own."""
    with silence():
        picture = decode(content, size, crop=crop, alpha=alpha)
        if picture.brightest is None:
            return picture.pixels
        return decode(content, size, crop=crop, white=white() or white_of(picture.brightest), alpha=alpha).pixels


def named_as_image(name: str) -> bool:
    """Whether a file's name ends as images' names do."""
    _formats()
    return PurePath(name).suffix.lower() in Image.EXTENSION


def _decoded(content: bytes, size: Size, *, crop: bool, white: int, alpha: bool) -> Picture:
    with Image.open(io.BytesIO(content), formats=_formats()) as image:
        if image.width * image.height > MOST_PIXELS:
            raise UnreadableImage(f"huge: {image.width:,} x {image.height:,} pixels")
        ImageOps.exif_transpose(image, in_place=True)
        picture, brightest, vanished = _in_eight_bits(image, white, alpha=alpha)
        if alpha:
            picture = picture.convert("RGBA")
        if crop:
            picture = _middle(picture, size)
        rows, columns = sides_of(size)
        if picture.size != (columns, rows):
            picture = picture.resize((columns, rows), Image.Resampling.BILINEAR)
        return Picture(np.asarray(picture).transpose(2, 0, 1), brightest, vanished)


def _middle(picture: Image.Image, size: Size) -> Image.Image:
    rows, columns = sides_of(size)
    if picture.width < columns or picture.height < rows:
        raise UnreadableImage(f"{picture.width} x {picture.height} pixels, too small to crop to {columns} x {rows}")
    left, top = (picture.width - columns) // 2, (picture.height - rows) // 2
    return picture.crop((left, top, left + columns, top + rows))


@cache
def _formats() -> tuple[str, ...]:
    """What Pillow reads, the most frequent first. EPS is left out: Pillow would start Ghostscript, a program, on it."""
    Image.init()
    return ("JPEG", "PNG", *sorted(set(Image.OPEN) - {"EPS", "JPEG", "PNG"}))


def _in_eight_bits(image: Image.Image, white: int, *, alpha: bool) -> tuple[Image.Image, int | None, bool]:
    """The image as RGB, with `alpha` one with transparent parts as RGBA, and what `Picture` tells beside."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image, None, False
    if image.mode in _SIXTEEN_BITS:
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > WHITE:
            raise UnreadableImage(f"unsupported mode: {image.mode} with values from {values.min()} to {values.max()}")
        eight = ((values * 255 + white // 2) // white).clip(max=255).astype(np.uint8)
        return Image.fromarray(eight).convert("RGB"), int(values.max()), False
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        if alpha:
            return coloured, None, False
        laid = Image.alpha_composite(Image.new("RGBA", coloured.size, _WHITE), coloured).convert("RGB")
        seen_through = coloured.getchannel("A").getextrema() != (255, 255)
        return laid, None, seen_through and laid.getextrema() == ((255, 255),) * 3
    if image.mode in _DIRECT:
        return image.convert("RGB"), None, False
    raise UnreadableImage(f"unsupported mode: {image.mode}")
