"""From the name of a dataset to images held in memory. `catalog` is the door; importing it loads no torch."""
