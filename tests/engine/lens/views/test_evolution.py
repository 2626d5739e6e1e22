"""The course of a training: pictures of each snapshot are those that its net gives by itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from convtui.engine.errors import CheckpointError, NotApplicable
from convtui.engine.figures.figure import Sheet
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Snapshot, Subject
from tests.engine.lens.subjects import noise_images, small_net, subject_of

LOOK = view("evolution")


def trained(count: int = 3) -> tuple[Subject, list[Subject]]:
    """A subject with snapshots, and one subject for each of them."""
    images = noise_images(30)
    nets = [small_net(seed=seed) for seed in range(count)]
    subject = subject_of(small_net(seed=count - 1), images)
    subject.snapshots = [Snapshot(2 * number, 20 * number, net.state_dict) for number, net in enumerate(nets)]
    return subject, [subject_of(net, images) for net in nets]


def sheet_of(subject: Subject, **options: object) -> Sheet:
    (sheet,) = LOOK(subject, LOOK.make(options))
    assert isinstance(sheet, Sheet)
    return sheet


def test_filters_are_those_of_each_snapshot_on_one_scale() -> None:
    subject, then = trained()
    before = {name: value.clone() for name, value in subject.net.state_dict().items()}
    sheet = sheet_of(subject)
    assert sheet.block == (1, 4)
    assert list(sheet.captions) == ["epoch 0", "epoch 2", "epoch 4"]
    weights = np.concatenate([each.net.get_submodule("conv1").weight.detach().numpy()[:, 0] for each in then])
    assert np.array_equal(np.stack([tile.pixels for tile in sheet.tiles]), weights)
    assert sheet.high == pytest.approx(np.abs(weights).max())
    assert all(torch.equal(value, before[name]) for name, value in subject.net.state_dict().items())
    assert [tile.caption for tile in sheet_of(subject, map=3).tiles] == [f"epoch {epoch}, filter 3" for epoch in (0, 2, 4)]
    deeper = sheet_of(subject, layer="conv2", map=5)
    assert np.array_equal(deeper.blocks[2][1].pixels, then[2].net.get_submodule("conv2").weight[5, 1].detach().numpy())


@pytest.mark.parametrize("images", [0, 7])
def test_maps_show_the_training_image_that_excites_each_most_and_mark_where_another_takes_over(images: int) -> None:
    subject, then = trained()
    sheet = sheet_of(subject, of="map", layer="conv2", count=4, images=images)
    chosen = range(30) if not images else [number * 30 // images for number in range(images)]
    for number, row in enumerate(sheet.blocks):
        before = None
        for each, tile in zip(then, row, strict=True):
            seen = each.seen(each.split("train").images[list(chosen)])
            peaks = each.net[:4](seen)[:, number].amax((1, 2))
            best = chosen[int(peaks.argmax())]
            assert tile.target is not None
            assert tile.target.image == best
            assert tile.caption.endswith("jump") == (before not in (None, best))
            before = best
            alone = view("deconvnet")
            _, projected = alone(each, alone.make({"layer": "conv2", "map": number, "image": str(best), "split": "train"}))
            assert isinstance(projected, Sheet)
            height, width = tile.pixels.shape
            top, left = (
                int(np.argwhere(part.any(axis)).min())
                for part, axis in ((projected.tiles[0].pixels, 1), (projected.tiles[0].pixels, 0))
            )
            whole = np.pad(projected.tiles[0].pixels, 20)
            windows = np.lib.stride_tricks.sliding_window_view(whole, (height, width))
            assert np.isclose(windows, tile.pixels, atol=1e-6).all((2, 3)).any(), f"map {number} {tile.caption} {top} {left}"


def test_a_map_that_nothing_excites_is_empty_and_takes_over_from_none() -> None:
    subject, then = trained()
    dead = {name: value.clone() for name, value in then[1].net.state_dict().items()}
    dead["conv2.bias"][0] = -100
    subject.snapshots = [subject.snapshots[0], Snapshot(2, 20, lambda: dead), Snapshot(4, 40, then[0].net.state_dict)]
    row = sheet_of(subject, of="map", layer="conv2", map=0).tiles
    assert row[1].caption == "epoch 2: dead"
    assert np.isnan(row[1].pixels).all()
    assert not any(tile.caption.endswith("jump") for tile in row)


def test_a_script_that_counts_no_epochs_has_steps() -> None:
    subject, then = trained()
    subject.snapshots = [Snapshot(0, 1500 * number, each.net.state_dict) for number, each in enumerate(then)]
    assert list(sheet_of(subject).captions) == ["step 0", "step 1,500", "step 3,000"]


def test_one_moment_is_no_course_and_another_nets_weights_are_refused() -> None:
    subject, _ = trained(1)
    with pytest.raises(NotApplicable, match=r"weights of several epochs are needed, and 1 is kept: training\.snapshot_every"):
        LOOK(subject, LOOK.make({}))
    subject, then = trained()
    subject.snapshots = [*subject.snapshots, Snapshot(9, 90, then[0].net[:1].state_dict)]
    with pytest.raises(CheckpointError, match="epoch 9, step 90 belongs to another net"):
        LOOK(subject, LOOK.make({}))
