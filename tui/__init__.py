"""Everything of convtui that people see: the command line and the terminal application."""
