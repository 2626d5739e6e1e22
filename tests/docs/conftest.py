"""The command line, as tests of it call it."""

from tests.cli.conftest import convtui

__all__ = ["convtui"]
