"""The thread that opens nets: which question it answers, what it refuses, and where targets lead."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from convtui.engine.figures.figure import Target
from convtui.engine.lens import registry
from convtui.engine.store import Store
from convtui.tui.session.inspector import (
    Answer,
    Found,
    Inspector,
    Layer,
    NetInfo,
    NoThumbnails,
    Query,
    Refusal,
    Reply,
    ThumbnailRequest,
    Thumbnails,
    follow,
    in_words,
)


class Collected:
    """What the thread has told, and a condition to wait for more."""

    def __init__(self) -> None:
        self.told: list[Reply] = []
        self._more = threading.Condition()

    def __call__(self, told: Reply) -> None:
        with self._more:
            self.told.append(told)
            self._more.notify_all()

    def wait(self, met: Callable[[Reply], bool]) -> Reply:
        with self._more:
            assert self._more.wait_for(lambda: any(map(met, self.told)), timeout=30), self.told
            return next(filter(met, self.told))


@pytest.fixture
def inspector(stored: Path) -> Iterator[tuple[Inspector, Collected]]:
    collected = Collected()
    with Store.open(stored) as store:
        thread = Inspector(lambda: store, collected, device="cpu")
        yield thread, collected
        thread.close()
        if thread.thread.is_alive():
            thread.thread.join()


def is_seen(asked: Query) -> Callable[[Reply], bool]:
    return lambda told: isinstance(told, Answer) and told.query == asked


def test_the_newest_request_wins(inspector: tuple[Inspector, Collected], slow: dict[str, threading.Event]) -> None:
    thread, collected = inspector
    first, last = Query(2, view="slow"), Query(2, view="slow", options=(("number", "3"),))
    thread.ask(first)
    assert slow["begun"].wait(30)
    thread.ask(Query(2, view="slow", options=(("number", "2"),)))
    thread.ask(last)
    collected.wait(is_seen(last))
    assert slow["cancelled"].is_set()
    assert not any(isinstance(told, Answer | Refusal) and told.query == first for told in collected.told)


def test_answers_are_kept_until_something_fresh_is_wanted(inspector: tuple[Inspector, Collected]) -> None:
    thread, collected = inspector
    asked = Query(2, view="activations", options=(("image", "random"),))
    found = []
    for fresh in (False, False, True):
        collected.told.clear()
        thread.ask(asked, fresh=fresh)
        answer = collected.wait(is_seen(asked))
        assert isinstance(answer, Answer)
        found.append(answer.results)
    assert found[0] is found[1]
    assert found[2] is not found[0]


def test_the_unexpected_is_logged_and_told_in_one_line(
    inspector: tuple[Inspector, Collected], slow: dict[str, threading.Event]
) -> None:
    thread, collected = inspector
    thread.ask(Query(2, view="slow", options=(("number", "13"),)))
    told = collected.wait(lambda told: isinstance(told, Refusal))
    assert isinstance(told, Refusal)
    assert told.reason.startswith("ZeroDivisionError: thirteen; the full story is in ")
    assert "thirteen" in Path(told.reason.rpartition(" in ")[2]).read_text()


def test_what_is_refused_is_told_in_words(inspector: tuple[Inspector, Collected]) -> None:
    thread, collected = inspector
    for asked, words in (
        (Query(99), "99"),
        (Query(2, "7"), "keeps weights of epoch 0, 1, 2"),
        (Query(2, view="filtres"), "did you mean filters?"),
        (Query(2, view="filters", options=(("colour", "red"),)), "has no option 'colour'"),
    ):
        collected.told.clear()
        thread.ask(asked)
        told = collected.wait(lambda told: isinstance(told, Refusal))
        assert isinstance(told, Refusal)
        assert words in told.reason
        assert asked.meets(told.query)


def test_what_is_looked_at_ahead_is_told_with_its_net_and_gives_way_to_what_is_asked(
    inspector: tuple[Inspector, Collected],
) -> None:
    thread, collected = inspector
    ahead = [Query(2, "0", "filters"), Query(2, "7", "filters"), Query(2, "1", "filters")]
    thread.prepare(ahead)
    asked = Query(2, view="filters")
    thread.ask(asked)
    collected.wait(lambda told: isinstance(told, Found) and told.query == ahead[-1])
    answers = {told.query.epoch: told for told in collected.told if isinstance(told, Found)}
    assert isinstance(answers["0"].answer, Answer)
    assert answers["0"].info is not None
    assert answers["0"].info.epoch == 0
    assert isinstance(answers["7"].answer, Refusal), "the others are looked at nonetheless"
    collected.wait(is_seen(asked))


def test_own_pictures_are_shown_but_for_those_that_cannot_be_read(inspector: tuple[Inspector, Collected], tmp_path: Path) -> None:
    thread, collected = inspector
    picture, broken = tmp_path / "grey.pgm", tmp_path / "broken.png"
    picture.write_bytes(b"P5 4 4 255\n" + bytes(range(16)))
    broken.write_text("no picture")
    thread.want(ThumbnailRequest(2, "last", "test", 0, 32, files=(str(broken), str(picture))))
    told = collected.wait(lambda told: isinstance(told, Thumbnails | NoThumbnails))
    assert isinstance(told, Thumbnails)
    assert told.files == [str(picture)]
    assert len(told.sheet.tiles) == len(told.predictions) == 1
    assert "broken.png" in told.trouble
    thread.want(ThumbnailRequest(2, "last", "test", 0, 32, files=(str(broken),)))
    refused = collected.wait(lambda told: isinstance(told, NoThumbnails))
    assert isinstance(refused, NoThumbnails)
    assert "broken.png" in refused.reason


# ---------------------------------------------------------------------------------------------------------- in words


def about(**unfit: str) -> NetInfo:
    views = registry.views()
    layers = [Layer("conv1", "4×8×8", True), Layer("output", "10", False)]
    return NetInfo(1, "", 1, 1, [1], layers, ("cat", "dog", "cat"), views, dict.fromkeys(views) | unfit)


@pytest.mark.parametrize(
    ("asked", "target", "there"),
    [
        (Query(1, view="filters"), Target("conv1", 3), ("deconvnet", {"layer": "conv1", "map": "3"})),
        (
            Query(1, view="activations", options=(("split", "train"),)),
            Target("conv1", 3, image=5),
            ("deconvnet", {"layer": "conv1", "map": "3", "image": "5", "split": "train"}),
        ),
        (
            Query(1, view="deconvnet", options=(("layer", "conv1"), ("map", "3"), ("image", "5"))),
            Target("conv1", 3, 2, 2, image=5),
            ("deconvnet", {"layer": "conv1", "map": "3"}),
        ),
        (
            Query(1, view="patches"),
            Target("conv1", 3, 2, 2, image=7),
            ("deconvnet", {"layer": "conv1", "map": "3"}),
        ),
        (
            Query(1, view="deconvnet", options=(("layer", "conv1"), ("map", "3"))),
            Target("conv1", 3, 2, 2, image=7),
            ("occlusion", {"layer": "conv1", "image": "7"}),
        ),
        (Query(1, view="occlusion", options=(("image", "7"),)), Target(image=7), ("activations", {"image": "7"})),
        (Query(1, view="misclassified"), Target(image=9, label=0, predicted=1), ("activations", {"image": "9"})),
        (Query(1, view="confusion"), Target(label=1), ("confusion", {"label": "dog"})),
        (Query(1, view="confusion"), Target(label=2), ("confusion", {"label": "2"})),
        (Query(1, view="summary"), Target("conv1"), ("statistics", {"layer": "conv1"})),
        (Query(1, view="statistics", options=(("layer", "conv1"),)), Target("conv1"), ("activations", {"layer": "conv1"})),
        (Query(1, view="guided"), Target("output", 1, image=2), ("saliency", {"layer": "output", "map": "1", "image": "2"})),
        (Query(1, view="filters"), Target(), None),
    ],
)
def test_where_targets_lead(asked: Query, target: Target, there: tuple[str, dict[str, str]] | None) -> None:
    found = follow(asked, target, about())
    assert (None if found is None else (found.view, dict(found.options))) == there
    if found is not None:
        assert registry.view(found.view).make(dict(found.options))


def test_what_does_not_apply_is_not_led_to() -> None:
    found = follow(Query(1, view="filters"), Target("conv1", 3), about(deconvnet="no ReLU"))
    assert found is not None
    assert found.view == "patches"


def test_targets_in_words() -> None:
    target = Target("conv2", 17, 5, 9, 871, 0, 1)
    assert in_words(target, ("cat", "dog")) == "conv2, map 17 at 5,9 · image 871 · cat → dog"
    assert in_words(target, ("cat", "dog"), beside="map 17 at 5,9 of #871: 4.8") == "conv2 · cat → dog"
    assert in_words(None, ()) == ""


def test_what_was_left_open_is_met_by_its_answer() -> None:
    assert Query(None).meets(Query(4, view="filters"))
    assert Query(None).meets(Query(None))
    assert not Query(4, "1", "filters").meets(Query(4, "2", "filters"))
