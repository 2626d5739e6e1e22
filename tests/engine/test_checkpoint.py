"""Checkpoints on disk: whole, readable by others, and refused where they are not what they should be."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from convtui.engine.checkpoint import load, restore_optimiser
from convtui.engine.errors import CheckpointError
from convtui.engine.spec import changed
from convtui.engine.training import Training
from tests.conftest import toy_dataset
from tests.engine.training.test_training import SMALL, checkpoint_in, pull, same


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    pull(Training(changed(SMALL, {"training.steps": 3}), toy_dataset(), folder=tmp_path))
    return checkpoint_in(tmp_path)


def test_any_program_can_read_the_weights(saved: Path) -> None:
    with safe_open(saved, framework="np") as file:
        assert file.get_tensor("net.conv1.weight").shape == (4, 1, 3, 3)


def test_a_file_says_which_net_it_is_and_how_it_is_fed(saved: Path) -> None:
    found = load(saved)
    assert found.identity.classes == ("left", "middle", "right")
    assert found.identity.spec == changed(SMALL, {"training.steps": 3})
    assert torch.equal(found.identity.standardise.mean, toy_dataset().mean)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a checkpoint."""
    folder = tmp_path_factory.mktemp("sound")
    pull(Training(changed(SMALL, {"training.steps": 3}), toy_dataset(), folder=folder))
    return checkpoint_in(folder).read_bytes()


def refused(content: bytes, folder: Path) -> bool:
    path = folder / "checkpoint.safetensors"
    path.write_bytes(content)
    try:
        load(path)
    except CheckpointError as error:
        return str(error).count("\n") == 0
    return False


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), whole_file=st.booleans())
def test_any_flipped_bit_is_noticed(sound: bytes, tmp_path: Path, place: float, bit: int, whole_file: bool) -> None:
    within = len(sound) if whole_file else 8 + struct.unpack("<Q", sound[:8])[0]  # the header is small beside the tensors
    damaged = bytearray(sound)
    damaged[int(place * within)] ^= 1 << bit
    assert refused(bytes(damaged), tmp_path)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keep=st.floats(0, 1, exclude_max=True))
def test_a_cut_file_is_refused(sound: bytes, tmp_path: Path, keep: float) -> None:
    assert refused(sound[: int(len(sound) * keep)], tmp_path)


def test_a_file_that_lost_an_extent_is_refused(sound: bytes, tmp_path: Path) -> None:
    """It reads as zeros: what a power cut or a bad sector leaves."""
    half = len(sound) // 2
    assert refused(sound[:half] + bytes(len(sound) - half), tmp_path)


def test_a_file_of_before_there_were_checksums_is_read(saved: Path) -> None:
    with safe_open(saved, framework="pt") as file:
        header = {name: value for name, value in file.metadata().items() if name != "checksum"} | {"format": "convtui 1"}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    older = saved.with_name("older.safetensors")
    save_file(tensors, older, header)
    assert same(load(older).net, load(saved).net)
    save_file(tensors, older, header | {"format": "convtui 2"})
    with pytest.raises(CheckpointError, match="its checksum is missing"):
        load(older)


@pytest.mark.skipif(os.name != "posix", reason="rights are others elsewhere")
def test_who_may_read_a_checkpoint_is_said_by_the_umask(saved: Path) -> None:
    beside = saved.with_name("beside")
    beside.write_bytes(b"")
    assert saved.stat().st_mode == beside.stat().st_mode


@pytest.mark.parametrize("channels", ["-1", "0", "4", "1.5", '"1"', "null"])
def test_channels_that_are_not_those_of_the_settings_are_refused(saved: Path, channels: str) -> None:
    with safe_open(saved, framework="pt") as file:
        header = {name: value for name, value in file.metadata().items() if name != "checksum"} | {"format": "convtui 1"}
    sent = saved.with_name("sent")
    save_file({"net.x": torch.zeros(1)}, sent, header | {"channels": channels})
    with pytest.raises(CheckpointError, match="other channels than its settings"):
        load(sent)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [("state", "[" * 200_000, "nested too deeply"), ("channels", "9" * 5000, "too long"), ("spec", "{", "not JSON")],
    ids=["deep", "long", "cut"],
)
def test_a_header_that_no_checkpoint_has_is_told_in_one_line(tmp_path: Path, name: str, text: str, why: str) -> None:
    lists = dict.fromkeys(("mean", "std", "classes"), "[]")
    header = {"format": "convtui 1", "spec": "{}", "channels": "3", "dataset": "toy", "state": "{}"} | lists
    save_file({"net.x": torch.zeros(1)}, tmp_path / "sent", header | {name: text})
    with pytest.raises(CheckpointError, match=f"is damaged: its header .*{why}"):
        load(tmp_path / "sent")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(3)}, tmp_path / "pickled.pt")
    with pytest.raises(CheckpointError, match="is damaged"):
        load(tmp_path / "pickled.pt")
    with pytest.raises(CheckpointError, match="is missing"):
        load(tmp_path / "nothing")


def test_the_weights_of_another_net_are_refused(saved: Path) -> None:
    other = changed(SMALL, {"model.dense_blocks": "17"})
    with pytest.raises(CheckpointError, match="another net"):
        Training(other, toy_dataset(), resume_from=saved)


def test_a_write_that_fails_leaves_the_older_file_and_no_scrap(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    training = Training(changed(SMALL, {"training.steps": 3}), toy_dataset(), folder=saved.parent)
    with pytest.raises(CheckpointError, match="No space left on device"):
        pull(training)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir() if path.suffix == ".partial"] == []


@pytest.mark.parametrize("fused", [True, False])
def test_a_step_count_goes_where_torchs_own_restoring_puts_it(fused: bool) -> None:
    """Beside the parameter for fused kernels, which refuse it elsewhere, on the CPU for all others."""
    parameter = torch.nn.Parameter(torch.zeros(3, device="meta"))
    ours, torchs = torch.optim.Adam([parameter]), torch.optim.Adam([parameter])
    for optimiser in (ours, torchs):
        # It refuses to be made so for a device that has no kernels: what is asked for is where things are put.
        optimiser.defaults["fused"] = optimiser.param_groups[0]["fused"] = fused
    moments = {"step": torch.tensor(7.0), "exp_avg": torch.ones(3), "exp_avg_sq": torch.ones(3)}
    restore_optimiser(ours, {0: moments})
    torchs.load_state_dict({"state": {0: moments}, "param_groups": torchs.state_dict()["param_groups"]})
    assert {key: value.device for key, value in ours.state[parameter].items()} == {
        key: value.device for key, value in torchs.state[parameter].items()
    }
