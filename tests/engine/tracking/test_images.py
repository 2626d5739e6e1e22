"""`run.log_image`: what a script shows is kept as it was, in bounds, and shown again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import convtui
from convtui.engine.logged_images import LONGEST_SIDE, MOST_IMAGES, load
from convtui.engine.store import LoggedImages, Store
from convtui.engine.store import images as images_of_runs
from convtui.engine.store.images import MOST_STEPS, surplus

import torch  # isort: skip


def kept(path: Path) -> list[LoggedImages]:
    with Store.open(path) as store:
        return store.files.images(1)


def test_images_are_kept_as_they_were_when_they_were_told(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    levels = torch.randint(0, 256, (5, 3, 8, 6), generator=generator, dtype=torch.uint8)
    floats = levels[:, :1] / 255
    with convtui.init("mine", store=tmp_path / "store.db") as run:
        run.log_image("gan/fake", levels, step=3)
        run.log_image("one", levels[0])
        run.log_image("grey", floats[0, 0].numpy(), step=7)
        run.log_image("floats", floats, step=7)
        levels_before = levels.clone()
        levels.zero_()
        floats.zero_()
    found = {(each.name, each.step): load(each.path) for each in kept(tmp_path / "store.db")}
    assert list(found) == [("floats", 7), ("gan/fake", 3), ("grey", 7), ("one", 0)]
    assert torch.equal(found["gan/fake", 3], levels_before)
    assert torch.equal(found["one", 0], levels_before[:1])
    assert torch.equal(found["grey", 7], levels_before[:1, :1])
    assert torch.equal(found["floats", 7], levels_before[:, :1])


def test_what_is_too_many_or_too_large_is_reduced(tmp_path: Path) -> None:
    wide = torch.zeros(1, 1, 2, 2 * LONGEST_SIDE)
    wide[..., ::2] = 1.0  # pairs of white and black: grey in the mean
    with convtui.init("mine", store=tmp_path / "store.db") as run:
        run.log_image("many", torch.zeros(MOST_IMAGES + 9, 1, 2, 2))
        run.log_image("wide", wide)
    many, reduced = (load(each.path) for each in kept(tmp_path / "store.db"))
    assert len(many) == MOST_IMAGES
    assert reduced.shape == (1, 1, 1, LONGEST_SIDE)
    assert set(reduced.flatten().tolist()) <= {127, 128}


def test_of_a_long_run_those_of_steps_all_over_it_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    for step in range(0, 30_000, 10):
        steps.append(step)
        for gone in list(surplus(steps)):
            steps.remove(gone)
    assert (len(steps), steps[0], steps[-1]) == (MOST_STEPS, 0, 29_990)
    gaps = np.diff(steps)
    assert gaps.max() <= 4 * gaps.mean()
    monkeypatch.setattr(images_of_runs, "MOST_STEPS", 3)
    with convtui.init("mine", store=tmp_path / "store.db") as run:
        for step in range(9):
            run.log_image("x", torch.zeros(1, 1, 1), step=step)
            run.log_image("y", torch.zeros(1, 1, 1), step=step) if step < 2 else None
    left = [(each.name, each.step) for each in kept(tmp_path / "store.db")]
    assert (left[0], left[2:]) == (("x", 0), [("x", 8), ("y", 0), ("y", 1)])


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (torch.zeros(16, 28, 28), "images are [H, W], [C, H, W] or [N, C, H, W] with C 1 or 3: this is [16, 28, 28]"),
        (torch.zeros(3), "this is [3]"),
        (torch.zeros(0, 3, 4, 4), "this is [0, 3, 4, 4]"),
        (torch.zeros(4, 4, dtype=torch.int64), "images are float from 0 to 1, or uint8: this is int64"),
        (object(), "'x' is left out: "),
    ],
)
def test_what_is_no_image_is_said_and_ends_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], images: object, said: str
) -> None:
    with convtui.init("mine", store=tmp_path / "store.db") as run:
        run.log_image("x", images)
    assert said in capfd.readouterr().err
    assert kept(tmp_path / "store.db") == []


def test_values_beyond_0_to_1_are_cut_and_that_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with convtui.init("mine", store=tmp_path / "store.db") as run:
        run.log_image("x", torch.tensor([[-1.0, 0.5], [1.5, torch.nan]]))
    (found,) = kept(tmp_path / "store.db")
    assert load(found.path).flatten().tolist() == [0, 128, 255, 0]
    assert "'x': values from nan to nan are cut to 0 to 1" in capfd.readouterr().err


def test_names_of_any_kind_stay_in_the_runs_folder_and_go_with_the_run(tmp_path: Path) -> None:
    names = ["../../up", "a b%2Fc", "\x1b[31m", "ä", "."]
    with convtui.init("mine", store=tmp_path / "store.db") as run:
        for name in [*names, "x" * 300]:
            run.log_image(name, torch.zeros(2, 2))
    found = kept(tmp_path / "store.db")
    with Store.open(tmp_path / "store.db") as store:
        folder = store.files.folder(1)
        assert sorted(each.name for each in found) == sorted(names)
        assert {each.path.parent for each in found} == {folder}
        assert store.files.leftovers() == []
        store.delete(1)
        assert not folder.exists()
