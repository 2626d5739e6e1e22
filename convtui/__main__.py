"""`python -m convtui`: the command without its script."""

from convtui.tui.cli import main

main()
