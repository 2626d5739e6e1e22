"""What a training makes of its device: how busy it is, over the last seconds, and how much memory it takes."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from rich.text import Text
from textual.widgets import Static

from convtui.engine.errors import DeviceError
from convtui.tui.app.latest import Latest
from convtui.tui.render.text import size

if TYPE_CHECKING:
    from convtui.engine.device import Meter, Usage

MEASURED_SECONDS = 2.0
KEPT = 16
"""Measurements that are drawn."""
BLOCKS = "▁▂▃▄▅▆▇█"


class DeviceLine(Static):
    """One line about one process of this machine; nothing where there is none to tell of."""

    DEFAULT_CSS = """
    DeviceLine { height: 1; padding: 0 1; display: none; }
    DeviceLine.told { display: block; }
    """

    def __init__(self) -> None:
        super().__init__(markup=False)
        self.followed: tuple[str, int] | None = None
        """The device and the process."""
        self._meter: Meter | None = None
        self._loads: deque[float] = deque(maxlen=KEPT)
        self._latest = Latest(self, self._read, self._show)

    def on_mount(self) -> None:
        """It is measured again and again."""
        self.set_interval(MEASURED_SECONDS, self._measure)

    def follow(self, device: str, pid: int | None) -> None:
        """Tell of this process from now on; of none where `pid` is None."""
        wanted = None if pid is None or not device else (device, pid)
        if wanted != self.followed:
            self.followed = wanted
            self._latest.forget()
            self._loads.clear()
            self.remove_class("told")
            self._measure()

    def _measure(self) -> None:
        if self.followed is not None and self.screen.is_current:
            self._latest.ask(self.followed)

    def _read(self, followed: tuple[str, int]) -> Usage | None:
        from convtui.engine.device import Meter

        try:
            if self._meter is None or (self._meter.device, self._meter.pid) != followed:
                self._meter = Meter(*followed)
            return self._meter.read()
        except DeviceError:
            self._meter = None  # the process has ended, or the driver is silent: then there is nothing to tell
            return None

    def _show(self, usage: Usage | None) -> None:
        self.set_class(usage is not None, "told")
        if usage is not None:
            self.update(self.line(usage), layout=False)

    def line(self, usage: Usage) -> Text:
        """`cuda:0 ▂▃▅▇▇▇ 78 % busy · 0.4 of 139.8 GB`."""
        words = Text(self.followed[0] if self.followed else "", no_wrap=True, overflow="ellipsis")
        if usage.load is not None:
            self._loads.append(usage.load)
            words.append(" ")
            words.append("".join(BLOCKS[min(7, int(8 * load))] for load in self._loads), style="#56B4E9")
            words.append(f" {100 * usage.load:.0f} % busy")
        return words.append(f" · {size(usage.memory)} of {size(usage.total)}", style="dim")
