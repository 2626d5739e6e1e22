"""Widgets of two pages or more."""
