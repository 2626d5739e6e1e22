"""The other forms of a figure: SVG and PDF hold what the PNG shows, text as text; CSV and Markdown read back."""

from __future__ import annotations

import base64
import csv
import io
import math
import re
import zlib
from dataclasses import replace
from html import unescape
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from markdown_it import MarkdownIt
from PIL import Image

from convtui.engine.errors import UsageError
from convtui.engine.figures.colour import coloured
from convtui.engine.figures.drawing import drawn
from convtui.engine.figures.drawing.canvas import Disc, Pixels, Text
from convtui.engine.figures.figure import Curves, Result, Sheet, Table, Tile, make_sheet
from convtui.engine.figures.ground import GROUNDS, GroundName
from convtui.engine.figures.saving import FORMS, save

NAN = math.nan
PIXELS = np.random.default_rng(1).normal(size=(3, 4, 6)).astype(np.float32)
FILTERS = make_sheet(
    "filters · 1 < 2 & 3, (a \\ b) — 日本", [Tile(p, f"filter {n} × 2") for n, p in enumerate(PIXELS)], "diverging"
)
X = np.array([1.0, 2.0, 3.0])
LOSS = Curves(
    "loss",
    "epoch",
    X,
    {"train": np.array([1 / 3, NAN, 1e-17]), "test, all": np.array([0.1, 0.7])},
    "cross entropy",
    bands={"train": (X / 7, X / 3)},
    own_x={"test, all": np.array([1.5, 3.0])},
)
CONFUSION = Table(
    "confusion", ["true class", "cat|1", "dog"], [["cat|1", 2, 1], ["dog", 0, 3]], matrix={"cat|1": [None] * 2, "dog": [None] * 2}
)
RESULTS: list[Result] = [FILTERS, LOSS, CONFUSION]


def saved(results: list[Result], path: Path, ground: GroundName = "dark") -> bytes:
    save(results, path, ground)
    return path.read_bytes()


# ------------------------------------------------------------------------------------------------------------------ svg


@pytest.mark.parametrize("ground", ["dark", "light"])
def test_svg_holds_every_text_point_and_pixel_of_the_drawing(tmp_path: Path, ground: GroundName) -> None:
    root = ET.fromstring(saved(RESULTS, tmp_path / "a.svg", ground))
    drawing = drawn(RESULTS, GROUNDS[ground])
    tag = "{http://www.w3.org/2000/svg}"
    assert (root.tag, root.get("width"), root.get("height")) == (f"{tag}svg", str(drawing.width), str(drawing.height))
    texts = [shape for shape in drawing.shapes if isinstance(shape, Text)]
    assert [element.text for element in root.iter(f"{tag}text")] == [text.text for text in texts]
    assert [float(element.get("x", "")) for element in root.iter(f"{tag}text")] == pytest.approx(
        [text.x for text in texts], abs=0.006
    )
    discs = [shape for shape in drawing.shapes if isinstance(shape, Disc)]
    assert [float(circle.get("cy", "")) for circle in root.iter(f"{tag}circle")] == pytest.approx(
        [disc.y for disc in discs], abs=0.006
    )
    images = [base64.b64decode(image.get("href", "").partition("base64,")[2]) for image in root.iter(f"{tag}image")]
    shown = [np.asarray(Image.open(io.BytesIO(image)).convert("RGB")) for image in images]
    for pixels, (image, wanted) in enumerate(zip(shown, coloured(FILTERS), strict=False)):
        height, width = wanted.shape[:2]
        assert image.shape[0] % height == image.shape[1] % width == 0, pixels
        assert (image == wanted.repeat(image.shape[0] // height, 0).repeat(image.shape[1] // width, 1)).all()
    ground_rectangle = root.find(f"{tag}rect")
    assert ground_rectangle is not None
    assert ground_rectangle.get("fill") == ("#ffffff" if ground == "light" else "#222222")


def test_svg_of_hostile_text_is_still_xml_and_loads_nothing(tmp_path: Path) -> None:
    hostile = 'x"><script>alert(1)</script>\x1b[31m\x00\ufffe &amp; \ud800'
    results: list[Result] = [Sheet(hostile, [Tile(PIXELS[0], hostile)], "grey", -1, 1), Table(hostile, [hostile], [[hostile]])]
    root = ET.fromstring(saved(results, tmp_path / "a.svg"))
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= {
        "svg",
        "rect",
        "text",
        "image",
        "polyline",
        "polygon",
        "circle",
    }
    for element in root.iter():
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            assert "href" not in name or value.startswith("data:image/png")


# ------------------------------------------------------------------------------------------------------------------ pdf


def parts(pdf: bytes) -> dict[int, bytes]:
    """The file's objects by number, found through its table as a reader finds them."""
    start = int(re.findall(rb"startxref\n(\d+)\n", pdf)[-1])
    assert pdf[start : start + 4] == b"xref"
    places = [int(line[:10]) for line in pdf[start:].split(b"\n")[3:] if line.endswith(b" 00000 n ")]
    found = {}
    for number, place in enumerate(places, start=1):
        assert pdf[place:].startswith(f"{number} 0 obj\n".encode())
        found[number] = pdf[place : pdf.index(b"\nendobj", place)]
    return found


def unpacked(held: bytes) -> bytes:
    return zlib.decompress(held[held.index(b"stream\n") + 7 : held.rindex(b"\nendstream")])


def test_pdf_has_text_as_text_in_the_font_that_measured_it(tmp_path: Path) -> None:
    found = parts(saved(RESULTS, tmp_path / "a.pdf", "light"))
    content = unpacked(found[4]).decode("cp1252")
    told = [re.sub(r"\\(.)", r"\1", text) for text in re.findall(r"\(((?:\\.|[^\\()])*)\) Tj", content)]
    texts = [shape.text for shape in drawn(RESULTS, GROUNDS["light"]).shapes if isinstance(shape, Text)]
    assert len(told) == len(texts)
    assert {"filters · 1 < 2 & 3, (a \\ b) - ??", "filter 2 x 2", "cross entropy", "test, all", "cat|1", "epoch"} <= set(told)
    assert b"/FontFile2 7 0 R" in found[6]
    assert unpacked(found[7])[:4] == b"\0\1\0\0", "a TrueType font"
    image = unpacked(found[9])
    wanted = next(shape for shape in drawn(RESULTS, GROUNDS["light"]).shapes if isinstance(shape, Pixels)).enlarged()
    assert image == wanted.tobytes()


def test_a_pdf_that_convtui_did_not_write_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    saved(RESULTS, path)
    saved([LOSS], path)
    path.write_bytes(b"%PDF-1.7\nsomebody's thesis")
    with pytest.raises(UsageError, match="convtui did not export it"):
        save(RESULTS, path)


# ------------------------------------------------------------------------------------------------------- csv, markdown


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_csv_reads_back_to_equal_numbers(tmp_path: Path) -> None:
    head, *rows = rows_of(saved([LOSS], tmp_path / "a.csv").decode())
    assert head == ["epoch", "train", "train low", "train high", "test, all"]
    assert [float(row[0]) for row in rows] == [1, 1.5, 2, 3]
    assert [float(row[1]) for row in rows if row[1]] == pytest.approx([1 / 3, NAN, 1e-17], abs=0, nan_ok=True)
    assert [float(row[3]) for row in rows if row[3]] == (X / 3).tolist()
    assert [row[4] for row in rows] == ["", "0.1", "", "0.7"]
    head, *rows = rows_of(saved([FILTERS], tmp_path / "b.csv").decode())
    assert head == ["tile", "caption", "row", "column", "value"]
    values = np.zeros_like(PIXELS)
    for tile, _, row, column, value in rows:
        values[int(tile), int(row), int(column)] = float(value)
    assert (values == PIXELS).all()
    table = rows_of(saved([CONFUSION], tmp_path / "c.csv").decode())
    assert table == [["true class", "cat|1", "dog"], ["cat|1", "2", "1"], ["dog", "0", "3"]]


def test_csv_of_a_scatter_plot_keeps_each_point_once(tmp_path: Path) -> None:
    x = np.array([2.0, 1.0, 2.0])
    points = Curves("", "first", x, {"a": np.array([5.0, NAN, 7.0])}, styles={"a": "points"}, labels=("p", "q", "r"))
    assert rows_of(saved([points], tmp_path / "a.csv").decode())[1:] == [
        ["2.0", "p", "5.0"],
        ["1.0", "q", "nan"],
        ["2.0", "r", "7.0"],
    ]


def test_csv_and_markdown_of_several_results_tell_them_apart(tmp_path: Path) -> None:
    blocks = saved(RESULTS, tmp_path / "a.csv").decode().split("\n\n")
    assert [rows_of(block)[0][0] for block in blocks] == ["# filters · 1 < 2 & 3, (a \\ b) — 日本", "# loss", "# confusion"]
    page = saved(RESULTS, tmp_path / "a.md").decode()
    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        "## filters · 1 &lt; 2 &amp; 3, (a \\\\ b) — 日本", "## loss", "## confusion",
    ]  # fmt: skip
    assert "| true class | cat\\|1 | dog |" in page
    assert "| cat\\|1 | 2 | 1 |" in page
    widths = {len(re.split(r"(?<!\\)\|", line)) for line in page.partition("## confusion")[2].splitlines() if line}
    assert widths == {5}


def test_names_are_read_from_markdown_as_they_are(tmp_path: Path) -> None:
    """As a reader of Markdown takes them, which is asked here."""
    names = ["__background__", "![p](http://example.org/p.png)", "[x](http://example.org)", "&lt;", "`a` ~~b~~ *c*", "<b>", "a\\|b"]
    table = Table("classes", ("class", "count"), [[name, 1.0] for name in names])
    html = str(MarkdownIt("commonmark").enable("table").render(saved([table], tmp_path / "a.md").decode()))
    assert [unescape(cell) for cell in re.findall(r"<td>(.*?)</td>", html)] == names
    assert not re.search(r"<(strong|em|img|a|code|b)\b", html)


def test_markdown_says_what_it_leaves_out(tmp_path: Path) -> None:
    long = Curves("", "step", np.arange(1000.0), {"a": np.arange(1000.0)})
    page = saved([long], tmp_path / "a.md").decode()
    assert "800 more rows" in page
    assert "| 199 | 199" in page
    assert "| 200 |" not in page


# ------------------------------------------------------------------------------------------------------------- all forms


@pytest.mark.parametrize("form", FORMS)
def test_every_form_takes_what_is_empty_or_odd(tmp_path: Path, form: str) -> None:
    name = "caf\udce9 \x1b[31m"
    odd: list[Result] = [
        Sheet(name, [], "grey", 0, 1),
        Table(name, [name, ""], [[None, math.inf], [name, NAN]], matrix={"": [None, None]}),
        Curves(name, "", np.zeros(0), {}),
        replace(LOSS, series={name: np.full(3, NAN)}, own_x={}, bands={}, log_x=True, log_y=True, labels=(name,) * 3),
        Sheet("", [Tile(np.full((2, 2, 3), NAN, np.float32))], "rgb", 0, 255),
    ]
    assert saved(odd, tmp_path / f"a{form}")
    save([], tmp_path / f"b{form}")
    assert b"\x1b[" not in saved(odd, tmp_path / f"a{form}") or form in (".png", ".npz", ".pdf", ".json")


@pytest.mark.parametrize("ground", ["dark", "light"])
def test_the_png_stands_on_the_ground_that_was_asked_for(tmp_path: Path, ground: GroundName) -> None:
    saved(RESULTS, tmp_path / "a.png", ground)
    with Image.open(tmp_path / "a.png") as image:
        assert image.getpixel((0, 0)) == GROUNDS[ground].ground
