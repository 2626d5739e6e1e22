"""The views, one file each; `engine.lens.registry` finds them."""
