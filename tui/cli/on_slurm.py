"""`convtui study run --on slurm`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from convtui.engine.errors import UsageError

if TYPE_CHECKING:
    from convtui.engine.study import Wanted
    from convtui.tui.cli.elsewhere import Elsewhere
    from convtui.tui.cli.study_runner import Runner


def run(there: Elsewhere, runner: Runner, wanted: Sequence[Wanted]) -> int:
    """Refuses: raises UsageError."""
    raise UsageError(f"--on {there.where} is not there yet: --workers N shares the runs among processes of this machine")
