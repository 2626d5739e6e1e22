"""The net that settings describe: its layers, its images, its activation function. Beside the form, and as live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.events import Resize
from textual.widgets import Static

from tui.cli.text import clean, size

if TYPE_CHECKING:
    from pathlib import Path

    from engine.data.catalog import Description
    from engine.lens.results import Curves
    from engine.models import Summary
    from engine.spec import RunSpec

CHART_ROWS = 7
CHART_ROWS_IF_TALL = 14
TALL = 44
"""Rows of the panel from which the chart is drawn larger."""
ROWS_BESIDE = 8
"""Rows kept for what stands between the table and the chart."""


@dataclass(frozen=True, eq=False, slots=True)
class Facts:
    """What is known of settings without training."""

    net: Summary | str
    """What is wrong, where no net can be built."""
    data: str
    data_wrong: bool
    activation: Curves
    batch_size: int


def facts(spec: RunSpec, data_dir: Path | None) -> Facts:
    """Find out; brings torch with it, so for a thread."""
    from engine.data.catalog import describe, on_disk
    from engine.errors import ConvtuiError
    from engine.models import check
    from tui.widgets.trials import activation_curves, images_per_epoch

    classes, wrong = 10, False
    try:
        described = describe(spec.data.source)
        classes = described.classes or 10
        data = _data_words(
            described, there=on_disk(spec.data.source, data_dir), used=images_per_epoch(spec), chosen=len(spec.data.classes)
        )
    except ConvtuiError as error:
        data, wrong = str(error), True
    net: Summary | str
    try:
        net = check(spec, classes=classes)
    except ConvtuiError as error:
        net = str(error)
    return Facts(net, data, wrong, activation_curves(spec.model), spec.data.batch_size)


def _data_words(described: Description, *, there: bool, used: int | None, chosen: int) -> str:
    if described.stand_in is None:
        place = "built in" if described.images else "on disk" if there else "not found"
    else:
        place = "on disk" if there else f"not on disk: downloaded at the start, else {described.stand_in} stands in"
    if described.images is None:
        return f"{described.name}: {place}\nclasses and images are counted when they are read"
    train, test = described.images
    counted = f"{train:,} + {test:,} images" if used in (None, train) else f"{used:,} of {train:,} + {test:,} images"
    classes = f"{chosen} of {described.classes}" if chosen else f"{described.classes}"
    return f"{described.name}: {place}\n{counted}, {classes} classes"


def net_table(summary: Summary) -> Table:
    """A row a layer: its output's shape, parameters, neurons, and its share of all parameters."""
    table = Table(box=None, header_style="dim", pad_edge=False, expand=True)
    total = summary.parameters
    table.add_column("layer", no_wrap=True)
    table.add_column("output", justify="right", no_wrap=True)
    table.add_column("parameters", justify="right", no_wrap=True)
    table.add_column("neurons", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_row("input", _shape(summary.input), "", "", "", style="dim")
    for layer in summary.layers:
        parameters = f"{layer.parameters:,}" if layer.parameters else ""
        share = f"{100 * layer.parameters / total:.1f} %" if layer.parameters and total else ""
        neurons = f"{layer.neurons:,}" if layer.neurons else ""
        table.add_row(layer.name, _shape(layer.output), parameters, neurons, share, style="" if layer.parameters else "dim")
    return table


def _totals(net: Summary, batch_size: int) -> str:
    counted = f"{net.parameters:,} parameters, {net.neurons:,} neurons"
    return f"{counted}\n{size(net.least_bytes(batch_size))} of memory at least, at {batch_size} a batch"


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


class NetPanel(Vertical):
    """Shows facts and what trials found."""

    DEFAULT_CSS = """
    NetPanel {
        padding: 0 1;
        & > VerticalScroll { height: auto; min-height: 5; scrollbar-size-vertical: 1; }
        & #net { height: auto; width: 1fr; }
        & #net.-wrong, & #data.-wrong { color: $text-error; }
        & > #data { height: auto; margin-top: 1; }
        & > #memory, & > #trial { height: auto; }
        & > #chart { height: auto; margin-top: 1; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._curves: Curves | None = None
        self.facts: Facts | None = None

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False):
            yield Static("reading the net", id="net", markup=False)
        yield Static(id="data", markup=False)
        yield Static(id="memory", markup=False)
        yield Static(id="trial", markup=False)
        yield Static(id="chart", markup=False)

    def show(self, known: Facts) -> None:
        """Show this from now on."""
        self.facts = known
        net = self.query_one("#net", Static)
        wrong = isinstance(known.net, str)
        net.set_class(wrong, "-wrong")
        net.update(clean(known.net) if isinstance(known.net, str) else net_table(known.net))
        data = self.query_one("#data", Static)
        data.set_class(known.data_wrong, "-wrong")
        data.update("\n".join(clean(line) for line in known.data.splitlines()))
        self.query_one("#memory", Static).update("" if isinstance(known.net, str) else _totals(known.net, known.batch_size))
        self.draw(known.activation)

    def say(self, words: str) -> None:
        """What a trial found, or how far it is."""
        self.query_one("#trial", Static).update(words)

    def draw(self, curves: Curves) -> None:
        """Put a chart at the foot."""
        from tui.drawing import colours_of, segments
        from tui.drawing.curves import curves_rows

        self._curves = curves
        chart = self.query_one("#chart", Static)
        height = self.size.height
        # The table goes before the chart where there is little room.
        chart.display = height >= 24
        chart_rows = CHART_ROWS_IF_TALL if height >= TALL else CHART_ROWS
        self.query_one(VerticalScroll).styles.max_height = max(5, height - ROWS_BESIDE - (chart_rows + 4) * chart.display)
        colours = colours_of(self.app.console)
        rows = curves_rows(curves, max(20, min(64, self.size.width - 2)), rows=chart_rows + 4)
        lines = [Text.assemble(*((part.text, part.style or "") for part in segments(row, colours))) for row in rows]
        chart.update(Text("\n").join(lines))

    def on_resize(self, _event: Resize) -> None:
        """The chart fits the panel."""
        if self._curves is not None:
            self.draw(self._curves)
