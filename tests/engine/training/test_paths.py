"""Steps and evaluations as CUDA graphs, with a processor in place of the GPU: what is trusted, what is dropped, what is recorded.

A graph is stood in for by calling the function; what these tests hold is all but the capture itself, which benchmarks/gpu.py tries
where there is a GPU.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from convtui.engine import events
from convtui.engine.checkpoint import load
from convtui.engine.events import Event
from convtui.engine.spec import changed, make
from convtui.engine.training import Training, captured, forward, graph_step, paths
from convtui.engine.training.captured import WARM_UP
from tests.conftest import toy_dataset
from tests.engine.training.pulling import losses, pull, weights

SPEC = make(
    {
        "model": {"conv_blocks": ["4 3x3 pad 1 bn pool 2"], "dense_blocks": ["8 dropout 0.3"]},
        "data": {"size": 8, "colour": "grey", "batch_size": 32},
        "optimiser": {"learning_rate": 0.01, "schedule": "exponential"},
        "training": {"epochs": 3, "measures": "gradient_norm, update_ratio, conv_deltas, mean_squared_error"},
    }
)
"""200 images: an epoch's last batch has 8."""


class StandIn:
    """Calls the function at every launch, on tensors that are kept from the capture on, as a graph's are."""

    def __init__(self, function: Callable[..., Tensor], _device: torch.device, warm_up: int = WARM_UP) -> None:
        self.function = function
        self.warm_up = warm_up
        self.calls = 0
        self.kept: tuple[Tensor, ...] = ()

    def __call__(self, *inputs: Tensor) -> Tensor:
        self.calls += 1
        if self.calls <= self.warm_up:
            return self.function(*inputs)
        if not self.kept:
            self.kept = tuple(tensor.clone() for tensor in inputs)
        self.fill(inputs)
        return self.launch().clone()

    def fill(self, inputs: tuple[Tensor, ...]) -> None:
        for kept, given in zip(self.kept, inputs, strict=True):
            kept.copy_(given)

    def launch(self) -> Tensor:
        return self.function(*self.kept)


class Stale(StandIn):
    """Sees the batch of its capture again and again."""

    def fill(self, inputs: tuple[Tensor, ...]) -> None:
        pass


class Refused(StandIn):
    def launch(self) -> Tensor:
        raise RuntimeError("operation not permitted when stream is capturing\nmore of it")


class StaleOfSeveral(Stale):
    """Does that where a launch is of several steps."""

    def fill(self, inputs: tuple[Tensor, ...]) -> None:
        if len(inputs) == 2:
            StandIn.fill(self, inputs)


class Off(StandIn):
    """Does what it should, and tells other numbers."""

    def launch(self) -> Tensor:
        return 2 * super().launch()


class Onward(StandIn):
    """Trains on after the last step of the trial."""

    def launch(self) -> Tensor:
        row = super().launch().clone()
        for _ in range(20 if self.calls == len(paths.FACTORS) - 1 else 0):
            super().launch()
        return row


@pytest.fixture
def on_gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`on_gpu(step, forward)`: steps and evaluations are captured by these."""

    def put(step: type[StandIn] = StandIn, of_forward: type[StandIn] = StandIn) -> None:
        monkeypatch.setattr(graph_step, "Captured", step)
        monkeypatch.setattr(forward, "Captured", of_forward)
        for module in (paths, forward):
            monkeypatch.setattr(module, "captures_graphs", lambda _device: True)

    return put


def figures(said: list[Event]) -> list[Any]:
    """All that was measured."""
    steps = [event.values for event in said if isinstance(event, events.Progress)]
    names = sorted({name for values in steps for name in values})
    series = {name: [number for values in steps for number in values[name]] for name in names}
    return [series, [event.values for event in said if isinstance(event, events.EpochEnded)]]


def warnings(said: list[Event]) -> list[str]:
    return [event.text for event in said if isinstance(event, events.Message) and event.severity == "warning"]


def path_of(said: list[Event]) -> str:
    assert isinstance(said[0], events.Started)
    return str(said[0].provenance["step_path"])


def test_a_training_by_graphs_is_the_eager_one_to_the_last_bit(on_gpu: Callable[..., None]) -> None:
    eager = Training(SPEC, toy_dataset(test=600))
    expected = pull(eager)
    on_gpu()
    training = Training(SPEC, toy_dataset(test=600))
    said = pull(training)
    assert (path_of(expected), path_of(said), warnings(said)) == ("eager", "CUDA graph", warnings(expected))
    assert figures(said) == figures(expected)
    assert all(torch.equal(tensor, weights(eager)[name]) for name, tensor in weights(training).items())


def test_several_steps_to_a_launch_are_the_eager_ones_to_the_last_bit_and_resumed(
    on_gpu: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("convtui.engine.training.training.EVENT_SECONDS", 0.0)
    monkeypatch.setattr(graph_step, "AT_ONCE", 4)
    spec = changed(SPEC, {"data.batch_size": 20, "training.epochs": 2, "training.steps": 17})  # 10 of an epoch: 4, 4 and 2
    eager = pull(Training(spec, toy_dataset(test=600)))
    on_gpu()
    said = pull(Training(spec, toy_dataset(test=600)))
    assert (path_of(said), warnings(said)) == ("CUDA graph", warnings(eager))
    assert figures(said) == figures(eager)
    last = [event.step for event in said if isinstance(event, events.Progress)]
    assert last == [4, 8, 10, 14, 17], "events come between launches"

    first = losses(pull(Training(spec, toy_dataset(test=600), folder=tmp_path), stop_at=8))
    (kept,) = tmp_path.glob("checkpoint-*.safetensors")
    assert first + losses(pull(Training(spec, toy_dataset(test=600), resume_from=kept))) == losses(eager)


def test_where_several_steps_to_a_launch_differ_they_are_launched_one_by_one(on_gpu: Callable[..., None]) -> None:
    on_gpu(StaleOfSeveral)
    said = pull(Training(SPEC, toy_dataset()))
    assert path_of(said) == "CUDA graph"
    (told,) = [text for text in warnings(said) if "CUDA graph" in text]
    assert told.startswith("steps are launched one by one: 8 as one CUDA graph the loss of step ")


@pytest.mark.parametrize("settings", [{"data.flip": True}, {"data.batch_size": 65_536}])
def test_steps_are_launched_one_by_one_where_images_are_drawn_or_too_many(settings: dict[str, Any]) -> None:
    assert graph_step.at_once(SPEC, (1, 8, 8)) == graph_step.AT_ONCE
    assert graph_step.at_once(changed(SPEC, settings), (1, 8, 8)) == 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (Stale, "the loss of step 5"),
        (Onward, "7 steps of a trial lead elsewhere"),
        (Refused, "they fail: operation not permitted when"),
        (Off, "the loss of step 4"),
    ],
)
def test_a_path_that_differs_from_eager_steps_is_dropped_and_said(
    wrong: type[StandIn], words: str, on_gpu: Callable[..., None]
) -> None:
    expected = losses(pull(Training(SPEC, toy_dataset())))
    on_gpu(wrong)
    said = pull(Training(SPEC, toy_dataset()))
    assert path_of(said) == "eager"
    assert losses(said) == expected
    (told,) = [text for text in warnings(said) if "CUDA graph" in text]
    assert told.startswith("steps are computed one operation after the other: as a CUDA graph ")
    assert words in told
    assert "\n" not in told


@pytest.mark.parametrize("wrong", [Stale, Refused, Off])
def test_an_evaluation_that_differs_is_dropped_and_said_once(wrong: type[StandIn], on_gpu: Callable[..., None]) -> None:
    expected = figures(pull(Training(SPEC, toy_dataset(test=600))))
    on_gpu(of_forward=wrong)
    said = pull(Training(SPEC, toy_dataset(test=600)))
    assert figures(said) == expected
    assert [text.partition(":")[0] for text in warnings(said) if "CUDA graph" in text] == [
        "evaluations are computed one operation after the other"
    ]


def test_where_the_setting_is_eager_nothing_is_captured(on_gpu: Callable[..., None]) -> None:
    on_gpu(Refused, Refused)
    said = pull(Training(changed(SPEC, {"training.step_path": "eager"}), toy_dataset(test=600)))
    assert (path_of(said), warnings(said)) == ("eager", [])


def test_a_run_by_graphs_is_resumed_by_graphs_and_without_a_gpu_eagerly(
    on_gpu: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convtui.engine.training.training.EVENT_SECONDS", 0.0)
    with pytest.MonkeyPatch.context() as patched:
        on_gpu()
        whole = losses(pull(Training(SPEC, toy_dataset())))
        first = losses(pull(Training(SPEC, toy_dataset(), folder=tmp_path), stop_at=9))
        (kept,) = tmp_path.glob("checkpoint-*.safetensors")
        resumed = pull(Training(SPEC, toy_dataset(), resume_from=kept))
        assert (path_of(resumed), first + losses(resumed)) == ("CUDA graph", whole)
        assert load(kept).state.step_path == "CUDA graph"
        patched.setattr(paths, "captures_graphs", lambda _device: False)
        assert path_of(pull(Training(SPEC, toy_dataset(), resume_from=kept))) == "eager"


def test_a_rate_that_is_a_tensor_is_changed_where_it_is() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimiser = torch.optim.SGD([weight], torch.tensor(0.5))
    step = graph_step.EagerStep(SPEC, torch.nn.ParameterList([weight]), optimiser, torch.device("cpu"))
    rate = optimiser.param_groups[0]["lr"]
    step.set_rate(0.25)
    assert optimiser.param_groups[0]["lr"] is rate
    assert float(rate) == 0.25


COMPILED = changed(SPEC, {"training.step_path": "compiled", "training.measures": "gradient_norm"})


def compile_as(monkeypatch: pytest.MonkeyPatch, wrong: Callable[..., Any] | None = None) -> list[Tensor]:
    """Let torch.compile hand back the function, or what is `wrong`; the images that it is called with."""
    seen: list[Tensor] = []

    def stand_in(function: Callable[..., Any], **_: Any) -> Callable[..., Any]:
        def call(images: Tensor, labels: Tensor) -> Any:
            seen.append(images)
            return (wrong or function)(images, labels)

        return call

    monkeypatch.setattr(torch, "compile", stand_in)
    return seen


def test_compiled_steps_are_of_whole_batches_and_recorded_and_resumed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("convtui.engine.training.training.EVENT_SECONDS", 0.0)
    expected = pull(Training(changed(COMPILED, {"training.step_path": "eager"}), toy_dataset()))
    seen = compile_as(monkeypatch)
    said = pull(Training(COMPILED, toy_dataset()))
    assert (path_of(said), warnings(said), figures(said)) == ("compiled", warnings(expected), figures(expected))
    assert {len(images) for images in seen} == {32}, "an epoch's last batch has 8, and would be compiled again"
    first = losses(pull(Training(COMPILED, toy_dataset(), folder=tmp_path), stop_at=9))
    (kept,) = tmp_path.glob("checkpoint-*.safetensors")
    assert load(kept).state.step_path == "compiled"
    assert first + losses(pull(Training(COMPILED, toy_dataset(), resume_from=kept))) == losses(expected)


def _no_compiler(_images: Tensor, _labels: Tensor) -> Any:
    raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found\nmore of it")


def _off(images: Tensor, labels: Tensor) -> Any:
    outputs = torch.zeros(len(images), 3, requires_grad=True)
    return outputs, torch.nn.functional.cross_entropy(outputs, labels) * 2


@pytest.mark.parametrize(
    ("wrong", "words"),
    [(_no_compiler, "compiled they fail: InvalidCxxCompiler: No working"), (_off, "compiled the loss of step 1")],
)
def test_compiled_steps_that_fail_or_differ_are_dropped_and_said(
    wrong: Callable[..., Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = losses(pull(Training(changed(COMPILED, {"training.step_path": "eager"}), toy_dataset())))
    compile_as(monkeypatch, wrong)
    said = pull(Training(COMPILED, toy_dataset()))
    assert (path_of(said), losses(said)) == ("eager", expected)
    (told,) = [text for text in warnings(said) if "compiled" in text]
    assert told.startswith(f"steps are computed one operation after the other: {words}")
    assert "\n" not in told


def test_what_hooks_measure_is_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = compile_as(monkeypatch)
    said = pull(Training(changed(SPEC, {"training.step_path": "compiled"}), toy_dataset()))
    assert (path_of(said), seen) == ("eager", [])
    assert "compiled, conv_deltas cannot be measured" in warnings(said)[0]


@pytest.mark.long
@pytest.mark.skipif(shutil.which("g++") is None and shutil.which("clang++") is None, reason="torch.compile needs a C++ compiler")
def test_torch_compile_itself_follows_eager_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    spec = changed(COMPILED, {"training.steps": 12})
    expected = losses(pull(Training(changed(spec, {"training.step_path": "eager"}), toy_dataset())))
    said = pull(Training(spec, toy_dataset()))
    assert path_of(said) == "compiled"
    assert losses(said) == pytest.approx(expected, rel=1e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_steps_and_evaluations_are_captured() -> None:
    said = pull(Training(SPEC, toy_dataset(test=600), device=torch.device("cuda")))
    assert (path_of(said), [text for text in warnings(said) if "CUDA graph" in text]) == ("CUDA graph", [])


def test_what_a_graph_may_differ_by_is_of_the_precision() -> None:
    with pytest.raises(AssertionError, match="unheard of"):
        captured.product_epsilon("unheard of")  # type: ignore[arg-type]
