"""The command palette: every key of the screen at hand, by what it does, and the ways to the other pages and to runs."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.fuzzy import Matcher

from convtui.engine.errors import ConvtuiError
from convtui.tui.app.keys import TABLE, key_for
from convtui.tui.app.messages import ShowRun
from convtui.tui.app.page import Page
from convtui.tui.app.pages import PAGES
from convtui.tui.render.text import clean

OF_TEXTUAL = ("Theme", "Screenshot")
"""What Textual offers and no key here does."""


class _Entry(NamedTuple):
    """What can be chosen."""

    title: str
    about: str
    run: Callable[[], Any]
    meaning: str = ""
    """What it does in other words, by which it is found too."""


class Keys(Provider):
    """What the keys of this screen do, to be found by typing."""

    def _actions(self) -> Iterator[_Entry]:
        """What the bar at the bottom offers first, what moves a cursor last but for what Textual
        itself offers. That its Quit would leave at once, where ours asks what becomes of a training, is why not all of it does."""
        seen = set()
        offered = sorted(
            self.screen.active_bindings.values(), key=lambda active: (not active.binding.show, active.node is not self.screen)
        )
        for active in offered:
            binding = active.binding
            if not binding.description or not active.enabled or binding.action in seen or binding.action.startswith("page("):
                continue
            seen.add(binding.action)
            meaning = TABLE[binding.id].meaning if binding.id in TABLE else binding.description
            key = self.app.get_key_display(binding)
            about = f"key {key}" if meaning == binding.description else f"key {key}: {meaning}"
            action = partial(self._run, f"{_namespace(active.node)}{binding.action}")
            yield _Entry(binding.description, about, action, meaning)
        for digit, entry in enumerate(PAGES, 1):
            key = key_for(self.app, f"page_{digit}")
            yield _Entry(f"Go to {entry.title}", f"key {key}", partial(self._run, f"app.page({entry.name!r})"))
        for command in self.app.get_system_commands(self.screen):
            if command.title in OF_TEXTUAL:
                yield _Entry(command.title, command.help, command.callback)

    async def startup(self) -> None:
        """Which runs there are."""
        self._runs: dict[int, str] = {}
        if isinstance(self.screen, Page) and self.screen.session.is_open:
            with suppress(ConvtuiError):  # the page itself says what is wrong with the store
                self._runs = await to_thread(self.screen.session.store.run_names)

    def _named(self) -> Iterator[_Entry]:
        for run_id, name in self._runs.items():
            yield _Entry(f"Run {run_id} {clean(name)}", "its charts", partial(self.app.post_message, ShowRun(run_id, "live")))

    async def discover(self) -> Hits:
        """Everything there is, before anything is typed."""
        for entry in self._actions():
            yield DiscoveryHit(entry.title, entry.run, help=entry.about)

    async def search(self, query: str) -> Hits:
        """What matches."""
        matcher = self.matcher(query)
        for entry in chain(self._actions(), self._named()):
            score = max(matcher.match(entry.title), matcher.match(entry.meaning))
            if score > 0:
                yield Hit(score, _lit(matcher, entry.title), entry.run, help=entry.about)

    async def _run(self, action: str) -> None:
        await self.app.run_action(action, self.screen.focused or self.screen)


def _lit(matcher: Matcher, title: str) -> Content:
    """The title with what was found in it. `Matcher.highlight` reads it as markup, and a run's name may be a stranger's."""
    _, found = matcher.fuzzy_search.match(matcher.query, title)
    content = Content(title)
    for place in found:
        content = content.stylize(matcher.match_style, place, place + 1)
    return content


def _namespace(node: object) -> str:
    from textual.app import App
    from textual.screen import Screen

    return "app." if isinstance(node, App) else "screen." if isinstance(node, Screen) else ""
