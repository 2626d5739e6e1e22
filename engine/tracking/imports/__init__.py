"""Other programs' logs as runs: what they measured, under their names."""

from convtui.engine.tracking.imports.importing import Source, import_source, sources

__all__ = ["Source", "import_source", "sources"]
