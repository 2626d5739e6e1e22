"""A run of convtui as the logger of a library that has its own training loop, one file each."""
