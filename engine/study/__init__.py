"""Many runs seen together: what is measured of each, and how they differ."""
