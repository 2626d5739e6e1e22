"""Runs as other programs read them: TensorBoard's own reader finds every number, ONNX's evaluator computes what the net does."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.events import Finished, Logged
from convtui.engine.store import Recorder, Run, Store
from convtui.engine.tracking.exports.tensorboard import write_events
from convtui.engine.tracking.imports import Importer, sources

import torch  # isort: skip
from torch import Tensor, nn

TOLD = {
    "train/loss": [(0, 0.1), (1, math.nan), (2, 1 / 3), (300, -math.inf), (2**40, 1e-42)],
    "huge": [(1, 1e300), (2, -1e300)],
    "Name, 学习": [(1, 0.5)],
}


def recorded(store: Store) -> Run:
    run = store.begin_run(kind="script", name="mine", settings={}, dataset="", note="", provenance={}, began=1000.0)
    points = tuple((name, step, value) for name, series in TOLD.items() for step, value in series)
    with Recorder(store, run.id) as recorder:
        recorder.record(Logged(0, 0, points, 0, 2.0, None))
        recorder.record(Logged(300, 0, (), 0, 7.5, None))
        recorder.record(Finished(2**40, 0, {}, 7.5, 0.0))
    return store.run(run.id)


def float32(values: list[float]) -> list[str]:
    with np.errstate(over="ignore"):
        return [str(np.float32(value)) for value in values]


def test_tensorboards_own_reader_finds_every_number_of_a_run(tmp_path: Path) -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with Store.open(tmp_path / "store.db") as store:
        run = recorded(store)
        first = write_events(store, run, tmp_path / "logs" / "mine")
        assert write_events(store, run, tmp_path / "logs" / "mine") == first
        assert [path.name for path in first.parent.iterdir()] == [first.name]
        reader = event_accumulator.EventAccumulator(str(first.parent), size_guidance={"scalars": 0})
        reader.Reload()
        assert set(reader.Tags()["scalars"]) == set(TOLD)
        for name, told in TOLD.items():
            events = reader.Scalars(name)
            assert [event.step for event in events] == [step for step, _ in told]
            assert float32([event.value for event in events]) == float32([value for _, value in told])
        assert [event.wall_time for event in reader.Scalars("train/loss")] == [1002.0] * 3 + [1007.5] * 2
        again = Importer(store).add(sources(tmp_path / "logs")[0])
        assert again is not None
        for name, told in TOLD.items():
            assert float32(list(store.series(again.id, name).values)) == float32([value for _, value in told])


def test_events_are_not_written_beside_those_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "events.out.tfevents.1.other").touch()
    with Store.open(tmp_path / "store.db") as store:
        with pytest.raises(UsageError, match=r"has events\.out\.tfevents\.1\.other, and TensorBoard shows a folder as one run"):
            write_events(store, recorded(store), tmp_path)
        with pytest.raises(UsageError, match="cannot be written"):
            write_events(store, store.run(1), tmp_path / "store.db")


def test_where_onnx_is_missing_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from convtui.engine.tracking.exports import onnx

    monkeypatch.setattr(onnx, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs onnx and onnxscript: pip install 'convtui\[onnx\]'"):
        onnx.check_can_export()


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.drop, self.dense = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Linear(36, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = nn.functional.max_pool2d(torch.relu(self.norm(self.conv(images))), 2)
        scores: Tensor = self.dense(self.drop(maps.flatten(1)))
        return scores


@pytest.mark.long
def test_an_onnx_file_computes_what_the_net_does_for_any_number_of_images() -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    from onnx.reference import ReferenceEvaluator

    from convtui.engine.data.batches import Standardise
    from convtui.engine.lens.loading import subject_from_module
    from convtui.engine.tracking.exports.onnx import onnx_of

    torch.manual_seed(3)
    standardise = Standardise(torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.3, 0.4]))
    subject = subject_from_module(Net().eval(), (3, 8, 8), classes="abcde", standardise=standardise, title="run 7")
    model = onnx.load_from_string(onnx_of(subject))
    onnx.checker.check_model(model, full_check=True)
    assert {put.type.tensor_type.shape.dim[0].dim_param for put in (*model.graph.input, *model.graph.output)} == {"N"}
    told = {each.key: each.value for each in model.metadata_props}
    assert json.loads(told["classes"]) == list("abcde")
    images = torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8)
    with torch.no_grad():
        expected = subject.net(standardise(images)).numpy()
    evaluator = ReferenceEvaluator(model)
    for count in (1, 2, 5):
        (found,) = evaluator.run(None, {"images": (images[:count].float() / 255).numpy()})
        # Both add up 27 and 36 products in float32, of values below ten, in another order.
        np.testing.assert_allclose(found, expected[:count], atol=63 * 10 * 2**-24)


@pytest.mark.long
def test_of_a_net_that_returns_several_things_the_onnx_file_has_its_logits() -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    from onnx.reference import ReferenceEvaluator

    from convtui.engine.lens.loading import subject_from_module
    from convtui.engine.tracking.exports.onnx import onnx_of

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Linear(16, 5)

        def forward(self, images: Tensor) -> dict[str, Tensor]:
            return {"aux": images.mean((2, 3)), "logits": self.dense(images.flatten(1))}

    subject = subject_from_module(Two().eval(), (1, 4, 4), title="run 9")
    images = torch.rand(3, 1, 4, 4)
    found = ReferenceEvaluator(onnx.load_from_string(onnx_of(subject))).run(["output"], {"images": images.numpy()})
    with torch.no_grad():
        # 16 products below one in float32, added up in another order.
        np.testing.assert_allclose(found[0], subject.net(images)["logits"].numpy(), atol=32 * 2**-24)


@pytest.mark.long
def test_a_net_that_takes_len_of_its_images_is_told_what_to_write_for_onnx() -> None:
    pytest.importorskip("onnxscript")
    from convtui.engine.lens.loading import subject_from_module
    from convtui.engine.tracking.exports.onnx import onnx_of

    class Token(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.zeros(1, 5).expand(len(images), -1) + images.mean((1, 2, 3))[:, None]

    with pytest.raises(NotApplicable, match=r"^run 8 cannot be said in ONNX: .* as len\(x\) does: write x\.shape\[0\]$"):
        onnx_of(subject_from_module(Token(), (1, 4, 4), title="run 8"))


@pytest.mark.long
def test_a_net_that_onnx_cannot_say_is_refused_in_one_line() -> None:
    pytest.importorskip("onnxscript")
    from convtui.engine.lens.loading import subject_from_module
    from convtui.engine.tracking.exports.onnx import onnx_of

    class Odd(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.flatten(1)[:, : int(images.sum().item()) % 3 + 1]

    with pytest.raises(NotApplicable, match=r"^run 8 cannot be said in ONNX: .+$"):
        onnx_of(subject_from_module(Odd(), (1, 4, 4), title="run 8"))
