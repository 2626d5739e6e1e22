"""How a run's status is shown."""

from __future__ import annotations

SYMBOLS = {"running": "●", "paused": "◐", "queued": "○", "diverged": "✗", "failed": "✗", "crashed": "✗", "stopped": "■"}
# Okabe and Ito's, so that good and bad are told apart by everyone; the word is always there too.
COLOURS = {
    "running": "#009E73", "paused": "#E69F00", "queued": "#56B4E9",
    "diverged": "#D55E00", "failed": "#D55E00", "crashed": "#D55E00",
}  # fmt: skip
