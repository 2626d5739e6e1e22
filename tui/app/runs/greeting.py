"""What a person sees who has no runs yet: what can be done here, and what one will see then."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from convtui.tui.app.keys import key_for


class Offer(Static):
    """One thing to do, by its key or a click."""

    def __init__(self, key: str, action: str, words: str, about: str, *, id: str) -> None:
        """The key and what it does, in two words, and what one will see."""
        told = Content.assemble((f" {key} ", "bold reverse"), (f"  {words}\n", "bold"), (f"     {about}", "dim"))
        super().__init__(told, id=id)
        self._action = action

    async def on_click(self) -> None:
        """As its key does."""
        await self.run_action(self._action)


class Greeting(Vertical):
    """Stands in the middle of an empty page."""

    DEFAULT_CSS = """
    Greeting { height: 1fr; align: center middle; }
    Greeting > Static { width: 60; max-width: 96%; height: auto; margin-bottom: 1; }
    Greeting > Offer:hover { background: $primary 15%; }
    """

    def compose(self) -> ComposeResult:
        yield Static(Content.styled("No runs yet.", "bold"))
        yield Offer(
            key_for(self, "tour"),
            "app.tour",
            "take the tour",
            "a minute: train a net, watch it learn, look inside it",
            id="tour",
        )
        yield Offer(
            key_for(self, "demo"),
            "screen.held('actions', 'demo')",
            "train the demo",
            f"learns shapes in seconds; {key_for(self, 'look')} then shows its filters",
            id="demo",
        )
        yield Offer(
            key_for(self, "new"),
            "screen.held('actions', 'new')",
            "train your own",
            f"presets, the net and its images beside; {key_for(self, 'start')} starts",
            id="new",
        )
        yield Offer(
            key_for(self, "page_6"), "app.page('studies')", "studies", "published results, trained again and compared", id="studies"
        )
