"""An application in a test, as a person sees it: what stands on its screen, and waiting until something does."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

from textual import events
from textual.pilot import Pilot
from textual.widget import Widget

LOOKED_AT_SECONDS = 0.02
LOOKS = 1500


def piloted(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that is a coroutine, run in a loop of its own."""

    @functools.wraps(test)
    def run(*arguments: Any, **keywords: Any) -> None:
        asyncio.run(test(*arguments, **keywords))

    return run


async def until(pilot: Pilot[Any], condition: Callable[[], object]) -> None:
    """Wait until what threads read, compute and draw is there, and the screen has taken it in."""
    for _ in range(LOOKS):
        if condition():
            await pilot.pause()
            return
        await pilot.pause(LOOKED_AT_SECONDS)
    raise AssertionError(f"waited in vain; on screen:\n{screen_text(pilot)}")


def screen_text(pilot: Pilot[Any]) -> str:
    """What is on the screen, row by row."""
    app = pilot.app
    return "\n".join("".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips(app.size))


async def turn_wheel(pilot: Pilot[Any], widget: Widget, by: int) -> None:
    """One notch down (1) or up (-1) in the middle of a widget."""
    x, y = widget.region.x + widget.region.width // 2, widget.region.y + widget.region.height // 2
    turned = events.MouseScrollDown if by > 0 else events.MouseScrollUp
    event = turned(widget, x, y, 0, 0, 0, False, False, False, screen_x=x, screen_y=y)
    widget.post_message(event)
    await pilot.pause()
