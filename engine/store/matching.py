"""What has become of a run that a study wants: which of the setting's runs it is, and what is to be done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from convtui.engine.errors import SpecError
from convtui.engine.store.tables import Run

if TYPE_CHECKING:
    from convtui.engine.spec import RunSpec

Standing = Literal["done", "busy", "unfinished", "failed", "missing"]
"""`done`: finished or diverged, never to be run again. `busy`: running, paused or queued, claimed by a living process.
`unfinished`: stopped or crashed, to be resumed. `failed` and `missing`: to be run from the start."""
_STANDING: Mapping[str, Standing] = {
    "finished": "done", "diverged": "done", "running": "busy", "paused": "busy", "queued": "busy", "stopped": "unfinished",
    "crashed": "unfinished", "failed": "failed",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Match:
    """The run that is nearest to what is wanted."""

    standing: Standing
    run: Run | None
    """None where it is missing."""

    @property
    def is_open(self) -> bool:
        """Whether there is something to train that no other process trains."""
        return self.standing not in ("done", "busy")


def match(runs: Iterable[Run], spec: RunSpec) -> Match:
    """What these runs of one setting, their statuses resolved, say of the wanted `spec`; of several alike the newest counts.

    A run matches if its spec equals the wanted one in every hyperparameter: seed, budget and data source included.
    """
    equal = [Match(_STANDING[run.status], run) for run in sorted(runs, key=lambda run: -run.id) if _has(run, spec)]
    order: tuple[Standing, ...] = ("done", "busy", "unfinished", "failed")
    return min(equal, key=lambda found: order.index(found.standing), default=Match("missing", None))


def _has(run: Run, spec: RunSpec) -> bool:
    try:
        return run.settings == spec
    except SpecError:  # another program's: it has hyperparameters that no wanted spec has
        return False
