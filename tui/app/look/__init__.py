"""The page Look: a net opened up."""
