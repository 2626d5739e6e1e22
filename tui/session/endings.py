"""Which runs of the store have ended since the last look, whichever process trained them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from convtui.engine.statuses import CLAIMED

if TYPE_CHECKING:
    from convtui.engine.store import Run, Store


class Endings:
    """Remembers which runs were in training or waiting; what was over before the first look is no news."""

    def __init__(self, store: Callable[[], Store]) -> None:
        self._store = store
        self._claimed: dict[int, Run] = {}

    @property
    def are_awaited(self) -> bool:
        """Whether a run was in training or waiting at the last look: its process may vanish, which the store is not told."""
        return bool(self._claimed)

    def look(self) -> list[Run]:
        """Those that are over now, as they ended. Reads the store; raises StoreError."""
        before = self._claimed
        self._claimed = {run.id: run for run in self._store().runs(status=CLAIMED)}
        gone = sorted(before.keys() - self._claimed.keys())
        return self._store().runs(ids=gone) if gone else []
