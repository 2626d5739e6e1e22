"""The page Runs: the table of a store's runs."""
