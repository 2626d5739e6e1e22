"""Tables on stdout: as wide as the terminal, unbroken in a pipe."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table


def show(table: Table) -> None:
    """Print the table; what goes into a pipe is not cut to a width of 80."""
    console = Console(width=None if sys.stdout.isatty() else 240, highlight=False, markup=False, emoji=False)
    console.print(table)
