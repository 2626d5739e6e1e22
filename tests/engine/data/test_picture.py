"""Image files of every kind against Pillow itself and arithmetic by hand."""

from __future__ import annotations

import io
import logging

import numpy as np
import pytest
from PIL import Image, ImageFile

from convtui.engine.data.picture import UnreadableImage, decode, decode_alone, silence
from tests.engine.data.making import encoded, giant, plain


def noise(side: int = 8) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8))


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM", "GIF", "WEBP", "JPEG", "TGA"])
def test_pixels_are_those_that_pillow_reads(format: str) -> None:
    content = encoded(noise(), format)
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).transpose(2, 0, 1)
    assert np.array_equal(decode(content, 8).pixels, expected)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (plain(90, "L"), (90, 90, 90)),
        (plain(1, "1"), (255, 255, 255)),
        (plain((10, 20, 30)), (10, 20, 30)),
        # Half covered by white: 255 - (255 - 55) x 0.5 is 155 and so on, within rounding.
        (plain((55, 155, 255, 128), "RGBA"), (155, 205, 255)),
        (plain((0, 0, 0, 0), "RGBA"), (255, 255, 255)),
        (plain((100, 0), "LA"), (255, 255, 255)),
        # 16 bits: 65535 is white and 25700 = 100 x 257.
        (encoded(Image.fromarray(np.full((8, 8), 25_700, np.uint16))), (100, 100, 100)),
        (encoded(Image.fromarray(np.full((8, 8), 65_535, np.uint16)), "TIFF"), (255, 255, 255)),
        (encoded(Image.fromarray(np.full((8, 8), 25_700, np.int32)), "TIFF"), (100, 100, 100)),
        # No ink is white, all of the black ink is black.
        (encoded(Image.new("CMYK", (8, 8), (0, 0, 0, 0)), "TIFF"), (255, 255, 255)),
        (encoded(Image.new("CMYK", (8, 8), (0, 0, 0, 255)), "JPEG"), (0, 0, 0)),
    ],
)
def test_every_mode_becomes_rgb(content: bytes, expected: tuple[int, int, int]) -> None:
    decoded = decode(content, 8).pixels
    assert decoded.shape == (3, 8, 8)
    assert np.abs(decoded[:, 4, 4].astype(int) - expected).max() <= 1


def test_palettes_keep_their_colours_and_their_transparency() -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 200, 10, 20])
    assert decode(encoded(image), 8).pixels[:, 0, 0].tolist() == [200, 10, 20]
    assert decode(encoded(image, transparency=1), 8).pixels[:, 0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (7, 7)), (6, (0, 7)), (8, (7, 0)), (2, (0, 7))])
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_the_camera_s_orientation_is_respected(orientation: int, corner: tuple[int, int], format: str) -> None:
    image = Image.new("RGB", (8, 8))
    image.putpixel((0, 0), (255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode(encoded(image, format, exif=exif), 8).pixels
    assert tuple(int(place[0]) for place in np.nonzero(decoded[0])) == corner


def test_another_size_is_resized_as_pillow_does_and_other_shapes_are_squeezed() -> None:
    wide = noise(64).resize((64, 20))
    assert np.array_equal(
        decode(encoded(wide), 16).pixels, np.asarray(wide.resize((16, 16), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    )


@pytest.mark.parametrize(("rows", "columns"), [(16, 24), (24, 10)])
def test_a_size_may_be_rows_and_columns(rows: int, columns: int) -> None:
    tall = noise(64).resize((30, 50))
    expected = np.asarray(tall.resize((columns, rows), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.array_equal(decode(encoded(tall), (rows, columns)).pixels, expected)
    middle = np.asarray(tall).transpose(2, 0, 1)[:, 25 - rows // 2 : 25 + rows // 2, 15 - columns // 2 : 15 + columns // 2]
    assert np.array_equal(decode(encoded(tall), (rows, columns), crop=True).pixels, middle)
    with pytest.raises(UnreadableImage, match="30 x 50 pixels, too small to crop to 31 x 20"):
        decode(encoded(tall), (20, 31), crop=True)


def test_opacity_is_kept_where_it_is_wanted_and_full_where_there_is_none() -> None:
    seen_through = noise(16).convert("RGBA")
    seen_through.putalpha(noise(16).convert("L").rotate(90))
    kept = decode(encoded(seen_through), 16, alpha=True).pixels
    assert np.array_equal(kept, np.asarray(seen_through).transpose(2, 0, 1))
    expected = np.asarray(seen_through.resize((8, 12), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.array_equal(decode(encoded(seen_through), (12, 8), alpha=True).pixels, expected)
    opaque = decode(encoded(noise(16)), 16, alpha=True).pixels
    assert np.array_equal(opaque[:3], decode(encoded(noise(16)), 16).pixels)
    assert (opaque[3] == 255).all()
    assert decode(encoded(noise(16).convert("L")), 16, alpha=True).pixels.shape == (4, 16, 16)


def test_the_first_frame_of_an_animation_counts() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(content, 8).pixels[:, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"no image at all", "not an image"),
        (encoded(noise(64), "JPEG")[:900], "corrupt"),
        (encoded(noise(64))[:-2000], "corrupt"),
        (encoded(Image.fromarray(np.full((8, 8), 0.5, np.float32)), "TIFF"), "unsupported mode: F"),
        (encoded(Image.fromarray(np.full((8, 8), 1_000_000, np.int32)), "TIFF"), "unsupported mode: I"),
        (encoded(noise(), "EPS"), "not an image"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImage, match=reason):
        decode(content, 8)


@pytest.mark.parametrize("side", [8_000, 12_000, 60_000])
def test_a_huge_image_is_refused_by_its_header_alone(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("it was decoded"))
    # Pillow warns of more than 89 million pixels; a warning is an error in these tests.
    with silence(), pytest.raises(UnreadableImage, match="huge"):
        decode(giant(side), 8)


def test_what_pillow_warns_of_or_logs_stays_off_the_screen(capfd: pytest.CaptureFixture[str]) -> None:
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 200, 10, 20])
    # Bytes of transparency, one a colour: Pillow warns when such a picture is converted.
    with silence():
        assert decode(encoded(palette, transparency=b"\xff\x00"), 8).pixels[:, 0, 0].tolist() == [255, 255, 255]
    logging.getLogger("PIL.TiffImagePlugin").error("of an odd file")
    assert capfd.readouterr().err == ""


def test_a_picture_by_itself_takes_the_white_of_those_it_belongs_with() -> None:
    content = encoded(Image.fromarray(np.full((8, 8), 1000, np.uint16)))
    assert decode_alone(content, 8)[0, 0, 0] == round(1000 * 255 / 1023)
    assert decode_alone(content, 8, white=lambda: 4095)[0, 0, 0] == round(1000 * 255 / 4095)
    assert decode_alone(plain(90, "L"), 8, white=lambda: pytest.fail("nobody needs to know"))[0, 0, 0] == 90
