"""The page Studies: published studies, their runs and claims."""
