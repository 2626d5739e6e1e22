"""This program, as a child process is started with it."""

from __future__ import annotations

import sys

PROGRAM = (sys.executable, "-P", "-m", "convtui.tui.cli")
"""-P: files in the working directory must not be taken for our own packages."""
