"""Which device to train on, how much of it is free, and what it can do."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from engine.errors import DeviceError

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
    """Bytes that nobody uses now."""
    load: float | None = None
    """Share of the last second that it was busy, 0 to 1, where the driver tells."""


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
    return [*found, Device("cpu", f"{_cores()} cores", memory.total, memory.available)]


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
        raise DeviceError(f"--device {wanted}: there is no such device here; use auto or one of {names}")
    return torch.device(match[0].name)


def check_precision(device: torch.device, precision: str) -> None:
    """Raise DeviceError where the device cannot compute in this precision."""
    import torch

    if precision == "bfloat16" and device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise DeviceError(f"training.precision = bfloat16: {device} cannot compute in it; set training.precision = float32")


def memory(device: torch.device) -> int:
    """Bytes that the device has in all."""
    import torch

    return torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else psutil.virtual_memory().total


def keep_freed_memory() -> None:
    """Tell glibc to reuse freed memory: it otherwise gives each large tensor back to the kernel and faults it in anew.

    Removes some 10,000 page faults a step of LeNet-5, a fifth of its time. Best called before the first tensor; a no-op
    elsewhere than on glibc.
    """
    if not sys.platform.startswith("linux"):
        return
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of <malloc.h>
    with contextlib.suppress(OSError, AttributeError):  # musl has no mallopt
        libc = ctypes.CDLL(None)
        libc.mallopt(mmap_threshold, 1 << 30)
        libc.mallopt(trim_threshold, (1 << 31) - 1)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _ask_driver() -> dict[str, tuple[int, float | None]]:
    """UUID -> (free bytes, load), from nvidia-smi: asking through CUDA would take memory on every GPU of a shared box."""
    if not shutil.which("nvidia-smi"):
        return {}
    query = ["nvidia-smi", "--query-gpu=uuid,memory.free,utilization.gpu", "--format=csv,noheader,nounits"]
    try:
        lines = subprocess.run(query, capture_output=True, text=True, timeout=5, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return {}
    told: dict[str, tuple[int, float | None]] = {}
    for line in lines:
        uuid, free, load = (part.strip() for part in line.split(","))
        told[uuid.removeprefix("GPU-")] = (
            int(free) * 2**20 if free.isdigit() else 0,
            int(load) / 100 if load.isdigit() else None,
        )
    return told
