"""What is on the screen can be read, in both themes: by the numbers of their colours, and in the pictures of all pages."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from rich.color import Color, ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.color import Color as Ground
from textual.theme import Theme

from convtui.engine.figures.axis import COLOURS, INKS_ON_LIGHT
from convtui.tui.app.legible import INKS_OF_16_ON_LIGHT, Legible, inks
from convtui.tui.app.themes import DARK, LIGHT, ROW, ROW_BLURRED, themes
from convtui.tui.render.chart import MARKERS
from convtui.tui.render.status import COLOURS as OF_STATUSES
from tests.harness.contrast import contrast, texts

OF_16 = (
    *("#000000", "#aa0000", "#00aa00", "#aa5500", "#0000aa", "#aa00aa", "#00aaaa", "#aaaaaa"),
    *("#555555", "#ff5555", "#55ff55", "#ffff55", "#5555ff", "#ff55ff", "#55ffff", "#ffffff"),
)
PICTURES = Path(__file__).parent / "__snapshots__"


def grounds(theme: Theme) -> list[str]:
    return [
        str(each) for each in (theme.background, theme.surface, theme.panel, theme.variables[ROW], theme.variables[ROW_BLURRED])
    ]


def in_hex(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


@pytest.mark.parametrize("system", ["truecolor", "256"])
@pytest.mark.parametrize("is_dark", [True, False], ids=["dark", "light"])
def test_words_in_the_themes_own_colours_are_read_on_all_their_grounds(system: str, is_dark: bool) -> None:
    theme = themes(system)[not is_dark]
    for ground in grounds(theme):
        assert contrast(str(theme.foreground), ground) >= 7
    for ground in grounds(theme)[:3]:
        for colour in (theme.primary, theme.accent, theme.secondary, theme.success, theme.warning, theme.error):
            assert contrast(str(colour), ground) >= 4.5, (colour, ground)


def test_series_are_seen_as_lines_and_their_names_are_read_on_a_light_ground() -> None:
    for ground in grounds(DARK)[:2]:
        assert min(contrast(in_hex(colour), ground) for colour in COLOURS) >= 3
    for ground in grounds(LIGHT)[:2]:
        assert min(contrast(in_hex(colour), ground) for colour in INKS_ON_LIGHT) >= 4.5


@pytest.mark.parametrize("colours", [COLOURS, INKS_ON_LIGHT], ids=["dark", "light"])
def test_ten_classes_have_ten_colours_and_every_marker_tells_neighbours_apart(colours: tuple[tuple[int, int, int], ...]) -> None:
    assert len(colours) == 10
    for (one, first), (other, second) in combinations(enumerate(colours), 2):
        apart = sum((a - b) ** 2 for a, b in zip(first, second, strict=True)) ** 0.5
        assert apart >= 40
        assert apart >= 70 or one % len(MARKERS) != other % len(MARKERS)


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_what_would_be_too_faint_is_made_stronger_and_nothing_else_is_touched(theme: Theme) -> None:
    filter = Legible()
    faint = [Style(color=colour) for colour in ("#777777", *OF_STATUSES.values(), *map(in_hex, COLOURS), "rgb(90,100,110)")]
    for ground in grounds(theme):
        words = [Segment("12 epochs", style + Style(bgcolor=ground)) for style in faint]
        drawn = [Segment("⠒⠊─▄", segment.style) for segment in words]
        for before, after in zip(words, filter.apply(words, Ground.parse(ground)), strict=True):
            assert after.text == before.text
            assert after.style is not None
            assert after.style.color is not None
            assert before.style is not None
            assert before.style.color is not None
            assert contrast(after.style.color.get_truecolor().hex, ground) >= 4.5
            if contrast(before.style.color.get_truecolor().hex, ground) >= 4.5:
                assert after == before
        assert filter.apply(drawn, Ground.parse(ground)) == drawn


OF_XTERM = (
    *("#000000", "#cd0000", "#00cd00", "#cdcd00", "#0000ee", "#cd00cd", "#00cdcd", "#e5e5e5"),
    *("#7f7f7f", "#ff0000", "#00ff00", "#ffff00", "#5c5cff", "#ff00ff", "#00ffff", "#ffffff"),
)


@pytest.mark.parametrize("is_dark", [True, False], ids=["dark", "light"])
@pytest.mark.parametrize("palette", [OF_16, OF_XTERM], ids=["vga", "xterm"])
def test_with_16_colours_statuses_and_names_are_read_on_every_row(palette: tuple[str, ...], is_dark: bool) -> None:
    """Red on blue, which is what a failed run under the cursor was, is not."""
    theme, of_16, legible = themes("standard")[not is_dark], inks("standard", dark=is_dark), Legible(of_16=True)
    assert of_16 is not None
    colours = {*OF_STATUSES.values(), *map(in_hex, COLOURS), str(theme.primary), str(theme.accent), str(theme.error), "#7f7f7f"}
    for ground in grounds(theme):
        for style in [Style(color=colour, bold=bold, bgcolor=ground) for colour in colours for bold in (True, False)]:
            (after,) = legible.apply(of_16.apply([Segment("crashed", style)], Ground.parse(ground)), Ground.parse(ground))
            assert after.style is not None
            assert after.style.color is not None
            number = after.style.color.downgrade(ColorSystem.STANDARD).number
            assert number is not None
            assert contrast(palette[number], palette[OF_16.index(ground)]) >= 4.5, (style, after.style)
            assert number != 0 or not after.style.bold, "bold black is grey"
        line = [Segment("─●", Style(color="#ff5555", bgcolor=ground))]
        assert legible.apply(line, Ground.parse(ground)) == line


def test_reversed_words_are_made_stronger_too() -> None:
    (segment,) = Legible().apply([Segment("1", Style.parse("#171b1e on #646769 reverse"))], Ground.parse("#171b1e"))
    assert segment.style is not None
    assert segment.style.bgcolor is not None
    assert contrast(segment.style.bgcolor.get_truecolor().hex, "#171b1e") >= 4.5


def test_on_a_light_ground_okabe_and_itos_colours_are_darker_and_pictures_are_not_touched() -> None:
    picture = Segment("▀", Style.parse("#123456 on #e69f00"))
    on_light = inks("truecolor", dark=False)
    assert on_light is not None
    assert inks("truecolor", dark=True) is None
    series, same = on_light.apply([Segment("○ relu", Style.parse("#e69f00")), picture], Ground.parse("white"))
    assert series.style == Style(color=Color.from_rgb(*INKS_ON_LIGHT[0]))
    assert same == picture


@pytest.mark.parametrize("dark", [True, False])
def test_with_16_colours_ten_series_have_ten(dark: bool) -> None:
    of_16 = inks("standard", dark=dark)
    assert of_16 is not None
    series = of_16.apply([Segment("○", Style(color=in_hex(colour))) for colour in COLOURS], Ground.parse("black"))
    numbers = {each.style.color.downgrade(ColorSystem.STANDARD).number for each in series if each.style and each.style.color}
    assert len(numbers) == 10


@pytest.mark.parametrize("palette", [OF_16, OF_XTERM], ids=["vga", "xterm"])
def test_with_16_colours_on_light_two_series_are_seen_in_every_terminal(palette: tuple[str, ...]) -> None:
    for colour in INKS_OF_16_ON_LIGHT[:2]:
        assert contrast(palette[Color.from_rgb(*colour).downgrade(ColorSystem.STANDARD).number], "#ffffff") >= 3


@pytest.mark.parametrize("system", ["256", "standard"])
def test_themes_for_few_colours_are_made_of_those(system: str) -> None:
    for theme in themes(system):
        named = (theme.primary, theme.secondary, theme.accent, theme.success, theme.warning, theme.error, theme.foreground)
        for colour in (*map(str, named), *grounds(theme)):
            if system == "standard":
                assert Color.parse(colour).downgrade(ColorSystem.STANDARD).number == OF_16.index(colour)
            else:
                shown = Color.parse(colour).downgrade(ColorSystem.EIGHT_BIT).get_truecolor()
                wanted = Color.parse(colour).get_truecolor()
                # Rich takes a light grey's darker neighbour.
                assert max(abs(one - other) for one, other in zip(shown, wanted, strict=True)) <= 10, (theme.name, colour)


def test_all_that_is_written_on_the_pages_can_be_read() -> None:
    others = (
        "test_look_page",
        "asks",
        "no-colour",
    )  # shown by an application of the test's own; behind a question; without colours
    pictures = [path for path in PICTURES.glob("*/*.svg") if not any(word in str(path) for word in others)]
    assert len(pictures) >= 20
    for path in pictures:
        written = [text for text in texts(path) if any(letter.isalnum() for letter in text.text)]
        assert len(written) > 10, path.name
        faintest = min(written, key=lambda text: text.contrast)
        assert faintest.contrast >= 4.4, (path.name, faintest)  # colours of the picture are rounded
