"""`python -m tui.cli`: the command without its script."""

from tui.cli import main

main()
