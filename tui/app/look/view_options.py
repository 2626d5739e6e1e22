"""What a view can be asked: a form made from its typed options."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from rich.text import Text
from textual import events
from textual.app import ComposeResult, RenderResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.geometry import Size
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Label, Select, Static, Switch

from convtui.tui.app.keys import bind
from convtui.tui.app.look.words import option_name

if TYPE_CHECKING:
    from convtui.engine.lens.registry import View
    from convtui.engine.spec import Hyperparameter

ELSEWHERE = ("layer",)
"""Options that have a place of their own on the page."""


class Toggle(Switch):
    """A switch that says in words how it stands: colours alone say nothing to many."""

    DEFAULT_CSS = """
    Toggle { border: none; height: 1; padding: 0; background: transparent; }
    Toggle:focus { border: none; background: $accent 30%; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("toggle", "toggle_switch", "Switch"),
        bind("open", "toggle_switch", "Switch", show=False),
    ]

    def render(self) -> RenderResult:
        return Text("● yes" if self.value else "○ no ")

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return len("● yes")


class Written(Input):
    """A value that is written."""

    BINDINGS: ClassVar[list[BindingType]] = [bind("open", "submit", "Apply")]


class Choice(Select[str]):
    """One of several values."""

    BINDINGS: ClassVar[list[BindingType]] = [bind("open", "show_overlay", "Choose")]


class ViewOptions(VerticalScroll):
    """The options of a view, one widget each by its kind, with help for the one at hand."""

    DEFAULT_CSS = """
    ViewOptions { scrollbar-size-vertical: 1; }
    ViewOptions Horizontal { height: 1; }
    ViewOptions Label { width: auto; min-width: 11; padding-right: 1; color: $text-muted; }
    ViewOptions Label.changed { color: $text-accent; text-style: bold; }
    ViewOptions Input { width: 1fr; }
    ViewOptions Select { width: 1fr; }
    ViewOptions #help { color: $text-muted; margin-top: 1; height: auto; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("next_pane", "app.focus_next", "Next"),
        bind("down", "app.focus_next", "Next option", show=False),
        bind("up", "app.focus_previous", "Previous option", show=False),
        bind("back", "screen.to_picture", "To picture"),
    ]

    class Changed(Message):
        """An option shall have another value; None leaves it to the view."""

        def __init__(self, view: str, name: str, value: str | None) -> None:
            super().__init__()
            self.view, self.name, self.value = view, name, value

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, can_focus=False)
        self._view: View | None = None
        self._fields: dict[str, Hyperparameter] = {}
        self._values: Mapping[str, str] = {}
        self._wanted: tuple[View, Mapping[str, str]]
        self._one_at_a_time = asyncio.Lock()

    def compose(self) -> ComposeResult:
        yield Static("", id="help")

    async def show(self, view: View, values: Mapping[str, str]) -> None:
        """Make a form for this view, filled with the values that were said; of several calls the last one counts."""
        self._wanted = (view, dict(values))
        async with self._one_at_a_time:
            view, values = self._wanted
            if view is not self._view:
                await self._make(view, values)
            self._values = values
            self._fill()

    async def _make(self, view: View, values: Mapping[str, str]) -> None:
        fields = {field.path: field for field in view.fields() if field.path not in ELSEWHERE}
        rows = []
        for name, field in fields.items():
            made = self._made(view, field, values.get(name, _text(field.default)))
            rows.append(Horizontal(Label(option_name(name)), made, classes="row"))
        with self.app.batch_update():
            await self.query(".row").remove()
            # Only now: leaving a field that goes away is still about the view before.
            self._view, self._fields, self._values = view, fields, values
            await self.mount(*rows, before="#help")
        self._explain(None)

    def _made(self, view: View, field: Hyperparameter, value: str) -> Widget:
        """The widget that an option of this kind is set by."""
        made: Widget
        # The closed list of values, also where one may be left out.
        choices = field.choices
        if field.kind is bool:
            made = Toggle(value == "true", name=field.path, animate=False)
        elif choices:
            values = [(choice, choice) for choice in choices]
            first = value or Select.NULL
            blank = field.default is None
            made = Choice(values, value=first, allow_blank=blank, prompt="auto", compact=True, name=field.path)
        else:
            kind: Literal["integer", "number", "text"] = "text"
            if field.kind in (int, float):
                kind = "integer" if field.kind is int else "number"
            made = Written(
                value, type=kind, placeholder="default", compact=True, name=field.path, select_on_focus=True, valid_empty=True
            )
        made.tooltip = help_of(field)
        return made

    def _fill(self) -> None:
        for row in self.query(".row"):
            if not row.children:
                continue  # it is only now being mounted, with its value
            label, setter = row.children
            name = setter.name or ""
            said = self._values.get(name)
            label.set_class(said is not None, "changed")
            value = said if said is not None else _text(self._fields[name].default)
            with setter.prevent(Switch.Changed, Select.Changed, Input.Changed):
                if isinstance(setter, Switch) and setter.value != (value == "true"):
                    setter.value = value == "true"
                elif isinstance(setter, Select) and setter.value != (value or Select.NULL):
                    setter.value = value or Select.NULL
                elif isinstance(setter, Input) and setter.value != value:
                    setter.value = value

    # ----------------------------------------------------------------------------------------------------- changes

    def on_switch_changed(self, event: Switch.Changed) -> None:
        event.stop()
        self._change(event.switch.name, "true" if event.value else "false")

    def on_select_changed(self, event: Select.Changed) -> None:
        event.stop()
        self._change(event.select.name, "" if event.value is Select.NULL else str(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """When it is written to the end: a search for every digit would be one too many."""
        event.stop()
        self._change(event.input.name, event.value.strip())

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        """Leaving a field is the end of writing, too."""
        if isinstance(event.widget, Input):
            self._change(event.widget.name, event.widget.value.strip())

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Help is about the option at hand."""
        self._explain(event.widget.name)

    def _change(self, name: str | None, value: str) -> None:
        if name is None or name not in self._fields or self._view is None:
            return
        said = None if value == _text(self._fields[name].default) or not value else value
        if said != self._values.get(name):
            self.post_message(self.Changed(self._view.name, name, said))

    def _explain(self, name: str | None) -> None:
        field = self._fields.get(name or "")
        text = help_of(field) if field is not None else self._view.title if self._view is not None else ""
        if not self._fields:
            text += " (no options)"
        self.query_one("#help", Static).update(Text(text))


def help_of(field: Hyperparameter) -> str:
    """What an option does, with its bounds and unit."""
    bounds = field.bounds.replace("<=", "≤")
    return " · ".join(filter(None, (f"{option_name(field.path)}: {field.help}", bounds, field.unit)))


def _text(value: Any) -> str:
    from convtui.engine.spec import written

    return "" if value is None else written(value)
