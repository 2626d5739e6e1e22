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

from convtui.engine.errors import ConvtuiError
from convtui.tui.app.advice import on_page
from convtui.tui.render.text import counted, size

if TYPE_CHECKING:
    from pathlib import Path

    from convtui.engine.data.catalog import Description
    from convtui.engine.figures.figure import Curves
    from convtui.engine.models import Summary
    from convtui.engine.spec import RunSpec

CHART_ROWS = (5, 14)
"""At least and at most; below 24 rows of the panel there is no chart."""
AROUND_CHART = 5
"""Rows of a chart's legend, axis and its name, and the one above it."""
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
    activation: Curves | None
    """None of a net of a person's own code, which may have several."""
    batch_size: int
    budget: str
    """Of the run, in steps and in images; empty where the images are not known."""


def facts(spec: RunSpec, data_dir: Path | None, *, allow_stand_in: bool = True) -> Facts:
    """Find out; brings torch with it, so for a thread."""
    from convtui.engine.data.catalog import describe, on_disk
    from convtui.engine.data.preview import count
    from convtui.engine.lens.nonlinearity import nonlinearity
    from convtui.engine.models import check

    net: Summary | str
    classes, batch, wrong, budget = 10, spec.data.batch_size, False, ""
    try:
        counts = count(spec.data, data_dir)
        there, about = on_disk(spec.data.source, data_dir), "about " if spec.data.validation_fraction else ""
        place = _place(describe(spec.data.source), there=there, allow_stand_in=allow_stand_in)
        data = f"{place}\n{about}{counts.train:,} training + "
        data += f"{counts.test:,} test images, {counts.classes} classes"
        budget = f"{about}{_budget(spec, counts.train)}"
        classes, batch = counts.classes, min(spec.data.batch_size, counts.train)
    except ConvtuiError as error:
        data, wrong = str(error), True
    try:
        net = check(spec, classes=classes)
    except ConvtuiError as error:
        net = str(error)
    return Facts(net, data, wrong, None if spec.model.module else nonlinearity(spec.model), batch, budget)


def _budget(spec: RunSpec, images: int) -> str:
    """`500,000 images shown in 3,910 steps, 391/epoch`."""
    steps, an_epoch = spec.total_steps(images), spec.steps_per_epoch(images)
    return f"{spec.images_in(steps, images):,} images shown in {counted(steps, 'step')}, {an_epoch:,}/epoch"


def _place(described: Description, *, there: bool, allow_stand_in: bool) -> str:
    """Where the images are."""
    if described.stand_in is None and not described.fetched:
        return f"{described.name}: {'built in' if described.images else 'on disk'}"
    if there:
        return f"{described.name}: on disk"
    instead = f", or replaced by {described.stand_in}" if allow_stand_in and described.stand_in else ""
    return f"{described.name}: not on disk; downloaded at start{instead}"


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


def _totals(net: Summary, known: Facts) -> str:
    counted = f"{net.parameters:,} parameters, {net.neurons:,} neurons"
    memory = f"at least {size(net.least_bytes(known.batch_size))} of memory at batch size {known.batch_size:,}"
    return "\n".join(line for line in (counted, memory, known.budget) if line)


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
            & > #chart {{ width: 1fr; margin-top: 0; }}
        }}
    }}
    """

    def __init__(self) -> None:
        super().__init__()
        self._curves: Curves | None = None
        self._drawn: tuple[object, ...] = ()
        self._words = dict.fromkeys(("#totals", "#speed", "#trial", "#data"), "")
        self.facts: Facts | None = None

    def compose(self) -> ComposeResult:
        with Vertical(id="numbers"):
            with VerticalScroll(can_focus=False):
                yield Static("building the net", id="net", markup=False)
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
        net.update(on_page(self, known.net) if isinstance(known.net, str) else net_table(known.net))
        self.query_one("#data").set_class(known.data_wrong, "-wrong")
        self._words |= {
            "#data": "\n".join(on_page(self, line) for line in known.data.splitlines()),
            "#totals": "" if isinstance(known.net, str) else _totals(known.net, known),
        }
        self._curves = known.activation
        self._arrange()

    def say(self, words: str) -> None:
        """What a trial found, or how far it is."""
        self._words["#trial"] = words
        self._arrange()

    def say_speed(self, words: str) -> None:
        """How fast these settings train."""
        self._words["#speed"] = words
        self._arrange()

    def draw(self, curves: Curves) -> None:
        """Draw another chart, until there are other settings."""
        self._curves = curves
        self._arrange()

    def scroll_layers(self, pages: int) -> None:
        """Show further layers of a deep net."""
        table = self.query_one(VerticalScroll)
        table.scroll_relative(y=pages * max(1, table.size.height - 2), animate=False)

    def on_resize(self, _event: Resize) -> None:
        """All fits the panel."""
        self._arrange()

    def _arrange(self) -> None:
        """Give words what they need; of the rest the table what it can use, and the chart what is left, but not too little."""
        from convtui.tui.render.rows import wrapped

        beside = self.screen.has_class("-broad") and self.screen.has_class("-tall")
        self.set_class(beside, "-beside")
        width, height = self.size
        taken = 0
        for selector, words in self._words.items():
            line = self.query_one(selector, Static)
            line.update(words)
            # Without words it takes no room; images that are on show say themselves what they are.
            line.display = bool(words) and not (beside and selector == "#data")
            taken += sum(len(wrapped(part, width)) for part in words.splitlines())
        taken += 2  # above the totals and the data
        least, most = CHART_ROWS
        self.query_one("#chart").display = with_chart = self._curves is not None and (beside or height >= 24)
        if beside:
            table, rows = self.screen.size.height // 3, most
        else:
            wanted = 1 if self.facts is None or isinstance(self.facts.net, str) else len(self.facts.net.layers) + 2
            table = height - taken - with_chart * (least + AROUND_CHART)
            rows = max(least, min(most, height - taken - wanted - AROUND_CHART))
        self.query_one(VerticalScroll).styles.max_height = max(5, table)
        if with_chart and self._curves is not None:
            self._draw(self._curves, width - (NUMBERS_COLUMNS + APART if beside else 0), rows)

    def _draw(self, curves: Curves, width: int, rows: int) -> None:
        from convtui.tui.app.widgets.picture_colours import colours_for
        from convtui.tui.render.curves import curves_rows
        from convtui.tui.render.rows import segments

        colours = colours_for(self)
        columns = max(20, min(CHART_COLUMNS, width))
        if self._drawn == (wanted := (curves, columns, rows, colours)):
            return
        self._drawn = wanted
        lines = curves_rows(curves, columns, rows=rows + 4)
        texts = [Text.assemble(*((part.text, part.style or "") for part in segments(row, colours))) for row in lines]
        self.query_one("#chart", Static).update(Text("\n").join(texts))
