"""The page Live: one run while it trains, or afterwards."""
