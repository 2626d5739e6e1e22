"""Machinery for tests that need processes of their own: training in a child, killing it, looking at what is left."""
