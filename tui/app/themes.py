"""The program's own themes. Charts keep Okabe and Ito's colours in each of them: colour-blind people can tell those apart."""

from __future__ import annotations

from textual.theme import Theme


def _tracks(colour: str) -> dict[str, str]:
    """A scrollbar's track all but goes with what is behind it: Textual's own is black where the screen is dark."""
    return {f"scrollbar-{part}": colour for part in ("background", "background-hover", "background-active", "corner-color")}


DARK = Theme(
    name="convtui-dark",
    primary="#56b4e9",
    secondary="#8aa9c1",
    accent="#e69f00",
    foreground="#e4e6e8",
    background="#101315",
    surface="#171b1e",
    panel="#22282c",
    success="#009e73",
    warning="#e69f00",
    error="#e8743b",
    dark=True,
    variables=_tracks("#171b1e"),
)
LIGHT = Theme(
    name="convtui-light",
    primary="#0072b2",
    secondary="#4d6a80",
    accent="#b35c00",
    foreground="#1a1d20",
    background="#fbfbf9",
    surface="#f1f2ef",
    panel="#e2e5e4",
    success="#00785a",
    warning="#9a6200",
    error="#b8430b",
    dark=False,
    variables=_tracks("#f1f2ef"),
)
"""Red and green never stand alone: failures are orange, and every status is a word too."""
