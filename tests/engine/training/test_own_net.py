"""A net of a person's own code is trained as one that is built from settings is: the same numbers, told and kept alike."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from convtui.engine import checkpoint, events
from convtui.engine.errors import UsageError
from convtui.engine.models import build, check
from convtui.engine.named_code import name_code
from convtui.engine.spec import RunSpec, changed
from convtui.engine.training import Training
from tests.conftest import toy_dataset
from tests.engine.training.test_training import SMALL

NETS = """
import torch
from torch import nn

class Twin(nn.Module):
    '''Of the layers that convtui builds from `4 3x3 pad 1 pool 2` and `16`, in their order, with one ReLU for all.'''

    def __init__(self, classes=3, p=0.0):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.relu = nn.ReLU()
        self.dense1 = nn.Linear(64, 16)
        self.drop = nn.Dropout(p)
        self.output = nn.Linear(16, classes)

    def forward(self, x):
        x = nn.functional.max_pool2d(self.relu(self.conv1(x)), 2)
        return self.output(self.drop(self.relu(self.dense1(x.view(len(x), -1)))))

class InADict(Twin):
    def forward(self, x):
        return {"features": x, "logits": super().forward(x)}

class Lazy(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten())
        self.output = nn.LazyLinear(3)

    def forward(self, x):
        if float(x.sum()) != float(x.sum()):  # looks at values, which no net on paper has
            raise ValueError
        return self.output(self.body(x))

class Still(nn.Module):
    def forward(self, x):
        return x.flatten(1)[:, :3]

class Detached(Twin):
    def forward(self, x):
        return super().forward(x).detach()

class Leaving(Twin):
    def forward(self, x):
        raise SystemExit(4)

class Broken(Twin):
    def forward(self, x):
        return super().forward(x[:, :, 1:])
"""
MEASURED = "gradient_norm, update_ratio, conv_deltas, dead, confusion"


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "some_nets.py"
    path.write_text(NETS)
    return str(path)


def own(file: str, name: str, **changes: object) -> RunSpec:
    """SMALL with this net, named as a person names it."""
    name_code(f"{file}:{name}")
    return changed(SMALL, {"model.module": f"{file}:{name}"} | {key.replace("__", "."): value for key, value in changes.items()})


def pulled(spec: RunSpec, **arguments: object) -> tuple[Training, list[events.Event]]:
    with Training(spec, toy_dataset(), **arguments) as training:  # type: ignore[arg-type]
        return training, list(training)


def losses(told: list[events.Event]) -> list[float]:
    return [loss for event in told if isinstance(event, events.Progress) for loss in event.values["batch_loss"]]


@pytest.mark.parametrize("name", ["Twin", "InADict"])
@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_it_trains_as_the_same_net_built_from_settings_does(file: str, name: str, rule: str) -> None:
    built = changed(SMALL, {"optimiser.name": rule, "model.conv_blocks": "4 3x3 pad 1 pool 2", "model.dense_blocks": "16"})
    theirs = own(file, name, optimiser__name=rule)
    one, told = pulled(built)
    other, told_of_own = pulled(theirs)
    # The same weights are drawn in the same order. Layouts in memory, and so the order of sums, differ: sums of at most 64 terms,
    # forward and back, over 21 steps, are within 64 x 2 x 21 roundings of 6e-8 of each other, 1.6e-4.
    for tensor, twin in zip(one.net.state_dict().values(), other.net.state_dict().values(), strict=True):
        torch.testing.assert_close(tensor, twin, rtol=1.6e-4, atol=1.6e-4)
    assert losses(told_of_own) == pytest.approx(losses(told), rel=1.6e-4)
    ended, ended_of_own = (each[-1] for each in (told, told_of_own))
    assert isinstance(ended, events.Finished)
    assert isinstance(ended_of_own, events.Finished)
    assert ended_of_own.values == pytest.approx(ended.values, rel=1.6e-4)


def test_the_seed_decides_its_weights_and_torchs_own_generator_is_left_alone(file: str) -> None:
    spec = own(file, "Lazy").model
    before = torch.get_rng_state()
    first, again, other = (build(spec, channels=1, size=8, classes=3, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["output.weight"], other["output.weight"])


def test_a_resumed_run_has_the_weights_of_one_that_was_not_interrupted(file: str, tmp_path: Path) -> None:
    spec = own(file, "Twin", model__arguments="p=0.5", optimiser__name="adam", data__flip=True)
    whole, _ = pulled(spec)
    with Training(spec, toy_dataset(), folder=tmp_path) as training:
        training.save_checkpoint()
        for event in training:
            if isinstance(event, events.Progress) and event.step >= 10:
                break
    resumed, _ = pulled(spec, resume_from=max(tmp_path.glob("checkpoint-*")))
    assert 10 <= training.step < resumed.step
    for name, tensor in whole.net.state_dict().items():
        assert torch.equal(tensor, resumed.net.state_dict()[name])


def test_what_is_measured_of_layers_names_them_as_its_class_does(file: str) -> None:
    _, told = pulled(own(file, "Twin", training__measures=MEASURED))
    steps = {name for event in told if isinstance(event, events.Progress) for name in event.values}
    assert {"gradient_norm/conv1", "gradient_norm/dense1", "update_ratio/output"} <= steps
    ended = next(event for event in told if isinstance(event, events.EpochEnded))
    assert {"conv_deltas/conv1", "dead/relu", "dead/relu:2"} <= set(ended.values)
    assert ended.confusion is not None


def test_layers_that_find_their_sizes_and_code_that_looks_at_values_are_checked_and_trained(file: str) -> None:
    spec = own(file, "Lazy")
    summary = check(spec, classes=3)
    # 4 filters of 9 weights and a bias, two numbers of each map's norm, and 4 maps of 6x6 by 3 classes.
    assert summary.parameters == 4 * 10 + 4 * 2 + (144 + 1) * 3
    _, told = pulled(spec)
    assert isinstance(told[-1], events.Finished)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("Twin", {"model__arguments": "classes=4"}, r"it gives \[2, 4\], and these data have 3 classes: it must give \[2, 3\]"),
        ("Twin", {"data__colour": "rgb"}, r"does not take images \[2, 3, 8, 8\] \(its images have 1 channel: data.colour=grey\)"),
        ("Twin", {"model__arguments": "width=4"}, r"unexpected keyword argument 'width': it takes \(classes=3, p=0.0\)"),
        ("Still", {}, "has no parameters that could be trained"),
        ("Detached", {}, "what it gives in training has no gradient"),
        ("Leaving", {}, r"it ends the program \(exit status 4\) \(some_nets.py"),
        ("Broken", {}, r"shapes cannot be multiplied .*some_nets.py, line 18, in forward\)"),
        ("Nothing", {}, "has no Nothing"),
        ("Twin", {"training__freeze": "conv9"}, r"no such layer \(did you mean conv1\?\)"),
        ("Twin", {"training__freeze": "*"}, "leaves nothing to train"),
    ],
)
def test_what_cannot_be_trained_is_told_in_a_line(file: str, name: str, changes: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        check(own(file, name, **changes), classes=3)
    assert "\n" not in str(caught.value)


def test_code_that_was_not_named_is_not_imported(tmp_path: Path) -> None:
    mark, path = tmp_path / "mark", tmp_path / "a_net.py"
    path.write_text(f"from pathlib import Path\nPath({str(mark)!r}).touch()\n{NETS}")
    spec = changed(SMALL, {"model.module": f"{path}:Twin"})
    for work in (lambda: check(spec, classes=3), lambda: pulled(spec)):
        with pytest.raises(UsageError, match=r"code is only imported where you name it: add --model"):
            work()
    assert not mark.exists()
    name_code(f"{path}:Twin")
    check(spec, classes=3)
    assert mark.exists()


def test_its_checkpoint_holds_its_weights_and_its_reference_and_no_code(file: str, tmp_path: Path) -> None:
    training, _ = pulled(own(file, "Twin"), folder=tmp_path)
    found = checkpoint.load(max(tmp_path.glob("checkpoint-*")))
    assert found.identity.spec.model.module == f"{file}:Twin"
    kept: dict[str, Tensor] = found.net
    assert all(torch.equal(tensor, kept[name]) for name, tensor in training.net.state_dict().items())
