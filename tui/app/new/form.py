"""The form of a run to come, made from the list of hyperparameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.events import DescendantFocus
from textual.message import Message
from textual.widgets import Input, Static

from convtui.tui.app.advice import on_page
from convtui.tui.app.dialogs.menu import Menu
from convtui.tui.app.keys import bind, key_for
from convtui.tui.app.new.draft import Before, Draft
from convtui.tui.app.new.field_row import LABEL, FieldRow, Shown
from convtui.tui.app.new.fields import Field, fields
from convtui.tui.render.text import clean

NONE_FOUND = "No setting has these words. Esc ends the search."


class Rows(VerticalScroll, can_focus=True, inherit_bindings=False):
    """Has the focus while nothing is written, and scrolls to the current row; the keys are the form's."""

    def find(self, words: str, draft: Draft, here: FieldRow | None) -> None:
        """Show the rows that have these words; where none are said, those in force, and `here`, the current one. Headings of groups
        say how many more there are."""
        for heading, rows in self._groups():
            there = [row for row in rows if row.field.matches(words) and draft.has_effect(row.field.key)]
            folded = {row.field.key for row in there if row is not here and not words.strip() and draft.is_folded(row.field.key)}
            for row in rows:
                row.display = row in there and row.field.key not in folded
            if heading is not None:
                heading.display = bool(there)
                heading.tell(len(folded))

    def _groups(self) -> Iterator[tuple[Heading | None, list[FieldRow]]]:
        heading: Heading | None = None
        rows: list[FieldRow] = []
        for child in self.children:
            if isinstance(child, FieldRow):
                rows.append(child)
            elif isinstance(child, Heading):
                yield heading, rows
                heading, rows = child, []
        yield heading, rows


class Heading(Static):
    """Of a group: its name, and how many of its settings say nothing about this run."""

    def __init__(self, group: str) -> None:
        super().__init__(classes="group", markup=False)
        self._group, self._folded = group, -1

    def tell(self, folded: int) -> None:
        """So many are not on show."""
        if folded != self._folded:
            self._folded = folded
            more = f"· {folded} more not in force, {key_for(self, 'find')} finds them " if folded else ""
            self.update(f"─ {self._group} {more}{'─' * 200}", layout=False)


class Finder(Input):
    """Where is written what is to be found."""

    BINDINGS: ClassVar[list[BindingType]] = [bind("open", "submit", "To the settings found")]


class Form(Vertical):
    """Rows in groups, the help of the current one under them. Rows of the page's own stand above those of the settings."""

    DEFAULT_CSS = """
    Form {
        & > Rows { height: 1fr; scrollbar-size-vertical: 1; }
        & .group { height: 1; width: 1fr; color: $text-muted; text-wrap: nowrap; text-overflow: clip; }
        & > #find { display: none; padding: 0 1; background: $surface-lighten-1; }
        &.-finding > #find { display: block; }
        & > #about { height: 3; border-top: solid $foreground 20%; padding: 0 1; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("open", "change", "Edit"),
        bind("toggle", "change", show=False),
        bind("right", "step(1)", "Next choice", show=False),
        bind("left", "step(-1)", "Previous choice", show=False),
        bind("reset", "reset", show=False),
        bind("undo", "undo", show=False),
        bind("find", "find"),
        bind("down", "move(1)", show=False),
        bind("up", "move(-1)", show=False),
        bind("page_down", "move(10)", show=False),
        bind("page_up", "move(-10)", show=False),
        bind("first", "move(-1000)", show=False),
        bind("last", "move(1000)", show=False),
        bind("back", "escape", "Cancel"),
    ]

    class Changed(Message):
        """The draft, or a text of the page's own, has changed."""

    class Entered(Message):
        """A person has confirmed what stands in a row."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    class Wanted(Message):
        """The page is asked for the menu of one of its own rows."""

        def __init__(self, row: FieldRow) -> None:
            super().__init__()
            self.row = row

    def __init__(self, draft: Draft, own: Iterable[Field] = ()) -> None:
        super().__init__()
        self.draft = draft
        self.fields = [*own, *fields()]
        self.told: dict[str, str] = {field.key: "" for field in self.fields if "." not in field.key}
        """What stands in those of the page's own rows that no draft has."""
        self._before: Before | None = None
        """What to go back to where an edit is given up."""
        self._here: FieldRow | None = None

    def compose(self) -> ComposeResult:
        yield Finder(placeholder="find a setting by name or help · Esc ends", compact=True, id="find")
        with Rows():
            for group, rows in groupby(self.fields, key=lambda field: field.group):
                if group:
                    yield Heading(group)
                for field in rows:
                    yield FieldRow(field)
        yield Static(id="about")

    def on_mount(self) -> None:
        """Begin at the first row."""
        self.show()
        self.go_to(self.rows[0])

    @property
    def rows(self) -> list[FieldRow]:
        """Those on show, in their order."""
        return [row for row in self.query(FieldRow) if row.display]

    @property
    def row(self) -> FieldRow | None:
        """The current one; None where a search has hidden it."""
        return self._here if self._here is not None and self._here.display else None

    def go_to(self, row: FieldRow) -> None:
        """Make this the current one."""
        if self._here is not None:
            self._done(self._here)
            self._here.remove_class("-here")
        self._here = row
        row.add_class("-here")
        rows = self.query_one(Rows)
        rows.focus(scroll_visible=False)
        if row is self.rows[0]:
            rows.scroll_home(animate=False)
        else:
            rows.scroll_to_widget(row, animate=False)
        self._about()

    def of(self, key: str) -> FieldRow:
        """The row of a hyperparameter's path, or of the page's own name."""
        return next(row for row in self.query(FieldRow) if row.field.key == key)

    @property
    def texts(self) -> dict[str, str]:
        """What stands in the page's own rows."""
        return self.told | self.draft.texts

    def show(self) -> None:
        """Write the draft into the rows."""
        changes, texts = self.draft.changes(), self.texts
        self._find(self.query_one("#find", Input).value)
        for row in self.query(FieldRow):
            key = row.field.key
            if key in texts:
                row.show(Shown(texts[key], ghost=self.draft.name if key == "name" else ""))
                continue
            wrong = self.draft.wrong.get(key)
            was = changes[key][0] if key in changes else None
            row.show(Shown(self.draft.text(key), was, on_page(self, wrong.why) if wrong else ""))
        self._about()

    def _about(self) -> None:
        row = self.row or next(iter(self.rows), None)
        if row is None:
            self.query_one("#about", Static).update(Content(NONE_FOUND), layout=False)
            return
        field = row.field
        limits = field.bounds.replace("<=", "≤") or ("" if "." not in field.key else ", ".join(field.choices))
        back = self._ways_back(row.shown.was) if row.shown.was is not None else ""
        tail = "   ".join(part for part in (limits, field.unit, back) if part)
        if row.shown.why:
            # The judge's words may be long: the help steps aside for them.
            words = Content.assemble((clean(row.shown.why), "$text-error"))
        else:
            words = Content.assemble((field.help, ""), "\n" if tail else "", (tail, "dim"))
        self.query_one("#about", Static).update(words, layout=False)

    def _ways_back(self, was: str) -> str:
        return f"{key_for(self, 'reset')} resets to {clean(was) or 'none'} · {key_for(self, 'undo')} undo"

    # ------------------------------------------------------------------------------------------------ moving about

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """An input that was left, by the mouse say, keeps what was written."""
        row = self._here
        if row is not None and row.editor is not None and event.widget is not row.editor:
            self._done(row)

    def action_move(self, by: int) -> None:
        """Go up or down."""
        rows, here = self.rows, self.row
        if rows:
            index = rows.index(here) + by if here in rows else 0
            self.go_to(rows[max(0, min(len(rows) - 1, index))])

    # ------------------------------------------------------------------------------------------------ changing

    def action_change(self) -> None:
        """Change the current value, in the way that fits its kind."""
        row = self.row
        if row is None:
            return
        match row.field.kind:
            case "menu":
                self.post_message(self.Wanted(row))
            case "text":
                self._before = self.draft.now()
                row.edit()
            case "choice" if set(row.field.choices) == {"false", "true"}:
                self.put(row.field.key, "false" if row.shown.text == "true" else "true")
            case "choice":
                self._choose(row)

    def _choose(self, row: FieldRow) -> None:
        def chosen(value: str | None) -> None:
            if value is not None:
                self.put(row.field.key, value)

        options = [(choice, choice) for choice in row.field.choices]
        self.app.push_screen(Menu(options, row.shown.text, row.field.label, beside=row.region.translate((LABEL, 1))), chosen)

    def action_step(self, by: int) -> None:
        """The next of the choices, or the one before."""
        row = self.row
        if row is None or row.field.kind != "choice":
            return
        choices, text = row.field.choices, row.shown.text
        self.put(row.field.key, choices[(choices.index(text) + by) % len(choices)] if text in choices else choices[0])

    def put(self, key: str, text: str) -> None:
        """Write `text` into a row, as one step that can be undone."""
        before = self.draft.now()
        if key in self.draft.texts:
            self.draft.texts[key] = text
        else:
            self.draft.put(key, text)
        self.draft.remember(before)
        self._changed()

    def action_reset(self) -> None:
        """Back to the preset's value."""
        row = self.row
        if row is not None and "." in row.field.key:
            before = self.draft.now()
            self.draft.reset(row.field.key)
            self.draft.remember(before)
            self._changed()
        elif row is not None and row.field.kind == "text":
            self.put(row.field.key, "")

    def action_undo(self) -> None:
        """Take the last change back."""
        if self.draft.undo():
            self._changed()
        else:
            self.notify("nothing to undo", timeout=2)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        row = event.input.parent
        if not isinstance(row, FieldRow):
            self._find(event.value)
            self._about()
        elif row.editor is event.input and event.value != row.shown.text:
            if row.field.key in self.draft.texts:
                self.draft.texts[row.field.key] = event.value
            else:
                self.draft.put(row.field.key, event.value.strip())
            self._changed()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        row = event.input.parent
        if isinstance(row, FieldRow):
            self.go_to(row)
            self.post_message(self.Entered(row.field.key))
        elif self.rows:
            self.go_to(self.row or self.rows[0])

    def _done(self, row: FieldRow) -> None:
        """An edit has ended, if there was one, with what was written."""
        if self._before is not None:
            self.draft.remember(self._before)
            self._before = None
        row.leave()

    def end_edit(self) -> None:
        """An edit, if there is one, ends with what was written."""
        if self._here is not None and self._here.editor is not None:
            self.go_to(self._here)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a value is written, a slash is a letter; only then, or in a search, is there something to leave."""
        writing = isinstance(self.screen.focused, Input)
        if action == "escape":
            return writing or self.has_class("-finding")
        return not (writing and action == "find")

    def action_escape(self) -> None:
        """Give up an edit; else end the search."""
        row = self.row
        if row is not None and row.editor is not None:
            if self._before is not None:
                self.draft.back_to(self._before)
                self._before = None
            self.go_to(row)
            self._changed()
        elif self.has_class("-finding"):
            self.remove_class("-finding")
            self.query_one("#find", Input).value = ""
            self._find("")
            self.go_to(row or self.rows[0])

    @on(FieldRow.Pressed)
    def _pressed(self, event: FieldRow.Pressed) -> None:
        event.stop()
        if event.row.editor is None:
            self.go_to(event.row)
            self.action_change()

    def _changed(self) -> None:
        self.show()
        self.post_message(self.Changed())

    # ------------------------------------------------------------------------------------------------ finding

    def _find(self, words: str) -> None:
        self.query_one(Rows).find(words, self.draft, self._here)

    def action_find(self) -> None:
        """Show only the rows that have the words to be written."""
        self.add_class("-finding")
        self.query_one("#find", Input).focus()
