"""Reports: what they say is what the store and the views say, a stranger's text is text, and nothing is loaded."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from markdown_it import MarkdownIt
from torch import nn

from convtui.engine.errors import CheckpointError, NotApplicable, UsageError
from convtui.engine.figures.colour import coloured
from convtui.engine.figures.figure import Sheet, Table
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Subject
from convtui.engine.report import run_sections, sources, study_sections
from convtui.engine.report.content import Facts, Paragraph, Report, Section, Source, Tabulated
from convtui.engine.report.markdown import text
from convtui.engine.report.page import page
from convtui.engine.report.run_sections import OfRun, run_report
from convtui.engine.report.study_sections import OfStudy, study_report
from convtui.engine.report.writing import check, write
from convtui.engine.spec import changed, make
from convtui.engine.store import Run, Store
from convtui.engine.study.catalog import study
from tests.engine.lens.subjects import noise_images, small_net, subject_of
from tests.engine.report.reading import Page, pixels
from tests.engine.study.conftest import SPEC, add_run
from tests.harness.chromium import needs_chromium
from tests.harness.rows import set_columns

HOSTILE = "\"><img src=http://evil.example/a onerror=alert(1)><script>alert(2)</script>'javascript:alert(3)"
NOTE = f"""# Heading
**strong** <b>raw</b> {HOSTILE} [link](http://evil.example/b) ![picture](http://evil.example/c) <http://evil.example/d>

<iframe src="http://evil.example/e"></iframe>

[evil]: http://evil.example/f
[evil] `code` www.evil.example
"""
TAGS = """html head meta title style body header main footer nav section h1 h2 p ol ul li dl div dt dd a figure figcaption table
thead tbody tr th td details summary picture source img i span strong code"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store.db")


@pytest.fixture(scope="module")
def net() -> nn.Sequential:
    return small_net()


def opened(net: nn.Module) -> Callable[[], Subject]:
    return lambda: subject_of(net, noise_images())


def no_weights() -> Subject:
    raise CheckpointError("run 1 (a) keeps no weights: train it again")


def scored(store: Store) -> Run:
    epochs = [
        {"test_accuracy": accuracy, "test_loss": loss, "train_accuracy": 0.75, "train_loss": 0.8125}
        for accuracy, loss in ((0.5, 1.5), (0.8125, 0.625), (0.6875, 0.71875))
    ]
    spec = changed(SPEC, {"optimiser.learning_rate": 0.03, "model.conv_blocks": "4 3x3"})
    return add_run(store, spec=spec, losses=[2.0, 1.5, 1.25, 1.0, 0.75, 0.5], epochs=epochs, seconds=75.0)


def read(report: Report) -> Page:
    return Page(page(report))


def test_numbers_are_those_of_the_store(store: Store) -> None:
    run = scored(store)
    found = read(run_report(OfRun(store, run, no_weights), ["settings", "outcomes", "question"]))
    assert ["test", "68.75 %", "0.719"] in found.cells("outcomes")
    assert ["train", "75.00 %", "0.812"] in found.cells("outcomes")
    facts = found.facts("outcomes")
    assert facts["best epoch"] == "2, test accuracy 81.25 %"
    assert facts["time"] == "1:15, 100 images/s"
    assert facts["trained"].startswith("3 of 3 epochs, 6 steps")
    settings = found.cells("settings")
    first = [row[0] for row in settings[1:4]]
    assert first == ["model.conv_blocks", "data.source", "optimiser.learning_rate"]  # in the form's order, those that differ
    assert settings[3][:3] == ["optimiser.learning_rate", "0.03", "0.001"]
    assert ["optimiser.name", "adam", "update rule; nesterov is sgd that looks ahead"] in settings[4:]
    set_columns(store, run.id, total_steps=7, step=5)
    facts = read(run_report(OfRun(store, store.run(run.id), no_weights), ["outcomes"])).facts("outcomes")
    assert facts["trained"].startswith("5 steps"), "seven steps are no number of epochs"
    assert "study mine" not in found.facts("question")
    assert found.facts("question")["study"] == "mine, setting a"


def test_pictures_are_those_of_the_views(store: Store, net: nn.Sequential) -> None:
    found = read(run_report(OfRun(store, scored(store), opened(net)), ["filters", "top-nine", "confusion"]))
    images = [pixels(image.attributes["src"]) for image in found.of("img", "filters")]
    asked = view("filters")
    (sheet,) = asked(opened(net)(), asked.make({}))
    assert isinstance(sheet, Sheet)
    *tiles, _ = images  # the last is the scale
    assert len(tiles) == len(sheet.tiles) == 4
    for tile, expected in zip(tiles, coloured(sheet), strict=True):
        np.testing.assert_array_equal(tile[..., :3], expected)
        assert (tile[..., 3] == 255).all()
    for number, image in enumerate(found.of("img", "filters")[:4]):
        weight = net.conv1.weight[number].detach()
        assert image.attributes["alt"] == f"filter {number}, from {weight.min():.3g} to {weight.max():.3g}"

    asked = view("deconvnet")
    projections, patches = asked(opened(net)(), asked.make({"maps": run_sections.MAPS}))
    assert isinstance(projections, Sheet)
    assert isinstance(patches, Sheet)
    pairs = [pixels(image.attributes["src"]) for image in found.of("img", "top-nine")]
    height, width = projections.shape
    for number, sheet in ((0, projections), (1, patches)):  # the first map's nine, and beside them its patches
        for place, expected in enumerate(coloured(sheet)[:9]):
            top, left = place // 3 * (height + 1), place % 3 * (width + 1)
            there = pairs[number][top : top + height, left : left + width]
            np.testing.assert_array_equal(there[..., :3] * (there[..., 3:] > 0), expected * (there[..., 3:] > 0))

    subject = opened(net)()
    told = subject.predictions(subject.images.test.images, subject.images.test.labels)
    counts = np.zeros((3, 3), int)
    for each in told:
        counts[each.label, each.predicted] += 1
    cells = found.cells("confusion")
    assert [row[1:4] for row in cells[1:]] == [[str(count) for count in row] for row in counts]


def test_dead_maps_are_counted_and_take_no_room(store: Store) -> None:
    net = small_net()
    with torch.no_grad():
        net.conv2.weight[[0, 3]], net.conv2.bias[[0, 3]] = 0.0, -1.0
    found = read(run_report(OfRun(store, scored(store), opened(net)), ["activations", "top-nine"]))
    captions = [element.text for element in found.of("span", "top-nine") if element.attributes.get("class") == "caption"]
    assert sorted(captions) == ["map 1", "map 2", "map 4", "map 5"]
    assert not [element for element in found.of("span") if element.attributes.get("class") == "empty"]
    assert "2 of 6 maps are dead, no image excites them: 0, 3" in found.html
    maps = [element.text for element in found.of("span", "activations") if element.text.startswith("map ")]
    assert maps == [f"map {number}" for number in (0, 1, 2, 3, 1, 2, 4, 5)]  # of conv1, then of conv2
    assert "2 of 6 maps are zero everywhere: 0, 3" in found.html


def hostile(store: Store, net: nn.Sequential, *names: str) -> Report:
    run = scored(store)
    set_columns(store, run.id, name=f"n{HOSTILE}", note=NOTE, dataset=HOSTILE, device=HOSTILE, preset=HOSTILE, setting=HOSTILE)
    classes = (HOSTILE, "http://evil.example/g", "[c](http://evil.example/h)|`x`")
    subject = subject_of(net, noise_images(), classes=classes)
    subject.title = f"of {HOSTILE}"
    return run_report(OfRun(store, store.run(run.id), lambda: subject), names)


def own_links() -> set[str]:
    found = {source.link for _, source in [*sources.VIEWS.values(), *sources.of_settings([SPEC])]}
    return found | {source.link for _, source in sources.of_settings([changed(SPEC, {"model.conv_blocks": "4 3x3"})])}


def test_text_from_a_store_is_never_markup_and_nothing_is_loaded(store: Store, net: nn.Sequential) -> None:
    html = page(hostile(store, net))
    found = Page(html)
    known = re.findall(r"\w+", TAGS)
    assert {element.tag for element in found.elements} <= {*known}
    for element in found.elements:
        for name, value in element.attributes.items():
            assert not name.startswith("on")
            if name in ("src", "srcset"):
                assert str(value).startswith(("data:image/png;base64,", "data:image/svg+xml;base64,"))
            if name == "href":
                assert str(value).startswith("#") or (element.tag == "a" and value in own_links())
            if name == "style":
                assert re.fullmatch(r"--share:\d+%|border-top-color:var\(--s\d\)|width:\d+px;height:\d+px", str(value))
    assert found.of("h1")[0].text == f"run 1 n{HOSTILE}"
    (note,) = [element for element in found.of("div", "question") if element.attributes.get("class") == "words"]
    assert "<b>raw</b>" in note.text
    assert "[link](http://evil.example/b)" in note.text
    assert [element.text for element in found.of("strong")] == ["strong"]
    policy = [element.attributes["content"] for element in found.of("meta") if "http-equiv" in element.attributes]
    assert policy[0] is not None
    assert policy[0].startswith("default-src 'none'; img-src data:;")


def test_controls_and_halves_of_pairs_do_not_reach_the_page(store: Store) -> None:
    run = scored(store)
    set_columns(store, run.id, name="a\x1b[31mb\u202ec", note="one\ntwo\x07")
    html = page(run_report(OfRun(store, store.run(run.id), no_weights), ["question"]))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", html)


def test_the_page_can_be_read_by_all(store: Store, net: nn.Sequential) -> None:
    found = read(run_report(OfRun(store, scored(store), opened(net))))
    assert found.of("html")[0].attributes["lang"] == "en"
    assert found.of("title")[0].text == "run 1 mine/a"
    images = found.of("img")
    assert len(images) > 30
    assert all(image.attributes["alt"] for image in images)
    levels = [int(element.tag[1]) for element in found.elements if re.fullmatch("h[1-6]", element.tag)]
    assert levels[0] == 1
    assert set(levels[1:]) == {2}
    ids = [element.attributes["id"] for element in found.elements if "id" in element.attributes]
    assert len(ids) == len({*ids})
    assert {f"#{section.attributes['id']}" for section in found.of("section")} == {
        link.attributes["href"] for link in found.of("a", "")
    }
    assert "prefers-color-scheme: dark" in found.html
    assert found.of("meta")[2].attributes["content"] == "width=device-width, initial-scale=1"
    loss, accuracy = [image.attributes["alt"] for image in found.of("img", "curves")][:2]
    assert loss == "loss, by epoch: train from 0.8125 to 0.8125; test from 1.5 to 0.7188"
    assert accuracy is not None
    assert "test from 50.0 % to 68.8 %" in accuracy


def test_what_cannot_be_shown_is_left_out_with_the_reason(store: Store) -> None:
    run = scored(store)
    found = read(run_report(OfRun(store, run, no_weights)))
    (names,) = found.facts("left-out")
    assert found.facts("left-out")[names] == "run 1 (a) keeps no weights: train it again"
    assert "First filters" in names
    assert {"filters", "occlusion"}.isdisjoint(section.attributes["id"] for section in found.of("section"))
    assert found.of("section", "curves")

    dense = nn.Sequential(nn.Flatten(), nn.Linear(144, 8), nn.ReLU(), nn.Linear(8, 3))
    said = read(run_report(OfRun(store, run, opened(dense)), ["filters", "top-nine", "outcomes"])).facts("left-out")
    assert any("no convolutional layer" in why for why in said.values())
    subject = subject_of(small_net(), noise_images())

    def no_images() -> None:
        raise NotApplicable("there are no images to look at")

    subject.dataset = no_images  # type: ignore[assignment]
    without = read(run_report(OfRun(store, run, lambda: subject), ["filters", "confusion", "occlusion"]))
    assert without.of("section", "filters")
    assert "there are no images to look at" in without.facts("left-out").values()


def test_confusion_that_was_kept_serves_where_there_are_no_weights(store: Store) -> None:
    run = add_run(store, epochs=[{"test_accuracy": 0.5}], confusion=((3, 1), (2, 2)))
    found = read(run_report(OfRun(store, run, no_weights), ["confusion"]))
    assert found.cells("confusion")[1:] == [["0", "3", "1"], ["1", "2", "2"]]


def test_a_net_of_ones_own_is_named_and_its_preset_is_not_said_to_be_its_net(store: Store, tmp_path: Path) -> None:
    module = f"{tmp_path / 'mynet.py'}:Net"
    run = add_run(store, spec=make({"model": {"module": module}}), epochs=[{"test_accuracy": 0.5}])
    set_columns(store, run.id, preset="lenet5")
    facts = read(run_report(OfRun(store, store.run(run.id), no_weights), ["question"])).facts("question")
    assert (facts["net"], facts["preset"]) == ("mynet.py:Net", "lenet5, but for its net")


def test_sections_are_chosen_by_name(store: Store) -> None:
    run = scored(store)
    report = run_report(OfRun(store, run, no_weights), ["outcomes", "settings"])
    assert [section.name for section in report.sections] == ["settings", "outcomes"]
    with pytest.raises(UsageError, match="unknown section 'setings' \\(did you mean settings\\?\\)"):
        run_report(OfRun(store, run, no_weights), ["setings"])


STUDY = """
title = "Which rate"
question = "Is <b>fast</b> better?"
seeds = 2
report = "002"
notes = ["Read as *steps*, see [x](http://evil.example)."]

[[setting]]
name = "slow"
preset = "rnn"
source = "report 002, 1"
published = { test_accuracy = 0.5 }

[[setting]]
name = "fast"
preset = "lenet5"
source = "report 002, 2"
published = { test_accuracy = { low = 0.6, high = 0.7 } }

[[claim]]
says = "fast beats slow"
measure = "test_accuracy"
order = ["fast", "slow"]
note = "Both had ten epochs."
"""


@pytest.fixture
def of_study(store: Store, tmp_path: Path) -> OfStudy:
    (tmp_path / "mine.toml").write_text(STUDY)
    found = study(str(tmp_path / "mine.toml"))
    for name, accuracies in (("slow", (0.5, 0.5625)), ("fast", (0.75, 0.875))):
        for seed, accuracy in enumerate(accuracies):
            epochs = [{"test_accuracy": accuracy - 0.25, "train_loss": 1.0}, {"test_accuracy": accuracy, "train_loss": 0.5}]
            add_run(store, name, spec=found.settings[name].spec, seed=seed, losses=[1.0, 0.5], epochs=epochs)
    return OfStudy(store, found)


def test_a_study_has_published_against_measured_claims_bands_and_the_nets_compared(of_study: OfStudy) -> None:
    report = study_report(of_study)
    found = read(report)
    assert found.of("p", "question")[0].text == "Is <b>fast</b> better?"
    published = found.cells("published")
    # The mean of 50 and 56.25, and of 75 and 87.5, which lies 11.25 points above the nearer end.
    assert ["slow", "test_accuracy", "50.00 %", "53.12 % (50.00 to 56.25)", "+3.12 pp", "2 of 2", "report 002, 1"] in published
    assert [
        "fast",
        "test_accuracy",
        "60.00 to 70.00 %",
        "81.25 % (75.00 to 87.50)",
        "+11.25 pp",
        "2 of 2",
        "report 002, 2",
    ] in published
    ((_, verdict, *_),) = found.cells("claims")[1:]
    assert verdict == of_study.results.claims[0].verdict
    legends = {" ".join(item.text.split()) for item in found.of("li", "curves")}
    assert legends == {"slow (mean and range of 2)", "fast (mean and range of 2)"}
    compared = {row[0]: row for row in found.cells("comparison")}
    assert compared["slow"][1:4] == ["RNN", "2", "53.12 % ± 4.42"]  # 6.25 / sqrt 2
    assert compared["fast"][1] == "CNN"
    notes = " ".join(element.text for element in found.of("div", "notes"))
    assert "fast beats slow: Both had ten epochs." in notes
    assert "[x](http://evil.example)" in notes
    methods = {link.attributes["href"] for link in found.of("a", "methods")}
    assert "https://doi.org/10.1093/biomet/34.1-2.28" in methods
    assert all(row[0] != "source" for row in found.cells("claims"))


def test_a_study_without_runs_has_what_was_published(store: Store) -> None:
    found = read(study_report(OfStudy(store, study("002"))))
    assert any("94.17 %" in row for row in found.cells("published"))
    assert "no run of it has come to its end" in " ".join(found.facts("left-out").values())


def test_markdown_has_the_same_and_a_strangers_text_is_text_there_too(store: Store, net: nn.Sequential, of_study: OfStudy) -> None:
    written = text(study_report(of_study))
    assert "| fast | test\\_accuracy | 60.00 to 70.00 % | 81.25 % (75.00 to 87.50) | +11.25 pp |" in written
    assert re.search(r"^\[picture-1\]: data:image/png;base64,\S+$", written, re.MULTILINE)
    for made in (written, text(hostile(store, net, "question", "settings", "outcomes", "confusion", "occlusion"))):
        tokens = [
            token for block in MarkdownIt("commonmark").enable("table").parse(made) for token in (block, *(block.children or ()))
        ]
        assert not [token.content for token in tokens if token.type.startswith("html")]
        links = {token.attrs["href"] for token in tokens if token.type == "link_open"}
        assert not {link for link in links if "evil" in str(link)}
        assert all(str(token.attrs["src"]).startswith("data:image/png") for token in tokens if token.type == "image")
        assert "http://evil" not in made
        assert "www.evil" not in made


def test_sources_of_all_settings_can_be_cited() -> None:
    """Each link is https, and each source begins with a name and a year."""
    table = [*sources.VIEWS.values()]
    for values in (
        {"optimiser.name": "lion", "optimiser.schedule": "cosine", "model.conv_blocks": "4 3x3 bn", "model.activation": "gelu"},
        {"model.cell": "lstm", "model.init": "he", "optimiser.name": "sgd", "optimiser.momentum": 0.9, "data.source": "mnist"},
    ):
        table += sources.of_settings([changed(SPEC, values)])
    assert {what for what, _ in table} >= {"optimiser lion", "schedule cosine", "batch normalisation", "LSTM", "momentum", "MNIST"}
    for _, source in table:
        assert isinstance(source, Source)
        assert re.match(r"\S.* (19|20)\d\d, ", source.text)
        assert source.link == "" or source.link.startswith("https://")


def test_names_of_files_are_checked_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"must end in \.html, \.md or \.pdf"):
        check(tmp_path / "report.docx")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="apt install chromium"):
        check(tmp_path / "report.pdf")
    assert (check(tmp_path / "r.HTM"), check(Path("-"))) == ("html", "html")
    write(Report("t", "a", ()), tmp_path / "r.md", "md")
    write(Report("u", "a", ()), tmp_path / "r.md", "md")
    assert (tmp_path / "r.md").read_text().startswith("# u\n")


@pytest.mark.long
@needs_chromium
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="there is no pdftotext here: apt-get install poppler-utils")
def test_no_page_of_a_pdf_ends_with_a_heading(tmp_path: Path) -> None:
    """Nor does one begin with what is said of a table on the page before. Different lengths move both over the
    pages' ends."""

    def block(n: int) -> Facts | Tabulated:
        rows = [["1", "2"]] * (1 + 3 * n % 7)
        return Tabulated(Table("numbers", ("a", "b"), rows, ["said of it"])) if n % 2 else Facts([("fact", "and value")])

    sections = [Section(f"s{n}", "a heading", (block(n), *[Paragraph("of a line")] * (3 * n % 5))) for n in range(150)]
    write(Report("title", "about", sections), tmp_path / "r.pdf", "pdf")
    told = subprocess.run(["pdftotext", "-layout", tmp_path / "r.pdf", "-"], capture_output=True, text=True, check=True, timeout=60)
    pages = [page.strip().splitlines() for page in told.stdout.split("\f") if page.strip()]
    assert len(pages) > 15
    assert {lines[-1].strip() for lines in pages} & {"a heading", "numbers"} == set()
    assert {lines[0].strip() for lines in pages} & {"said of it"} == set()


def test_the_tables_of_sections_have_each_name_once() -> None:
    for parts in (run_sections.PARTS, study_sections.PARTS):
        names = [part.name for part in parts]
        assert len(names) == len({*names})
        assert all(re.fullmatch("[a-z-]+", name) for name in names)
