"""`convtui presets`: what can be trained by name, and every hyperparameter."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convtui.engine.errors import SpecError
from convtui.tui.cli import completion
from convtui.tui.cli.options import AsJson
from convtui.tui.cli.signals import handled
from convtui.tui.render.json_lines import line
from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from convtui.engine.figures.figure import Result
    from convtui.engine.models import Summary
    from convtui.engine.presets import Preset
    from convtui.engine.spec import RunSpec


def presets(
    name: Annotated[
        str | None, typer.Argument(autocompletion=completion.presets, help="show one preset with all its settings")
    ] = None,
    fields: Annotated[bool, typer.Option("--fields", help="list every hyperparameter, with bounds and help")] = False,
    as_json: AsJson = False,
) -> None:
    """List presets, show one, or list all hyperparameters."""
    if fields:
        _fields(as_json)
    elif name is not None:
        _one(name, as_json)
    else:
        _all(as_json)


def _all(as_json: bool) -> None:
    from convtui.engine.presets import presets as known

    if not as_json:
        from rich.table import Table

        from convtui.tui.cli.tables import show

        table = Table("preset", "report", "data", "description", box=None, header_style="bold", pad_edge=False)
        for name, preset in known().items():
            if isinstance(preset, SpecError):
                table.add_row(clean(name), "—", "—", f"cannot be read: {clean(preset)}")
                continue
            table.add_row(clean(preset.name), clean(preset.report) or "—", clean(preset.spec.data.source), clean(preset.summary))
        show(table)
        return
    for preset in known().values():
        if isinstance(preset, SpecError):
            print(f"convtui: {clean(preset)}", file=sys.stderr)
            continue
        print(line(_values(preset, _summary(preset))))


def _summary(preset: Preset) -> Summary:
    """The net as it is for the preset's images."""
    from convtui.engine.models import check

    with handled():  # a net of a person's own code may never be there
        return check(preset.spec, classes=_classes(preset.spec))


def _classes(spec: RunSpec) -> int:
    """How many classes the images have; ten where that is not known."""
    from convtui.engine.data.catalog import describe
    from convtui.engine.errors import DataError

    try:
        named = len(spec.data.classes)
        return named or describe(spec.data.source).classes or 10
    except DataError:
        return 10


def _values(preset: Preset, summary: Summary) -> dict[str, Any]:
    """What `--json` tells of a preset."""
    return {
        "name": preset.name,
        "summary": preset.summary,
        "report": preset.report,
        "parameters": summary.parameters,
        "neurons": summary.neurons,
        "dataset": preset.spec.data.source,
        "spec": preset.spec.model_dump(mode="json"),
    }


def _one(name: str, as_json: bool) -> None:
    from rich.table import Table

    from convtui.engine.presets import preset as find
    from convtui.engine.spec import hyperparameters, read, written
    from convtui.tui.cli.tables import show

    preset = find(name)
    summary = _summary(preset)
    if as_json:
        layers = [
            {"name": layer.name, "output": layer.output, "weights": layer.weights, "biases": layer.biases, "neurons": layer.neurons}
            for layer in summary.layers
        ]
        print(line(_values(preset, summary) | {"layers": layers}))
        return
    print(f"{clean(preset.name)}: {clean(preset.summary)}\n")
    settings = Table("setting", "value", "default", box=None, header_style="bold", pad_edge=False)
    for field in hyperparameters():
        value = read(preset.spec, field.path)
        default = written(field.default)
        settings.add_row(field.path, clean(written(value)), "" if written(value) == default else default)
    show(settings)
    print()
    from convtui.tui.cli.look import show as draw

    draw(untrained(preset.spec, f"preset {preset.name}"))
    print(f"\n{summary.parameters:,} parameters, {summary.neurons:,} neurons")


def untrained(spec: RunSpec, title: str) -> list[Result]:
    """The settings' net, layer by layer, and what share of it each kind of layer is: as `look summary` tells of a run's."""
    import torch

    from convtui.engine.lens.loading import subject_from_module
    from convtui.engine.lens.registry import view
    from convtui.engine.models import build

    model, data = spec.model, spec.data
    with torch.device("meta"):
        net = build(model, channels=data.channels, size=data.sides, classes=_classes(spec), seed=None)
    chosen = view("summary")
    return chosen(subject_from_module(net, (data.channels, *data.sides), title=title), chosen.make({}))


def _fields(as_json: bool) -> None:
    from convtui.engine.spec import hyperparameters, written

    if as_json:
        for field in hyperparameters():
            print(
                line(
                    {
                        "path": field.path,
                        "kind": field.kind.__name__,
                        "default": written(field.default),
                        "bounds": field.bounds,
                        "choices": field.choices,
                        "unit": field.unit,
                        "help": field.help,
                    }
                )
            )
        return
    from rich.table import Column, Table

    from convtui.tui.cli.tables import show

    table = Table(
        Column("hyperparameter", no_wrap=True),
        "default",
        "allowed values",
        "description",
        box=None,
        header_style="bold",
        pad_edge=False,
    )
    for field in hyperparameters():
        allowed = (
            ", ".join(field.choices)
            or field.bounds
            or {"bool": "true, false"}.get(field.kind.__name__, "comma-separated list" if field.kind is tuple else "text")
        )
        table.add_row(field.path, written(field.default), f"{allowed} {field.unit}".strip(), field.help)
    show(table)
