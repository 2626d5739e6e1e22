"""Figures as one picture, drawn with Pillow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from PIL import Image

from convtui.engine.figures.figure import Curves, Result, Sheet, Table
from convtui.engine.figures.png.charts import chart
from convtui.engine.figures.png.lettering import GROUND, stacked
from convtui.engine.figures.png.sheets import beside_each_other
from convtui.engine.figures.png.tables import tabulated

MARGIN = 24


def picture(results: Sequence[Result]) -> Image.Image:
    """Results one under the other, RGB; sheets that belong `beside` the one before them stand there, block by block."""
    drawn = []
    for place, result in enumerate(results):
        if isinstance(result, Curves):
            drawn.append(chart(result))
        elif isinstance(result, Table):
            drawn.append(tabulated(result))
        elif not (result.beside and place and isinstance(results[place - 1], Sheet)):
            drawn.append(beside_each_other([result, *_followers(results[place + 1 :])]))
    body = stacked(drawn, 2 * MARGIN)
    framed = Image.new("RGB", (body.width + 2 * MARGIN, body.height + 2 * MARGIN), GROUND)
    framed.paste(body, (MARGIN, MARGIN))
    return framed


def _followers(results: Sequence[Result]) -> Iterator[Sheet]:
    for result in results:
        if not (isinstance(result, Sheet) and result.beside):
            return
        yield result
