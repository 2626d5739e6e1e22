"""The page Compare: the charts of several runs side by side, their settings and results."""
