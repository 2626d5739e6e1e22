"""Train small neural nets, watch them learn and open them up.

The folders `engine/`, `tui/` and `assets/` at the top of the repository are linked into this package: `convtui` is the one name
that is imported and installed, since `engine` and `tui` are names that other people's own files have.
"""

from convtui.engine import __version__

__all__ = ["__version__"]
