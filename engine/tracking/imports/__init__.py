"""Other programs' logs as runs: what they measured, under their names."""

from convtui.engine.tracking.imports.finding import Source, sources
from convtui.engine.tracking.imports.importing import Follower, Importer, KeptLog

__all__ = ["Follower", "Importer", "KeptLog", "Source", "sources"]
