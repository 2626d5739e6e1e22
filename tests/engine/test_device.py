"""Devices, against a driver of our own and against the kernel."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from unittest.mock import Mock

import psutil
import pytest
import torch

from convtui.engine.device import (
    Meter,
    SystemMeter,
    Usage,
    bfloat16_instructions,
    check_precision,
    choose,
    devices,
    in_double,
)
from convtui.engine.errors import DeviceError
from convtui.engine.metrics import METRICS

DRIVER = """#!/bin/sh
case "$1" in
  --query-gpu=index,uuid,memory.total,memory.used,utilization.gpu)
    echo "0, GPU-aa, 81559, 500, 3"; echo "1, GPU-bb, 143771, 90000, 97" ;;
  --query-compute-apps=pid,gpu_uuid,used_memory)
    echo "{pid}, GPU-bb, 1234"; echo "1, GPU-aa, 400" ;;
  --query-gpu=index,uuid,utilization.gpu,memory.used,memory.total,power.draw)
    echo "0, GPU-aa, 3, 500, 81559, 71.20"; echo "1, GPU-bb, 97, 90000, 143771, [N/A]" ;;
  *) exit 6 ;;
esac
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An nvidia-smi that knows two GPUs, and this process on the second."""
    program = tmp_path / "nvidia-smi"
    program.write_text(DRIVER.format(pid=os.getpid()))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return program


def test_a_process_is_found_on_the_gpu_that_it_uses(driver: Path) -> None:
    assert Meter("cuda:0", os.getpid()).read() == Usage(1234 * 2**20, 143771 * 2**20, 0.97)


def test_where_the_driver_does_not_know_the_process_the_gpu_of_its_number_is_told(driver: Path) -> None:
    driver.write_text(DRIVER.format(pid=-1))
    assert Meter("cuda:0", os.getpid()).read() == Usage(500 * 2**20, 81559 * 2**20, 0.03)


@pytest.mark.parametrize("given", ["1", "GPU-bb", "1,0"])
def test_a_process_that_was_given_one_gpu_of_several_is_on_that_one(
    given: str, driver: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA counts from 0 what CUDA_VISIBLE_DEVICES names; the driver counts all."""
    driver.write_text(DRIVER.format(pid=-1))
    child = subprocess.Popen(["sleep", "60"], env=os.environ | {"CUDA_VISIBLE_DEVICES": given})
    try:
        assert Meter("cuda:0", child.pid).read() == Usage(90000 * 2**20, 143771 * 2**20, 0.97)
    finally:
        child.kill()
        child.wait()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert sample("cuda:0", tmp_path)["system/gpu"] == 0.97


def test_a_driver_that_does_not_answer_or_talks_nonsense_is_an_error_of_ours(driver: Path) -> None:
    driver.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'\n")
    with pytest.raises(DeviceError, match="cuda:0"):
        Meter("cuda:0", os.getpid()).read()


def test_a_busy_process_is_told_by_what_it_takes_of_the_processors() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time\nprint(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        meter = Meter("cpu", child.pid)
        psutil.Process(child.pid).cpu_percent(0.3)
        usage = meter.read()
        assert usage.load is not None
        assert 0 < usage.load <= 1
        assert 2**20 < usage.memory < usage.total == psutil.virtual_memory().total
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    with pytest.raises(DeviceError, match="cannot be inspected"):
        meter.read()


def test_the_processor_is_always_there_and_an_unknown_device_is_named() -> None:
    assert devices()[-1].name == "cpu"
    assert choose("cpu").type == "cpu"
    with pytest.raises(DeviceError, match="--device cuda:99"):
        choose("cuda:99")


def test_a_precision_is_asked_of_the_gpu_that_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two GPUs, the current one an A100, the other a T4, which has no bfloat16."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: {0: (8, 0), 1: (7, 5)}[device.index])
    check_precision(torch.device("cuda:0"), "bfloat16")
    check_precision(torch.device("cuda:1"), "float32")
    with pytest.raises(DeviceError, match="cuda:1 does not support it"):
        check_precision(torch.device("cuda:1"), "bfloat16")


def test_bfloat16_is_refused_on_a_processor_that_has_no_instructions_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told = ("flags\t\t: fpu avx512f avx512_bf16 amx_bf16", "Features\t: fp asimd bf16", "flags\t\t: fpu avx2 avx512f")
    for line, expected in zip(told, (("avx512_bf16", "amx_bf16"), ("bf16",), ()), strict=True):
        monkeypatch.setattr("pathlib.Path.open", lambda _path, line=line: StringIO(f"processor\t: 0\n{line}\n"))
        assert bfloat16_instructions() == expected
    with pytest.raises(DeviceError, match=r"no instructions for it .*; set training.precision = float32"):
        check_precision(torch.device("cpu"), "bfloat16")
    check_precision(torch.device("cpu"), "float32")


def test_instructions_of_this_processor_are_those_that_torch_finds() -> None:
    found = torch.cpu.get_capabilities()
    assert bfloat16_instructions() == tuple(name for name in ("avx512_bf16", "amx_bf16", "bf16") if found.get(name))


def test_a_device_without_double_precision_has_it_done_on_the_processor() -> None:
    """As Apple's GPU says it: such a tensor is refused there, and its bytes can be had by `cpu()` only."""
    on_gpu = Mock()
    on_gpu.device = torch.device("mps")
    on_gpu.double.side_effect = TypeError("Cannot convert a MPS Tensor to float64 dtype")
    on_gpu.cpu.return_value = torch.tensor([0.1])
    for values in (on_gpu, torch.tensor([0.1])):
        doubled = in_double(values)
        assert doubled.dtype == torch.float64
        assert doubled.item() == torch.tensor(0.1).item()


def sample(device: str, folder: Path) -> dict[str, float]:
    with SystemMeter(device, folder, seconds=0.01) as machine:
        for _ in range(1000):
            if values := machine.take():
                return values
            time.sleep(0.01)
    raise AssertionError("no sample came")


def test_what_the_machine_is_busy_with_is_sampled_and_taken_once(tmp_path: Path) -> None:
    values = sample("cpu", tmp_path)
    assert set(values) == {"system/cpu", "system/memory", "system/disk", "system/process_memory"}
    assert all(0 <= values[name] <= 1 for name in values if name != "system/process_memory")
    assert values["system/process_memory"] == pytest.approx(psutil.Process().memory_info().rss / 1e9, rel=0.2)
    assert all(METRICS[name].cadence == "time" for name in values)
    assert SystemMeter("cpu", tmp_path).take() == {}


def test_of_a_gpu_what_its_driver_tells_is_sampled(driver: Path, tmp_path: Path) -> None:
    first, second = sample("cuda:0", tmp_path), sample("cuda:1", tmp_path)
    assert first["system/gpu"] == 0.03
    assert first["system/gpu_memory"] == pytest.approx(500 / 81559)
    assert first["system/gpu_power"] == 71.2
    assert second["system/gpu"] == 0.97
    assert "system/gpu_power" not in second, "its driver does not know it"
    driver.write_text("#!/bin/sh\nexit 9\n")
    assert "system/cpu" in sample("cuda:0", tmp_path)
