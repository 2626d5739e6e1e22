"""The command palette: every key of the screen at hand, by what it does, and the ways to the other pages."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider

from tui.widgets.top_bar import PAGES


class Keys(Provider):
    """What the keys of this screen do, to be found by typing."""

    def _actions(self) -> Iterator[tuple[str, str, str]]:
        """Title, help and action; what the bar at the bottom offers first, what moves a cursor last."""
        seen = set()
        offered = sorted(
            self.screen.active_bindings.values(), key=lambda active: (not active.binding.show, active.node is not self.screen)
        )
        for active in offered:
            binding = active.binding
            if not binding.description or not active.enabled or binding.action in seen or binding.action.startswith("page("):
                continue
            seen.add(binding.action)
            key = self.app.get_key_display(binding)
            yield binding.description, f"key {key}", f"{_namespace(active.node)}{binding.action}"
        for number, page in enumerate(PAGES, 1):
            yield f"Go to {page.title()}", f"key {number}", f"app.page('{page}')"

    async def discover(self) -> Hits:
        """Everything there is, before anything is typed."""
        for title, about, action in self._actions():
            yield DiscoveryHit(title, partial(self._run, action), help=about)

    async def search(self, query: str) -> Hits:
        """What matches."""
        matcher = self.matcher(query)
        for title, about, action in self._actions():
            score = matcher.match(title)
            if score > 0:
                yield Hit(score, matcher.highlight(title), partial(self._run, action), help=about)

    async def _run(self, action: str) -> None:
        await self.app.run_action(action, self.screen.focused or self.screen)


def _namespace(node: object) -> str:
    from textual.app import App
    from textual.screen import Screen

    return "app." if isinstance(node, App) else "screen." if isinstance(node, Screen) else ""
