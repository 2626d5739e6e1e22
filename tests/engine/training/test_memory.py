"""What a training takes of the machine's memory."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

EVALUATED = """
import ctypes
import torch
from convtui.engine import events, models
from convtui.engine.data.batches import Standardise
from convtui.engine.data.split import Split
from convtui.engine.device import keep_freed_memory
from convtui.engine.presets import preset
from convtui.engine.training import BATCH, Forward, evaluate

class Heap(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena a b c d e f g h i".split()]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Heap
keep_freed_memory()
spec, cpu = preset("demo").spec, torch.device("cpu")
net = models.placed(models.build(spec.model, channels=1, size=28, classes=10, seed=0), spec.model, cpu)
images, labels = torch.zeros(40 * BATCH, 1, 28, 28, dtype=torch.uint8), torch.zeros(40 * BATCH, dtype=torch.int64)
split = Split(images, labels, tuple("0123456789"))
forward = Forward(net, spec, cpu, BATCH)
sizes = [libc.mallinfo2().arena for _ in evaluate(net, split, Standardise(torch.zeros(1), torch.ones(1)), spec, forward)]
print(sizes[9], sizes[-1])
"""


@pytest.mark.long
@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="the heap is asked by mallinfo2, which glibc has from 2.33 on"
)
def test_an_evaluation_does_not_need_more_memory_with_every_batch() -> None:
    done = subprocess.run([sys.executable, "-c", EVALUATED], capture_output=True, text=True, check=True)
    tenth, last = map(int, done.stdout.split())
    # A batch's largest activations are 6 MB: where none could be used again, 30 batches would take 180 MB more.
    assert last - tenth < 64 * 2**20, f"the heap grew from {tenth} to {last} bytes"
