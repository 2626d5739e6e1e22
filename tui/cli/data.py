"""`convtui data`: which datasets there are, get one, look at one."""

from __future__ import annotations

from typing import Annotated

import typer

from convtui.tui.cli.options import AsJson, DataDir
from convtui.tui.render.json_lines import line
from convtui.tui.render.text import clean

Source = Annotated[str, typer.Argument(help="a name from 'convtui data list', folder:PATH, csv:PATH, wds:PATH or hf:NAME")]


def list_data(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List the datasets, and which are on disk."""
    from convtui.engine.data.catalog import descriptions, kinds, on_disk

    found = [(description, on_disk(description.name, data_dir)) for description in descriptions()]
    if as_json:
        for description, there in found:
            print(
                line(
                    {
                        "name": description.name,
                        "title": description.title,
                        "origin": description.origin,
                        "classes": description.classes,
                        "size": description.size,
                        "channels": description.channels,
                        "on_disk": there,
                        "stand_in": description.stand_in,
                    }
                )
            )
        return
    from rich.table import Table

    from convtui.tui.cli.tables import show

    table = Table("source", "images", "classes", "on disk", "description", box=None, header_style="bold", pad_edge=False)
    for description, there in found:
        kind = (
            f"{description.size}×{description.size} {'grey' if description.channels == 1 else 'rgb'}" if description.size else "any"
        )
        table.add_row(description.name, kind, str(description.classes or "any"), "yes" if there else "no", description.title)
    for how, what in kinds():
        table.add_row(how, "any", "any", "", what)
    show(table)


def get(source: Source, data_dir: DataDir = None) -> None:
    """Download a dataset and check it."""
    from convtui.engine.data import catalog
    from convtui.tui.cli.train import reporter_for

    reporter = reporter_for(0, as_json=False, quiet=False)
    try:
        where = catalog.get(source, data_dir, reporter.preparing)
    finally:
        reporter.close()
    print(clean(f"{source} is ready{f': {where}' if where else ''}"))


def show_data(source: Source, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show how a dataset is read: images per class and split, size, mean, standard deviation, and anything unusual."""
    from convtui.engine.data.catalog import describe, lies_at
    from convtui.engine.spec import make
    from convtui.tui.cli.train import load_dataset, reporter_for

    described = describe(source)
    lies_at(source, data_dir)
    spec = make({"data": {"source": source, "colour": "grey" if described.channels == 1 else "rgb", "size": described.size or 32}})
    dataset = load_dataset(spec, data_dir, reporter_for(0, as_json=as_json, quiet=True), allow_stand_in=False)
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    counts = {name: part.class_counts() for name, part in splits.items() if part is not None}
    rows = list(zip(dataset.train.classes, *counts.values(), strict=True))
    mean, std = dataset.mean.tolist(), dataset.std.tolist()
    if as_json:
        classes = [dict(zip(("name", *counts), row, strict=True)) for row in rows]
        about = {"source": dataset.source, "shape": dataset.train.images.shape[1:], "mean": mean, "std": std}
        print(line({**about, "classes": classes, "notes": dataset.notes}))
        return
    from rich.table import Table

    from convtui.tui.cli.tables import show

    shape = "×".join(map(str, dataset.train.images.shape[1:]))
    words = {"train": "training", "validation": "validation", "test": "test"}
    totals = [f"{sum(of_classes):,} {words[name]}" for name, of_classes in counts.items()]
    images = f"{', '.join(totals[:-1])} and {totals[-1]} images, {shape}"
    print(clean(f"{dataset.source}: {images} · {described.origin}"))
    print(f"mean {' '.join(f'{value:.4f}' for value in mean)}, standard deviation {' '.join(f'{value:.4f}' for value in std)}\n")
    table = Table("class", box=None, header_style="bold", pad_edge=False)
    for name in counts:
        table.add_column(name, justify="right")
    for of_class, *numbers in rows:
        table.add_row(clean(of_class), *(f"{number:,}" for number in numbers))
    show(table)
