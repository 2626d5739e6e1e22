"""Figures as plain values, and how they are drawn and saved as PNG, CSV, NPZ and JSON."""
