"""The pages, in the order of the top bar: bar, keys, palette, style sheets and modes are made from this table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LazyPage:
    """One page. Its class is in the module `page` of the folder `name`, which is imported when the page is first shown."""

    name: str
    """Of its folder and its mode."""
    page: str
    """Name of its class."""

    @property
    def title(self) -> str:
        """As people read it."""
        return self.name.title()


PAGES = (
    LazyPage("runs", "RunsPage"),
    LazyPage("new", "NewPage"),
    LazyPage("live", "LivePage"),
    LazyPage("look", "LookPage"),
    LazyPage("compare", "ComparePage"),
    LazyPage("studies", "StudiesPage"),
)
"""Digits from 1 on show them."""
