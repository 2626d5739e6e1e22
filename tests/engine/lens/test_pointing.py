"""Whether what is traced back points at the object, on images whose true masks are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.masks import energy, inside
from convtui.engine import models
from convtui.engine.data.catalog import load
from convtui.engine.data.split import Dataset
from convtui.engine.lens.subject import Subject
from convtui.engine.presets import preset
from convtui.engine.spec import RunSpec, changed
from convtui.engine.training import Training
from tests.engine.lens.subjects import subject_of


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunSpec, Dataset, Subject]:
    """The demo's net after two epochs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("CONVTUI_CACHE", str(tmp_path_factory.mktemp("kept")))
        spec = changed(preset("demo").spec, {"training.epochs": 2, "training.threads": 1, "data.test_per_class": 20})
        dataset = load(spec.data)
    with Training(spec, dataset) as training:
        for _ in training:
            pass
        net, standardise = training.net.eval(), training.identity.standardise
    return spec, dataset, Subject(net, (3, 32, 32), dataset.test.classes, standardise, lambda: dataset)


@pytest.mark.long
def test_guided_energy_of_a_trained_net_lies_on_the_object(trained: tuple[RunSpec, Dataset, Subject]) -> None:
    spec, dataset, subject = trained
    split = dataset.test
    assert split.masks is not None
    untrained = replace(subject, net=models.build(spec.model, channels=3, size=32, classes=10, seed=7).eval())
    share, hits = inside(energy(subject, split, "guided"), split.masks)
    before, before_hits = inside(energy(untrained, split, "guided"), split.masks)
    chance, _ = inside(torch.ones(split.masks.shape), split.masks)
    assert chance == pytest.approx(float(split.masks.float().mean()))
    assert share > 1.25 * before
    assert share > 1.5 * chance
    assert hits > max(before_hits, 2 * chance)


def test_a_mean_fall_covers_the_pixels_that_a_score_depends_on() -> None:
    class Corner(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            lit = images[:, :, :2, :2].mean((1, 2, 3)) > 0.5
            return torch.stack([lit, ~lit, torch.zeros_like(lit)], 1).double() * 9

    images = torch.zeros(2, 1, 16, 16, dtype=torch.uint8)
    images[:, :, :2, :2] = 255
    subject = subject_of(Corner(), images)
    found = energy(subject, subject.split("test"), "occlusion")
    assert bool((found[:, :4, :4] > 0.01).all())
    assert float(found[:, 6:].max()) == float(found[:, :, 6:].max()) == 0


def test_shares_and_hits_by_hand() -> None:
    found = torch.tensor([[[1.0, 3.0], [0.0, 0.0]], [[2.0, 0.0], [0.0, 6.0]]])
    masks = torch.tensor([[[True, False], [True, True]], [[False, False], [False, True]]])
    assert inside(found, masks) == pytest.approx(((1 / 4 + 6 / 8) / 2, 1 / 2))


def test_the_table_is_printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from benchmarks import masks
    from convtui.engine.store import Store
    from convtui.engine.training.recording import recorded

    spec = changed(preset("demo").spec, {"training.steps": 1, "data.train_per_class": 10, "data.test_per_class": 3})
    with Store.open(tmp_path / "store.db") as store:
        row = store.create_run(name="demo", preset="demo", spec=spec, dataset="shapes")
        with recorded(store, store.claim(row.id), spec, load(spec.data), torch.device("cpu")) as (_, pulled):
            for _ in pulled:
                pass
    monkeypatch.setattr("sys.argv", ["masks", "last", "--images", "2", "--store", str(tmp_path / "store.db")])
    masks.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("2 test images of shapes")
    ways = [f"{method}, {net}" for method in masks.METHODS for net in ("trained", "untrained")]
    assert [line.split("  ")[0] for line in lines[3:]] == ["noise", *ways]
