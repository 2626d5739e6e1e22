"""`python -m convtui.tui.cli`: the command without its script."""

from convtui.tui.cli import main

main()
