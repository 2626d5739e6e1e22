"""`convtui views`: every view and its options."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from convtui.tui.cli import completion
from convtui.tui.cli.options import AsJson
from convtui.tui.render.json_lines import line


def views(
    name: Annotated[str | None, typer.Argument(autocompletion=completion.views, help="show one view with all its options")] = None,
    as_json: AsJson = False,
) -> None:
    """List the views of 'convtui look', or one view's options."""
    from convtui.engine.lens.registry import view as find
    from convtui.engine.lens.registry import views as known

    chosen = list(known().values()) if name is None else [find(name)]
    if as_json:
        for view in chosen:
            print(line({"name": view.name, "title": view.title, "options": [_values(field) for field in view.fields()]}))
        return
    from rich.table import Column, Table

    from convtui.tui.cli.tables import show

    def table(*names: str) -> Table:
        first, *rest = names
        return Table(Column(first, no_wrap=True), *rest, box=None, header_style="bold", pad_edge=False)

    if name is None:
        listed = table("view", "what it shows", "options")
        for view in chosen:
            listed.add_row(view.name, view.title, ", ".join(field.path for field in view.fields()))
        show(listed)
        return
    (only,) = chosen
    print(f"{only.name}: {only.title}\n")
    from convtui.engine.spec import written

    listed = table("option", "default", "allowed values", "description")
    for field in only.fields():
        allowed = ", ".join(field.choices) or field.bounds or {bool: "true, false", int: "a number"}.get(field.kind, "text")
        listed.add_row(field.path, "" if field.default is None else written(field.default), allowed, field.help)
    show(listed)


def _values(field: Any) -> dict[str, Any]:
    return {
        "name": field.path,
        "kind": field.kind.__name__,
        "default": field.default,
        "bounds": field.bounds,
        "choices": field.choices,
        "help": field.help,
    }
