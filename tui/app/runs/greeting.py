"""What a person sees who has no runs yet: what can be done here, and what one will see then."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from convtui.tui.app.keys import TABLE, shown

OFFERS = (
    (
        "demo",
        "screen.held('actions', 'demo')",
        "train the demo",
        "a small net learns generated shapes in seconds; o then shows what its filters see",
    ),
    (
        "new",
        "screen.held('actions', 'new')",
        "train your own",
        "a form with presets: the net, its size and its images beside it; s starts it",
    ),
    ("page_6", "app.page('studies')", "studies", "published results, trained again: which of their claims hold"),
)
"""Id of the key, what it does, in two words, and what one will see."""


class Offer(Static):
    """One thing to do, by its key or a click."""

    def __init__(self, id: str, action: str, words: str, about: str) -> None:
        super().__init__(
            Content.assemble((f" {shown(TABLE[id].keys)} ", "bold reverse"), (f"  {words}\n", "bold"), (f"     {about}", "dim"))
        )
        self._action = action

    async def on_click(self) -> None:
        """As its key does."""
        await self.run_action(self._action)


class Greeting(Vertical):
    """Stands in the middle of an empty page."""

    DEFAULT_CSS = """
    Greeting { height: 1fr; align: center middle; }
    Greeting > Static { width: 84; max-width: 96%; height: auto; margin-bottom: 1; }
    Greeting > Offer:hover { background: $primary 15%; }
    """

    def compose(self) -> ComposeResult:
        yield Static(Content.styled("No runs yet.", "bold"))
        for offer in OFFERS:
            yield Offer(*offer)
