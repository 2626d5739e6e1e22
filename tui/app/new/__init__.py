"""The page New: choose a net, data and hyperparameters, try them and start."""
