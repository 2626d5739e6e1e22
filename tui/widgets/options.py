"""What a person chooses on the page Look: the view, the layer, and what the view can be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from rich.text import Text
from textual import events
from textual.app import ComposeResult, RenderResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Input, Label, OptionList, Select, Static, Switch
from textual.widgets.option_list import Option

from tui.cli.text import clean

if TYPE_CHECKING:
    from engine.lens.registry import View
    from engine.spec import Hyperparameter
    from tui.looking import Layer

ELSEWHERE = ("layer",)
"""Options that have a place of their own on the page."""


class Views(Widget, can_focus=True):
    """The views in a row; those that do not apply are dim."""

    DEFAULT_CSS = """
    Views { height: 1; }
    Views > .views--chosen { background: $primary; color: $text; text-style: bold; }
    Views:focus > .views--chosen { background: $accent; color: $text; text-style: bold; }
    Views > .views--unfit { color: $text-disabled; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"views--chosen", "views--unfit"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "step(-1)", "View before", show=False),
        Binding("right,l", "step(1)", "Next view", show=False),
        Binding("down,j,enter", "app.focus('picture')", "To the picture", show=False),
    ]
    names: reactive[Sequence[str]] = reactive(())
    unfit: reactive[frozenset[str]] = reactive(frozenset())
    chosen: reactive[str] = reactive("")

    class Chosen(Message):
        """Another view is wanted."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def action_step(self, by: int) -> None:
        """The next view, or the one before."""
        if self.chosen in self.names:
            place = (list(self.names).index(self.chosen) + by) % len(self.names)
            self.post_message(self.Chosen(self.names[place]))

    def on_click(self, event: events.Click) -> None:
        """The view that is clicked on."""
        for name, left, right in self._places():
            if left <= event.x < right:
                self.post_message(self.Chosen(name))

    def _places(self) -> list[tuple[str, int, int]]:
        """Names with their columns, so far to the left that the chosen one is seen."""
        found, at = [], 0
        for name in self.names:
            found.append((name, at, at + len(name) + 2))
            at += len(name) + 2
        width = self.size.width
        over = next((right for name, _, right in found if name == self.chosen), 0)
        following = min(at, over + 8)
        shift = max(0, following - width)
        return [(name, left - shift, right - shift) for name, left, right in found]

    def render(self) -> RenderResult:
        """One line; what is cut off at an end is told by an ellipsis."""
        chosen = self.get_component_rich_style("views--chosen")
        unfit = self.get_component_rich_style("views--unfit", partial=True)
        line = Text(no_wrap=True, end="")
        places = self._places()
        for name, _, _ in places:
            line.append(f" {name} ", style=chosen if name == self.chosen else unfit if name in self.unfit else "")
        hidden = -places[0][1] if places else 0
        width = self.size.width
        shown = line[hidden : hidden + width] if hidden else line
        if hidden:
            shown = Text.assemble(("…", unfit), shown[1:])
        shown.truncate(width, overflow="ellipsis")
        return shown


class Layers(OptionList):
    """The layers with their output shapes; the first entry leaves the choice to the view."""

    DEFAULT_CSS = """
    Layers { border: none; padding: 0; background: transparent; scrollbar-size-vertical: 1; }
    Layers:focus { border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "cursor_up", "Up", show=False),
        Binding("j", "cursor_down", "Down", show=False),
        Binding("right,l", "app.focus('picture')", "To the picture", show=False),
    ]
    AUTO = "not said"

    class Chosen(Message):
        """Another layer is wanted; None leaves it to the view."""

        def __init__(self, layer: str | None) -> None:
            super().__init__()
            self.layer = layer

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, compact=True)
        self._layers: Sequence[Layer] = ()
        self._showing: str | None = None

    @property
    def wide(self) -> int:
        """Columns that the entries take, within reason."""
        name, shape = (max((len(text) for text in texts), default=0) for texts in self._texts())
        return max(len(self.AUTO), min(name + 1 + shape, 36))

    def _texts(self) -> tuple[list[str], list[str]]:
        return [clean(each.name) for each in self._layers], [each.shape for each in self._layers]

    def show(self, layers: Sequence[Layer], layer: str | None) -> None:
        """List these, with the cursor on one."""
        self._showing = layer
        if list(layers) != list(self._layers):
            self._layers = layers
            wide = max((len(each.name) for each in layers), default=0)
            lines = [Text.assemble(f"{clean(each.name):<{wide}} ", (each.shape, "dim"), no_wrap=True) for each in layers]
            self.set_options([Option(Text(self.AUTO, "dim")), *map(Option, lines)])
        names = [each.name for each in layers]
        place = names.index(layer) + 1 if layer in names else 0
        if self.highlighted != place and self.option_count:
            self.highlighted = place

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """The cursor chooses."""
        event.stop()
        self._choose(event.option_index)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Enter leads on to the picture."""
        event.stop()
        self._choose(event.option_index)
        self.screen.query_one("#picture").focus()

    def _choose(self, index: int) -> None:
        layer = self._layers[index - 1].name if index else None
        # What was put there by `show` was not asked for by anybody.
        if index == self.highlighted and layer != self._showing:
            self._showing = layer
            self.post_message(self.Chosen(layer))


class Toggle(Switch):
    """A switch that says in words how it stands: colours alone say nothing to many."""

    DEFAULT_CSS = """
    Toggle { border: none; height: 1; padding: 0; background: transparent; }
    Toggle:focus { border: none; background: $accent 30%; }
    """

    def render(self) -> RenderResult:
        """A dot and a word."""
        return Text("● yes" if self.value else "○ no ")

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """As wide as the longer word."""
        return len("● yes")


class ViewOptions(VerticalScroll):
    """The options of a view, one widget each by its kind, with help for the one at hand."""

    DEFAULT_CSS = """
    ViewOptions { scrollbar-size-vertical: 1; }
    ViewOptions Horizontal { height: 1; }
    ViewOptions Label { width: 11; color: $text-muted; }
    ViewOptions Label.changed { color: $text-accent; text-style: bold; }
    ViewOptions Input { width: 1fr; }
    ViewOptions Select { width: 1fr; }
    ViewOptions #help { color: $text-muted; margin-top: 1; height: auto; }
    """

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
            rows.append(Horizontal(Label(words(name)), made, classes="row"))
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
            made = Select(values, value=first, allow_blank=blank, prompt="as implied", compact=True, name=field.path)
        else:
            kind: Literal["integer", "number", "text"] = "text"
            if field.kind in (int, float):
                kind = "integer" if field.kind is int else "number"
            made = Input(value, type=kind, placeholder="not said", compact=True, name=field.path, select_on_focus=True)
        made.tooltip = help_of(field)
        return made

    def _fill(self) -> None:
        for row in self.query(".row"):
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
        """At once."""
        event.stop()
        self._change(event.switch.name, "true" if event.value else "false")

    def on_select_changed(self, event: Select.Changed) -> None:
        """At once."""
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
            text += "; it has no options"
        self.query_one("#help", Static).update(Text(text))


def help_of(field: Hyperparameter) -> str:
    """What an option does, with its bounds and unit."""
    bounds = field.bounds.replace("<=", "≤")
    return " · ".join(filter(None, (f"{words(field.path)}: {field.help}", bounds, field.unit)))


def words(name: str) -> str:
    """An option as people call it: `label` is a class, as on the command line."""
    return "class" if name == "label" else name.replace("_", " ")


def _text(value: Any) -> str:
    from engine.spec.fields import written

    return "" if value is None else written(value)
