"""Starting from weights that are there: what is taken over, what begins as it is drawn, and what stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from convtui.engine import events
from convtui.engine.errors import UsageError
from convtui.engine.models import build
from convtui.engine.spec import RunSpec, changed
from convtui.engine.store import Store
from convtui.engine.training import Training
from convtui.engine.training.recording import recorded
from tests.conftest import toy_dataset
from tests.engine.training.test_training import SMALL

CPU = torch.device("cpu")
NORMED = changed(SMALL, {"model.conv_blocks": "4 3x3 pad 1 bn pool 2, 4 3x3 bn", "model.dense_blocks": "8"})


def weights(spec: RunSpec, *, classes: int = 3, seed: int = 7) -> dict[str, Tensor]:
    """Of a net that is drawn by another seed."""
    return build(spec.model, channels=1, size=8, classes=classes, seed=seed).state_dict()


def begun(spec: RunSpec) -> tuple[Training, list[events.Event]]:
    """A training before its first step, and what it says then."""
    training = Training(spec, toy_dataset())
    with training:
        told = [next(training), next(training)]
    return training, told


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_layers_of_the_same_shape_begin_with_the_files_weights_and_a_new_head_as_drawn(tmp_path: Path, suffix: str) -> None:
    file, source = tmp_path / f"w{suffix}", weights(NORMED, classes=5)
    if suffix == ".pt":
        torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in source.items()}}, file)
    else:
        save_file(source, file)
    training, (started, message) = begun(changed(NORMED, {"training.start_from": str(file)}))
    drawn = weights(NORMED, seed=NORMED.training.seed)
    for name, tensor in training.net.state_dict().items():
        assert torch.equal(tensor, drawn[name] if name.startswith("output") else source[name]), name
    assert isinstance(message, events.Message)
    assert message.text == f"begins with 5 of 6 layers of {file}; new: output"
    assert isinstance(started, events.Started)
    start = started.provenance["start"]
    assert start["new"] == ("output",)
    assert len(start["digest"]) == 64


def test_a_file_of_another_net_is_refused_with_the_layers_of_both(tmp_path: Path) -> None:
    save_file({"head.weight": torch.zeros(2, 2)}, tmp_path / "w.safetensors")
    with pytest.raises(UsageError, match=r"no layer of .* is as one of this net: it has head, the net conv1, bn1"):
        Training(changed(NORMED, {"training.start_from": str(tmp_path / "w.safetensors")}), toy_dataset())


def test_frozen_layers_are_bit_equal_after_training_their_statistics_too(tmp_path: Path) -> None:
    spec = changed(NORMED, {"training.freeze": "conv1, bn1", "optimiser.weight_decay": 0.1, "training.measures": "gradient_norm"})
    before = weights(spec, seed=spec.training.seed)
    with Training(spec, toy_dataset(), folder=tmp_path) as training:
        told = list(training)
    after = training.net.state_dict()
    changes = {name for name in before if not torch.equal(before[name], after[name])}
    assert changes == {name for name in before if not name.startswith(("conv1.", "bn1."))}
    measured = {name for event in told if isinstance(event, events.Progress) for name in event.values}
    assert "gradient_norm/conv2" in measured
    assert "gradient_norm/conv1" not in measured


def test_frozen_layers_train_image_by_image_as_in_any_batch() -> None:
    """The steps that are worked out by hand know nothing of frozen layers."""
    spec = changed(SMALL, {"training.freeze": "conv1", "data.batch_size": 1, "training.steps": 3, "optimiser.name": "sgd"})
    with Training(spec, toy_dataset()) as training:
        list(training)
    before = weights(spec, seed=spec.training.seed)
    assert torch.equal(training.net.state_dict()["conv1.weight"], before["conv1.weight"])
    assert not torch.equal(training.net.state_dict()["output.weight"], before["output.weight"])


def test_a_run_begins_with_another_runs_weights_and_goes_on_from_its_own(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.db") as store:

        def trained(spec: RunSpec, *, row: int | None = None, steps: int | None = None) -> tuple[int, dict[str, Tensor]]:
            run = store.create_run(name="toy", preset="", spec=spec, dataset="toy").id if row is None else row
            with recorded(store, store.claim(run), spec, toy_dataset(), CPU, resume=row is not None) as (training, told):
                for event in told:
                    if steps is not None and isinstance(event, events.Progress) and event.step >= steps:
                        break
            return run, {name: tensor.clone() for name, tensor in training.net.state_dict().items()}

        first, source = trained(NORMED)
        spec = changed(NORMED, {"training.start_from": f"run:{first}", "training.freeze": "conv*, bn*", "training.seed": 5})
        second, result = trained(spec)
        assert all(torch.equal(result[name], source[name]) for name in source if name.startswith(("conv", "bn")))
        assert not torch.equal(result["output.weight"], source["output.weight"])
        assert store.run(second).repeatable["start"]["source"] == f"run {first} (toy), step {store.run(first).step}"
        assert any("begins with all 6 layers" in message.text for message in store.messages(second))

        third, _ = trained(spec, steps=5)
        _, resumed = trained(spec, row=third)
        assert all(torch.equal(resumed[name], result[name]) for name in result)
