"""The program's own themes, for as many colours as the terminal has. Charts keep Okabe and Ito's colours in each of them:
colour-blind people can tell those apart.

With 256 and with 16 colours, all are colours that the terminal has: what is mixed is rounded, and a pale blue becomes teal.
"""

from __future__ import annotations

from typing import Any

from textual.theme import Theme

DARK_NAME, LIGHT_NAME = "convtui-dark", "convtui-light"
ROW, ROW_BLURRED = "cursor-row", "cursor-row-blurred"
"""Behind the row that the cursor is on, where what it is in has the focus, and where it has not."""


def _theme(name: str, variables: dict[str, str], **colours: Any) -> Theme:
    # A scrollbar's track all but goes with what is behind it: Textual's own is black where the screen is dark.
    parts = ("background", "background-hover", "background-active", "corner-color")
    tracks = {f"scrollbar-{part}": colours["surface"] for part in parts}
    # What has a cursor of Textual's own, a list of layers, has the same behind it.
    lists = {"block-cursor-blurred-background": variables[ROW_BLURRED]}
    return Theme(name=name, dark=name == DARK_NAME, variables=tracks | lists | variables, **colours)


def _plain(**texts: str) -> dict[str, str]:
    """Words in the colours themselves: where there are 16, a tint of one is another."""
    whole = ("text", "block-cursor-foreground", "button-color-foreground")
    return dict.fromkeys(whole, "auto") | {"text-disabled": "auto 60%"} | {f"text-{name}": text for name, text in texts.items()}


def _thumbs(colour: str) -> dict[str, str]:
    return {f"scrollbar{state}": colour for state in ("", "-hover", "-active")}


def _of_16(name: str, thumb: str, **colours: str) -> Theme:
    """What the cursor is on has the panel's colour."""
    texts = {part: colours[part] for part in ("primary", "secondary", "accent", "success", "warning", "error")}
    return _theme(name, dict.fromkeys((ROW, ROW_BLURRED), colours["panel"]) | _thumbs(thumb) | _plain(**texts), **colours)


DARK = _theme(
    DARK_NAME,
    {ROW: "#284c61", ROW_BLURRED: "#203844"},
    primary="#56b4e9",
    secondary="#8aa9c1",
    accent="#e69f00",
    foreground="#e4e6e8",
    background="#101315",
    surface="#171b1e",
    panel="#22282c",
    success="#00a67a",
    warning="#e69f00",
    error="#e8743b",
)
LIGHT = _theme(
    LIGHT_NAME,
    {ROW: "#b9d8ea", ROW_BLURRED: "#d3e5ee"},
    primary="#00659e",
    secondary="#476378",
    accent="#964a00",
    foreground="#1a1d20",
    background="#fbfbf9",
    surface="#f1f2ef",
    panel="#e2e5e4",
    success="#006b50",
    warning="#825200",
    error="#a83c08",
)
"""Red and green never stand alone: failures are orange, and every status is a word too."""
_DARK_256 = _theme(
    DARK_NAME,
    {ROW: "#303030", ROW_BLURRED: "#262626", **_thumbs("#444444")},
    primary="#5fafd7",
    secondary="#87afd7",
    accent="#ffaf00",
    foreground="#e4e4e4",
    background="#121212",
    surface="#1c1c1c",
    panel="#262626",
    success="#00af87",
    warning="#ffaf00",
    error="#ff875f",
)
_LIGHT_256 = _theme(
    LIGHT_NAME,
    {ROW: "#d0d0d0", ROW_BLURRED: "#dadada", **_thumbs("#9e9e9e")},
    primary="#005faf",
    secondary="#5f5f87",
    accent="#875f00",
    foreground="#1c1c1c",
    background="#ffffff",
    surface="#eeeeee",
    panel="#e4e4e4",
    success="#005f5f",
    warning="#875f00",
    error="#af0000",
)
_DARK_16 = _of_16(
    DARK_NAME,
    "#aaaaaa",
    primary="#55ffff",
    secondary="#55ffff",
    accent="#ffff55",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#0000aa",
    success="#55ff55",
    warning="#ffff55",
    error="#ff5555",
)
_LIGHT_16 = _of_16(
    LIGHT_NAME,
    "#555555",
    primary="#0000aa",
    secondary="#0000aa",
    accent="#aa0000",
    foreground="#000000",
    background="#ffffff",
    surface="#ffffff",
    panel="#aaaaaa",
    success="#0000aa",
    warning="#aa0000",
    error="#aa0000",
)


def themes(color_system: str | None) -> tuple[Theme, Theme]:
    """The dark one and the light one for a terminal of Rich's `color_system`: `truecolor`, `256`, or another with fewer colours."""
    if color_system in (None, "truecolor"):  # None: without colours, they are shades of grey
        return DARK, LIGHT
    return (_DARK_256, _LIGHT_256) if color_system == "256" else (_DARK_16, _LIGHT_16)


def rows(variables: dict[str, str]) -> dict[str, str]:
    """The colours behind cursors, for themes that are not the program's own, from their `variables`."""
    return {ROW: f"{variables['primary']} 40%", ROW_BLURRED: f"{variables['primary']} 25%"} | variables
