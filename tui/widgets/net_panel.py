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
    from engine.data.preview import Counts
    from engine.lens.results import Curves
    from engine.models import Summary
    from engine.spec import RunSpec

CHART_ROWS = 7
CHART_ROWS_IF_TALL = 14
TALL = 44
"""Rows of the panel from which the chart is drawn larger."""
ROWS_BESIDE = 9
"""Rows kept for what stands between the table and the chart."""
CHART_COLUMNS = 64
NUMBERS_COLUMNS, APART = 52, 3
"""Of the table and what stands below it, where the chart stands beside them; and between the two."""


@dataclass(frozen=True, eq=False, slots=True)
class Facts:
    """What is known of settings without training."""

    net: Summary | str
    """What is wrong, where no net can be built."""
    data: str
    data_wrong: bool
    activation: Curves
    batch_size: int


def facts(spec: RunSpec, data_dir: Path | None, *, named: bool = False) -> Facts:
    """Find out; brings torch with it, so for a thread. A source that the person `named` has no stand-in."""
    from engine.data.catalog import describe, on_disk
    from engine.data.preview import count
    from engine.errors import ConvtuiError
    from engine.lens.nonlinearity import nonlinearity
    from engine.models import check

    net: Summary | str
    classes, wrong = 10, False
    try:
        counts = count(spec.data, data_dir)
        data = _data_words(describe(spec.data.source), counts, there=on_disk(spec.data.source, data_dir), named=named)
        classes = counts.classes
    except ConvtuiError as error:
        data, wrong = str(error), True
    try:
        net = check(spec, classes=classes)
    except ConvtuiError as error:
        net = str(error)
    return Facts(net, data, wrong, nonlinearity(spec.model), spec.data.batch_size)


def _data_words(described: Description, counts: Counts, *, there: bool, named: bool) -> str:
    """Where the images are and how many there are, in two lines."""
    place = "on disk" if there else "not on disk, downloaded at the start"
    if described.stand_in is None:
        place = "built in" if described.images else "on disk"
    elif not there and not named:
        place += f", else {described.stand_in} stands in"
    return f"{described.name}: {place}\n{counts.train:,} training + {counts.test:,} test images, {counts.classes} classes"


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
    return f"{counted}\nmemory {size(net.least_bytes(batch_size))} at least, in batches of {batch_size:,}"


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


class NetPanel(Vertical):
    """Shows facts and what trials found: numbers above a chart, or beside it where the page shows all at once."""

    DEFAULT_CSS = f"""
    NetPanel {{
        padding: 0 1;
        & > #numbers {{ height: auto; }}
        & VerticalScroll {{ height: auto; min-height: 5; scrollbar-size-vertical: 1; }}
        & #net {{ height: auto; width: 1fr; }}
        & #net.-wrong, & #data.-wrong {{ color: $text-error; }}
        & #totals {{ height: auto; margin-top: 1; }}
        & #data, & #speed, & #trial {{ height: auto; }}
        & #data {{ margin-top: 1; }}
        & > #chart {{ height: auto; margin-top: 1; text-wrap: nowrap; }}
        &.-beside {{
            layout: horizontal;
            & > #numbers {{ width: {NUMBERS_COLUMNS}; margin-right: {APART}; }}
            & #data {{ display: none; }}
            & > #chart {{ width: 1fr; margin-top: 0; }}
        }}
    }}
    """

    def __init__(self) -> None:
        super().__init__()
        self._curves: Curves | None = None
        self._drawn: tuple[object, ...] = ()
        self.facts: Facts | None = None

    def compose(self) -> ComposeResult:
        with Vertical(id="numbers"):
            with VerticalScroll(can_focus=False):
                yield Static("reading the net", id="net", markup=False)
            yield Static(id="totals", markup=False)
            yield Static(id="speed", markup=False)
            yield Static(id="trial", markup=False)
            yield Static(id="data", markup=False)
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
        self.query_one("#totals", Static).update("" if isinstance(known.net, str) else _totals(known.net, known.batch_size))
        self.draw(known.activation)

    def say(self, words: str) -> None:
        """What a trial found, or how far it is."""
        self._tell("#trial", words)

    def say_speed(self, words: str) -> None:
        """How fast these settings train."""
        self._tell("#speed", words)

    def _tell(self, selector: str, words: str) -> None:
        line = self.query_one(selector, Static)
        line.update(words)
        # Without words it takes no room.
        line.display = bool(words)

    def draw(self, curves: Curves) -> None:
        """Draw a chart."""
        from tui.drawing import colours_of, segments
        from tui.drawing.curves import curves_rows

        self._curves = curves
        beside = self.screen.has_class("-broad") and self.screen.has_class("-tall")
        self.set_class(beside, "-beside")
        colours = "none" if self.app.no_color else colours_of(self.app.console)
        width, height = self.size
        if self._drawn == (drawing := (curves, beside, colours, width, height)):
            return
        self._drawn = drawing
        chart = self.query_one("#chart", Static)
        # The table goes before the chart where there is little room.
        chart.display = beside or height >= 24
        chart_rows = CHART_ROWS_IF_TALL if beside or height >= TALL else CHART_ROWS
        below = (chart_rows + 4) * chart.display
        room = self.screen.size.height // 3 if beside else height - ROWS_BESIDE - below
        self.query_one(VerticalScroll).styles.max_height = max(5, room)
        columns = width - (NUMBERS_COLUMNS + APART if beside else 0)
        rows = curves_rows(curves, max(20, min(CHART_COLUMNS, columns)), rows=chart_rows + 4)
        lines = [Text.assemble(*((part.text, part.style or "") for part in segments(row, colours))) for row in rows]
        chart.update(Text("\n").join(lines))

    def on_resize(self, _event: Resize) -> None:
        """The chart fits the panel."""
        if self._curves is not None:
            self.draw(self._curves)
