"""One image file -> an array of the size wanted, whatever Pillow can read; anything doubtful is refused with its reason."""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

if TYPE_CHECKING:
    from engine.data.raw import Array

MOST_PIXELS = 50_000_000
"""Images of more are not decoded."""

_WHITE = (255, 255, 255, 255)
_DIRECT = ("RGB", "L", "1", "P", "CMYK", "YCbCr", "HSV", "RGBX")
_SIXTEEN_BITS = ("I", "I;16", "I;16L", "I;16B", "I;16N")


class UnreadableImage(Exception):
    """Why an image cannot be used, in a few words."""


def decode(content: bytes, size: int, *, crop: bool = False) -> Array:
    """The image in `content` as uint8 [3, size, size]. Raises UnreadableImage.

    It is turned as its EXIF orientation says; what is transparent is laid on white; 16 bits become 8; of an animation
    the first frame counts. Another size is resized (bilinear, antialiased), another aspect ratio is squeezed; or with `crop` the
    middle size x size pixels are cut out, of images that have so many.
    """
    if not content:
        raise UnreadableImage("empty")
    try:
        with Image.open(io.BytesIO(content), formats=_formats()) as image:
            if image.width * image.height > MOST_PIXELS:
                raise UnreadableImage(f"huge: {image.width:,} x {image.height:,} pixels")
            ImageOps.exif_transpose(image, in_place=True)
            picture = _in_eight_bits(image)
            if crop:
                picture = _middle(picture, size)
            if picture.size != (size, size):
                picture = picture.resize((size, size), Image.Resampling.BILINEAR)
            return np.asarray(picture).transpose(2, 0, 1)
    except UnreadableImage:
        raise
    except Image.DecompressionBombError:
        raise UnreadableImage("huge") from None
    except UnidentifiedImageError:
        raise UnreadableImage("not an image") from None
    # Pillow's readers of damaged files raise nearly anything; each such file is reported with its name by the caller.
    except Exception as error:
        raise UnreadableImage(f"corrupt: {str(error) or type(error).__name__}") from None


def _middle(picture: Image.Image, size: int) -> Image.Image:
    if min(picture.size) < size:
        raise UnreadableImage(f"{picture.width} x {picture.height} pixels, too few to cut {size} x {size} out of")
    left, top = (picture.width - size) // 2, (picture.height - size) // 2
    return picture.crop((left, top, left + size, top + size))


@cache
def _formats() -> tuple[str, ...]:
    """What Pillow reads, the most frequent first. EPS is left out: Pillow would start Ghostscript, a program, on it."""
    Image.init()
    return ("JPEG", "PNG", *sorted(set(Image.OPEN) - {"EPS", "JPEG", "PNG"}))


def _in_eight_bits(image: Image.Image) -> Image.Image:
    """The image as RGB."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in _SIXTEEN_BITS:
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise UnreadableImage(f"odd mode: {image.mode} with values from {values.min()} to {values.max()}")
        return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", coloured.size, _WHITE), coloured).convert("RGB")
    if image.mode in _DIRECT:
        return image.convert("RGB")
    raise UnreadableImage(f"odd mode: {image.mode}")
