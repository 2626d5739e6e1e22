"""Which device to train on, how much of it is free, and what it can do."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import platform
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self, assert_never

import psutil

from convtui.engine.errors import DeviceError
from convtui.engine.ram import free_ram
from convtui.engine.spec.choices import Precision

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Device:
    """A device as people choose it."""

    name: str
    """As torch names it: `cpu`, `cuda:0`, `mps`."""
    title: str
    memory: int
    """Bytes in all."""
    free: int
    """Bytes not in use now."""
    load: float | None = None
    """Share of the last second that it was busy, 0 to 1, where the driver tells."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process makes of its device at one moment."""

    memory: int
    """Bytes that the process has: of the GPU's memory on a GPU, else of the machine's."""
    total: int
    """Bytes there are in all."""
    load: float | None
    """Share of the time since the last look that the device was busy, 0 to 1: a GPU by any process, processors with this
    process alone. None where it is not known."""


class Meter:
    """Looks at one process and its device, from any process of the same machine, without taking memory of a GPU."""

    def __init__(self, device: str, pid: int) -> None:
        """`device` as torch names it. Raises DeviceError where there is no such process."""
        self.device = device
        self.pid = pid
        try:
            self._process = psutil.Process(pid)
            self._process.cpu_percent()  # the first look only starts the clock
        except psutil.Error as error:
            raise DeviceError(f"process {pid} cannot be inspected: {error}") from None

    def read(self) -> Usage:
        """How it stands now. A GPU's driver takes some tens of milliseconds to answer.

        Raises DeviceError once the process is gone, and where the driver does not answer.
        """
        try:
            if self.device.startswith("cuda"):
                return self._of_gpu()
            busy = self._process.cpu_percent() / 100 / cores()
            return Usage(self._process.memory_info().rss, psutil.virtual_memory().total, min(1.0, busy))
        except psutil.Error as error:
            raise DeviceError(f"process {self.pid} cannot be inspected: {error}") from None

    def _of_gpu(self) -> Usage:
        mine = [(uuid, used) for pid, uuid, used in _query("compute-apps=pid,gpu_uuid,used_memory") if pid == str(self.pid)]
        gpus = _query("gpu=index,uuid,memory.total,memory.used,utilization.gpu")
        # In a container the driver does not know a process by the number it has inside: then what it was given tells.
        of_mine = [gpu for gpu in gpus if mine and gpu[1] == mine[0][0]]
        found = of_mine or _called(gpus, _name(self.device, self._environment()))
        if not found:
            raise DeviceError(f"nvidia-smi does not report {self.device}")
        _, _, total, used, load = found[0]
        memory = mine[0][1] if of_mine and mine[0][1].isdigit() else used
        return Usage(_mebibytes(memory), _mebibytes(total), int(load) / 100 if load.isdigit() else None)

    def _environment(self) -> Mapping[str, str]:
        try:
            return dict(self._process.environ())
        except psutil.AccessDenied:  # another user's
            return {}


SYSTEM_SECONDS = 5.0
"""From one sample of the machine to the next."""


class SystemMeter:
    """Samples, while it is entered, what the machine is busy with, in a thread that nothing waits for."""

    def __init__(self, device: str, folder: Path, *, seconds: float | None = None) -> None:
        """`device` as torch names it; `folder` is on the disk that is meant; a sample every `seconds`, else SYSTEM_SECONDS."""
        self.device, self._folder = device, folder
        self._seconds = SYSTEM_SECONDS if seconds is None else seconds
        self._newest: dict[str, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="system meter", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Does not wait for a driver that is being asked."""
        self._ended.set()

    def take(self) -> dict[str, float]:
        """The newest sample, once: `system/...` -> value, as engine/metrics.py has them; empty where there is none yet."""
        taken, self._newest = self._newest, {}
        return taken

    def _sample(self) -> None:
        psutil.cpu_percent()  # the first look only starts the clock
        while not self._ended.wait(self._seconds):
            with contextlib.suppress(psutil.Error, OSError):
                self._newest = self._of_machine() | (self._of_gpu() if self.device.startswith("cuda") else {})

    def _of_machine(self) -> dict[str, float]:
        return {
            "system/cpu": psutil.cpu_percent() / 100,
            "system/memory": psutil.virtual_memory().percent / 100,
            "system/disk": psutil.disk_usage(str(self._folder)).percent / 100,
            "system/process_memory": psutil.Process().memory_info().rss / 1e9,
        }

    def _of_gpu(self) -> dict[str, float]:
        import torch

        # The exact way, for the process that has the GPU: CUDA may number GPUs otherwise than their driver does.
        own = torch.cuda.get_device_properties(self.device) if torch.cuda.is_available() else None
        name = str(getattr(own, "uuid", "")) or _name(self.device, os.environ)
        rows = _called(_query("gpu=index,uuid,utilization.gpu,memory.used,memory.total,power.draw"), name)
        if not rows:
            return {}
        load, used, total, watts = map(_number, rows[0][2:])
        found = {"system/gpu": load / 100, "system/gpu_memory": used / total if total else math.nan, "system/gpu_power": watts}
        return {name: value for name, value in found.items() if math.isfinite(value)}


def devices() -> list[Device]:
    """Every device of this machine that torch can use, the one to prefer first: free GPUs before busy ones, then the CPU."""
    import torch

    found: list[Device] = []
    if torch.cuda.is_available():
        told = _ask_driver()
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            free, load = told.get(str(getattr(properties, "uuid", "")), (properties.total_memory, None))
            found.append(Device(f"cuda:{index}", properties.name, properties.total_memory, free, load))
        found.sort(key=lambda device: (-device.free, device.load or 0.0))
    if torch.backends.mps.is_available():
        memory = psutil.virtual_memory()
        found.append(Device("mps", "Apple GPU", memory.total, memory.available))
    memory = psutil.virtual_memory()
    return [*found, Device("cpu", f"{cores()} cores", memory.total, free_ram())]


def choose(wanted: str = "auto") -> torch.device:
    """The device that a person means: `auto` is the freest GPU, else the CPU; `cuda` is the freest GPU.

    Raises DeviceError where there is no such device.
    """
    import torch

    if wanted == "cpu":
        return torch.device("cpu")
    there = devices()
    match = [device for device in there if wanted in ("auto", device.name) or device.name.startswith(f"{wanted}:")]
    if not match:
        names = ", ".join(device.name for device in there)
        raise DeviceError(f"--device {wanted}: no such device here; use auto or one of {names}")
    return torch.device(match[0].name)


def check_precision(device: torch.device, precision: Precision) -> None:
    """Raise DeviceError where the device cannot compute in this precision."""
    import torch

    match precision:
        case "float32":
            return
        case "bfloat16":
            # Not torch.cuda.is_bf16_supported, which is of the current GPU: there may be several kinds. Ampere, 8.0, was the first.
            if device.type == "cuda" and torch.cuda.get_device_capability(device) < (8, 0):
                raise DeviceError(f"training.precision = bfloat16: {device} does not support it; set training.precision = float32")
            if device.type == "cpu" and not bfloat16_instructions():
                raise DeviceError(
                    "training.precision = bfloat16: this processor has no instructions for it (AVX512_BF16, AMX) and would be "
                    "slower than in float32; set training.precision = float32"
                )
        case other:
            assert_never(other)


def bfloat16_instructions() -> tuple[str, ...]:
    """The processor's instructions for products in bfloat16, as the kernel names them; none where it has none, or the system does
    not tell. Without them such products are put together from others, slower than in float32."""
    told = f"{_of_processor('flags')} {_of_processor('Features')}".split()
    return tuple(name for name in ("avx512_bf16", "amx_bf16", "bf16") if name in told)


def captures_graphs(device: torch.device) -> bool:
    """Whether a sequence of its kernels can be launched as one."""
    return device.type == "cuda"


def in_double(values: torch.Tensor) -> torch.Tensor:
    """`values` in float64: where they are, or on the CPU if their device has no such numbers (Apple's GPU)."""
    return (values.cpu() if values.device.type == "mps" else values).double()


def memory(device: torch.device) -> int:
    """Bytes that the device has in all."""
    import torch

    return torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else psutil.virtual_memory().total


def free_memory(device: torch.device) -> int:
    """Bytes of its memory that are not taken, by whichever program."""
    import torch

    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else free_ram()


def keep_freed_memory() -> None:
    """Tell glibc to reuse freed memory: it otherwise gives each large tensor back to the kernel and faults it in again.

    Removes some 10,000 page faults per step of LeNet-5, a fifth of its time. Best called before the first tensor, and before
    the thread that trains is started, whose heap it would otherwise be too late to choose; a no-op elsewhere than on glibc.
    """
    if not sys.platform.startswith("linux"):
        return
    trim_threshold, mmap_threshold, arenas = -1, -3, -8  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX of <malloc.h>
    with contextlib.suppress(OSError, AttributeError):  # musl has no mallopt
        libc = ctypes.CDLL(None)
        libc.mallopt(mmap_threshold, 1 << 30)
        libc.mallopt(trim_threshold, (1 << 31) - 1)
        libc.mallopt(arenas, 1)  # other threads' heaps are of 64 MB at most: what does not fit is faulted in again all the same


def processor() -> str:
    """What rounds here: the processor's name, where the system tells it, and the instructions that torch chose for it."""
    import torch

    named = _of_processor("model name") or platform.processor() or platform.machine()
    return f"{named}, {torch.backends.cpu.get_cpu_capability()}"


def _of_processor(what: str) -> str:
    """A line of what Linux tells of the first processor; empty where there is no such line."""
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open() as lines:
        return next((value.strip() for name, _, value in (line.partition(":") for line in lines) if name.strip() == what), "")
    return ""


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _ask_driver() -> dict[str, tuple[int, float | None]]:
    """UUID -> (free bytes, load)."""
    told = _query("gpu=uuid,memory.free,utilization.gpu")
    return {uuid.removeprefix("GPU-"): (_mebibytes(free), int(load) / 100 if load.isdigit() else None) for uuid, free, load in told}


def _name(device: str, environment: Mapping[str, str]) -> str:
    """What a process with this environment was told to call torch's `cuda:N`: the driver's number of it, or how its UUID begins."""
    index = int(device.partition(":")[2] or 0)
    seen = [name.strip() for name in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return seen[index] if index < len(seen) else str(index)


def _called(gpus: list[list[str]], name: str) -> list[list[str]]:
    """Of the driver's rows, which begin with number and UUID, the one of this name."""
    if name.isdigit():
        return [gpu for gpu in gpus if gpu[0] == name]
    return [gpu for gpu in gpus if gpu[1].removeprefix("GPU-").startswith(name.removeprefix("GPU-"))]


def _number(text: str) -> float:
    """NaN for what a driver does not tell, as `[N/A]`."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _mebibytes(text: str) -> int:
    return int(text) * 2**20 if text.isdigit() else 0


def _query(what: str) -> list[list[str]]:
    """A row for each GPU, or process on one, from nvidia-smi; none where there is no answer.

    Asking through CUDA would take memory on every GPU of a shared box.
    """
    if not shutil.which("nvidia-smi"):
        return []
    query = ["nvidia-smi", f"--query-{what}", "--format=csv,noheader,nounits"]
    try:
        lines = subprocess.run(query, capture_output=True, text=True, timeout=5, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return []
    wanted = what.count(",") + 1
    rows = [[part.strip() for part in line.split(",")] for line in lines]
    return [row for row in rows if len(row) == wanted]
