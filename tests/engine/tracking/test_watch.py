"""`run.watch` and `run.save`: what is measured of a script's own net, and what is kept of it to be looked into."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import convtui
from convtui.engine import net_file
from convtui.engine.errors import CheckpointError, ConvtuiError
from convtui.engine.store import Store, WeightsNow
from convtui.engine.tracking.watching import EVERY_STEPS

import torch  # isort: skip
from torch import nn  # isort: skip


class Net(nn.Module):
    """Two of its four ReLU units can never be above zero."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.relu, self.last = nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)
        with torch.no_grad():
            self.first.weight[:2], self.first.bias[:2] = 0.0, -1.0
            self.first.weight[2:], self.first.bias[2:] = 0.0, 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.relu(self.first(x)))


def trained(run: convtui.TrackedRun, net: nn.Module, steps: int, rate: float = 0.01) -> list[dict[str, float]]:
    """What gradient norms and update ratios were, by hand, at every step."""
    optimizer = torch.optim.SGD([parameter for parameter in net.parameters() if parameter.requires_grad], rate)
    found = []
    for _ in run.steer([torch.ones(1)] * steps, optimizer):
        optimizer.zero_grad()
        net(torch.randn(5, 3)).square().mean().backward()
        norms = {}
        for name in ("first", "last"):
            layer = getattr(net, name)
            both = [parameter.grad.flatten() for parameter in layer.parameters() if parameter.grad is not None]
            if both:
                norms[f"gradient_norm/{name}"] = torch.cat(both).norm().item()
                norms[f"update_ratio/{name}"] = (rate * layer.weight.grad.norm() / layer.weight.norm()).item()
        found.append(norms)
        optimizer.step()
    return found


def test_gradients_and_updates_are_those_of_the_loop(tmp_path: Path) -> None:
    net = Net()
    with convtui.init("mine", store=tmp_path / "store.db") as run:
        run.watch(net)
        by_hand = trained(run, net, EVERY_STEPS + 1)
    with Store.open(tmp_path / "store.db") as store:
        for name, value in by_hand[0].items():
            series = store.series(1, name)
            assert list(series.steps) == [1, EVERY_STEPS + 1]
            # Norms of a dozen float32 numbers, summed in two orders.
            assert list(series.values) == pytest.approx([value, by_hand[EVERY_STEPS][name]], rel=1e-5)


def test_dead_units_are_counted_over_the_images_after_each_epoch(tmp_path: Path) -> None:
    net = Net()
    net.first.requires_grad_(False)
    with convtui.init("mine", store=tmp_path / "store.db") as run:
        run.watch(net, torch.randn(300, 3))
        for _ in run.steer(range(2)):
            trained(run, net, 3)
    with Store.open(tmp_path / "store.db") as store:
        series = store.series(1, "dead/relu")
        assert (list(series.steps), list(series.values)) == ([3, 6], [0.5, 0.5])
        assert "gradient_norm/first" not in store.metric_names(1)
    assert net.training


def test_watching_changes_nothing_that_is_computed(tmp_path: Path) -> None:
    ends = []
    for is_watched in (True, False):
        torch.manual_seed(1)
        net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 2))
        optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
        with convtui.init("mine", store=tmp_path / "store.db") as run:
            if is_watched:
                run.watch(net, torch.ones(300, 3), every=7)
            for _ in run.steer(range(60), optimizer):
                optimizer.zero_grad()
                loss = net(torch.randn(5, 3)).square().mean()
                loss.backward()
                optimizer.step()
                run.log({"loss": loss})
        ends.append([value.clone() for value in net.state_dict().values()])
    assert all(torch.equal(one, other) for one, other in zip(*ends, strict=True))


def test_saved_weights_are_the_nets_and_say_where_its_code_is(tmp_path: Path) -> None:
    net = Net()
    with convtui.init("mine", store=tmp_path / "store.db") as run:
        for _ in run.steer(range(3)):
            pass
        path = run.save(net, best=True)
        wrapped = run.save(nn.DataParallel(net))
    assert path is not None
    assert wrapped is not None
    for file in (path, wrapped):
        saved = net_file.load(file)
        assert (saved.code.file, saved.code.name) == (str(Path(__file__)), "Net")
        assert saved.code.digest == net_file.digest(Path(__file__))
        assert (saved.step, saved.epoch) == (3, 1)
        assert set(saved.weights) == set(net.state_dict())
        assert all(torch.equal(saved.weights[name], value) for name, value in net.state_dict().items())
    with Store.open(tmp_path / "store.db") as store:
        rows = {(row.kind, row.step, row.epoch, row.file) for row in store.files.checkpoints(1)}
    assert rows == {("best", 3, 1, path.name), ("snapshot", 3, 1, wrapped.name)}


def test_a_net_of_a_librarys_class_says_that_its_code_is_nowhere(tmp_path: Path) -> None:
    net_file.save(tmp_path / "w.safetensors", nn.Sequential(nn.Linear(1, 1)), step=0, epoch=0)
    assert net_file.load(tmp_path / "w.safetensors").code == net_file.Code("", "Sequential", "")


def test_images_that_the_net_does_not_take_are_said_once_and_training_goes_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    net = Net()
    with convtui.init("mine", store=tmp_path / "store.db") as run:
        run.watch(net, torch.zeros(2, 7))
        for _ in run.steer(range(3)):
            trained(run, net, 2)
    said = capfd.readouterr().err
    assert said.count("watch: Net is not measured any more, since it does not take the images that it was given") == 1
    with Store.open(tmp_path / "store.db") as store:
        assert (store.run(1).status, store.run(1).step) == ("finished", 6)


def test_a_damaged_file_of_weights_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    net_file.save(path, Net(), step=1, epoch=0)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="are damaged: its bytes are not those that were written"):
        net_file.load(path)
    with pytest.raises(CheckpointError, match="are missing"):
        net_file.load(tmp_path / "other.safetensors")


def test_a_net_of_numbers_that_no_file_takes_is_said_and_training_goes_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    net = nn.Module()
    net.phase = nn.Parameter(torch.zeros(1, dtype=torch.complex64))
    with convtui.init("mine", store=tmp_path / "store.db") as run:
        assert run.save(net) is None
    assert "could not be written: safetensors has no torch.complex64" in capfd.readouterr().err


def test_epochs_of_a_moment_do_not_write_a_file_each(tmp_path: Path) -> None:
    net = Net()
    with convtui.init("mine", store=tmp_path / "store.db") as run:
        run.watch(net)
        for _ in run.steer(range(300)):
            for _ in run.steer(range(2)):
                pass
    with Store.open(tmp_path / "store.db") as store:
        kept = store.files.checkpoints(1)
        assert kept[0].step == 600
        assert max(row.id for row in kept) < 100


def test_weights_asked_for_by_another_terminal_are_those_between_two_steps_and_change_nothing(tmp_path: Path) -> None:
    found, steps = [], 2_000
    for asked in (True, False):
        torch.manual_seed(0)
        net = Net()
        with convtui.init("mine", store=tmp_path / "store.db") as run, Store.open(tmp_path / "store.db") as store:
            run.watch(net)
            optimizer = torch.optim.Adam(net.parameters())
            wanted: WeightsNow | None = None
            behind: dict[int, dict[str, torch.Tensor]] = {}
            for _ in run.steer(range(steps), optimizer):
                if run.step == 10 and asked:
                    wanted = WeightsNow(store, run.id)
                if wanted is not None:
                    if wanted.are_there():
                        break
                    time.sleep(0.05)
                optimizer.zero_grad()
                net(torch.randn(5, 3)).square().mean().backward()
                optimizer.step()
                behind[run.step] = {name: tensor.clone() for name, tensor in net.state_dict().items()}
            if wanted is not None:
                steps = max(behind)
                (row, *_) = store.files.checkpoints(run.id)
                saved = net_file.load(store.files.folder(run.id) / row.file)
                assert 10 <= saved.step <= steps < 2_000
                assert all(torch.equal(saved.weights[name], tensor) for name, tensor in behind[saved.step].items())
        found.append(list(net.parameters()))
    assert all(map(torch.equal, *found))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("no")])
def test_however_the_script_ends_the_last_weights_are_kept(tmp_path: Path, error: BaseException) -> None:
    net = Net()
    with pytest.raises(type(error)), convtui.init("mine", store=tmp_path / "store.db") as run:  # noqa: PT012 - as a script has it
        run.watch(net)
        for _ in run.steer(range(3)):
            for step in run.steer(range(4)):
                with torch.no_grad():
                    net.last.weight.fill_(run.step)
                if run.step == 10 and step == 1:
                    raise error
    with Store.open(tmp_path / "store.db") as store:
        saved = net_file.load(store.files.path(1, store.files.checkpoints(1)[0].file))
    assert (saved.step, float(saved.weights["last.weight"].mean())) == (10, 10.0)


def test_a_script_that_watches_no_net_says_so_to_those_who_ask_for_weights(tmp_path: Path) -> None:
    with convtui.init("mine", store=tmp_path / "store.db") as run, Store.open(tmp_path / "store.db") as store:
        wanted = WeightsNow(store, run.id)
        with pytest.raises(ConvtuiError, match=r"nothing was saved: tell which net it is by run\.watch"):  # noqa: PT012 - a loop
            for _ in run.steer(range(10**9)):
                time.sleep(0.02)
                wanted.are_there()


class Wide(nn.Module):
    def __init__(self, width: int, depth: int = 1, *, kinds: tuple[str, ...] = ("a",), act: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.width, self.depth, self.kinds, self.act = width, depth, kinds, act()


def test_arguments_of_a_net_are_read_off_it_or_told(tmp_path: Path) -> None:
    net = Wide(4, kinds=("b", "c"))
    for arguments, known in ((None, {"width": 4, "kinds": ["b", "c"]}), ({"width": 4}, {"width": 4})):
        net_file.save(tmp_path / "net", net, step=1, epoch=0, arguments=arguments)
        assert net_file.load(tmp_path / "net").code.arguments == known


STRANGE: dict[str, dict[str, object]] = {
    "no values": {"model": Net().to("meta"), "images": torch.ones(2, 3)},
    "images of nothing": {"images": torch.ones(2, 1, 1, 3, device="meta")},
    "a loader for images": {"images": [[torch.ones(3)], "x"]},
    "a mean of nothing": {"images": torch.ones(2, 1, 1, 3), "mean": "x"},
    "a number for classes": {"images": torch.ones(2, 1, 1, 3), "classes": 10},
    "every none": {"every": 0},
    "arguments of nothing": {"arguments": [1]},
    "no net": {"model": "net"},
    "not begun": {"model": nn.Sequential(nn.LazyLinear(2))},
    "of complex numbers": {"model": nn.ParameterDict({"a": nn.Parameter(torch.zeros(2, dtype=torch.cfloat))})},
    "sparse": {"model": nn.ParameterDict({"a": nn.Parameter(torch.eye(2).to_sparse())})},
}


@pytest.mark.parametrize("case", STRANGE)
def test_what_cannot_be_watched_is_said_in_lines_and_the_run_ends_well(
    tmp_path: Path, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, object] = {"model": Net(), **STRANGE[case]}
    with convtui.init("mine", store=tmp_path / "store.db") as run:
        run.watch(**asked)  # type: ignore[arg-type]
        for _ in run.steer(range(2)):
            trained(run, Net(), 1)
        run.save(asked["model"])  # type: ignore[arg-type]
    said = capfd.readouterr().err.splitlines()
    assert len(said) > 1
    assert all(line.startswith("convtui: ") for line in said), said
    with Store.open(tmp_path / "store.db") as store:
        assert store.run(1).status == "finished"
        assert len(store.series(1, "learning_rate").steps) == 2


def test_layers_that_are_exchanged_are_measured_and_modes_are_put_back(tmp_path: Path) -> None:
    net = Net()
    net.forward = lambda x: (net.train(not net.training), Net.forward(net, x))[1]  # type: ignore[method-assign]
    with convtui.init("mine", store=tmp_path / "store.db") as run:
        run.watch(net, torch.ones(300, 3), every=1)
        net.last = nn.Linear(4, 5)
        net.extra = nn.ReLU()
        net.train()
        trained(run, net, 1)
        assert net.training is False  # its own forward turned it, once
    with Store.open(tmp_path / "store.db") as store:
        (norm,) = store.series(1, "gradient_norm/last").values
        assert norm > 0


def test_a_net_with_an_array_where_an_argument_was_says_its_other_arguments(tmp_path: Path) -> None:
    class Weighted(nn.Module):
        def __init__(self, weights: object = None, width: int = 1) -> None:
            super().__init__()
            self.weights, self.width = torch.ones(3), 4

    net_file.save(tmp_path / "w.safetensors", Weighted(), step=0, epoch=0)
    assert net_file.load(tmp_path / "w.safetensors").code.arguments == {"width": 4}


def test_nothing_is_written_where_the_stores_folder_was_taken_away(tmp_path: Path) -> None:
    with convtui.init("mine", store=tmp_path / "store.db") as run:
        (tmp_path / "store").rename(tmp_path / "away")
        assert run.save(Net()) is None
        run.log_image("x", torch.zeros(3, 3))
    assert not (tmp_path / "store").exists()


def test_of_weights_that_are_saved_in_quick_succession_the_last_are_kept(tmp_path: Path) -> None:
    net = nn.Linear(1, 1)
    with convtui.init("mine", store=tmp_path / "store.db") as run:
        for step in run.steer(range(6)):
            net.weight.data.fill_(float(step))
            run.save(net, best=True)
    with Store.open(tmp_path / "store.db") as store:
        (row,) = store.files.checkpoints(1)
        assert net_file.load(store.files.folder(1) / row.file).weights["weight"].item() == 5.0
