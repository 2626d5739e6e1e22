"""Checks of benchmarks/gpu.py: `python -m benchmarks.gpu_checks NAME --device cuda --seconds 30`; a line of JSON each."""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from convtui.engine import events
from convtui.engine.data.split import Dataset, Split
from convtui.engine.errors import SpecError
from convtui.engine.spec import RunSpec, changed, make
from convtui.engine.training import LAYERS, Training, preparing, product_epsilon
from tests.engine.training.pulling import losses, pull

import torch  # isort: skip

SPEC = make(
    {
        "model": {"conv_blocks": ["16 5x5 pad 2 pool 2", "32 5x5 pad 2 pool 2"], "dense_blocks": [64]},
        "data": {"size": 32, "colour": "grey", "batch_size": 64},
        "optimiser": {"learning_rate": 1e-3},
        "training": {"steps": 40, "checkpoint_seconds": 86400, "threads": 1},
    }
)
SMALL = {"training.steps": 12, "data.batch_size": 16, "model.conv_blocks": "8 5x5 pad 2 pool 2, 8 5x5 pad 2 pool 2"}
"""On a processor."""
PATHS: dict[str, dict[str, Any]] = {
    "convolutions": {},
    "batch norm, dropout, skip": {"model.conv_blocks": "16 3x3 pad 1 bn, 16 3x3 pad 1 bn skip 1 pool 4 dropout 0.2"},
    "bfloat16": {"training.precision": "bfloat16"},
    "GRU": {"model.conv_blocks": "none", "model.cell": "gru", "model.hidden": 64},
    "LSTM in bfloat16": {"model.conv_blocks": "none", "model.cell": "lstm", "training.precision": "bfloat16"},
    "augmentation": {"data.flip": True, "data.shift": 2, "data.contrast": 0.2, "data.brightness": 0.1, "data.cutout": 8},
    "measures, clipping, smoothing": {
        "training.measures": "gradient_norm, update_ratio, conv_deltas, dead, confusion, mean_squared_error",
        "optimiser.clip_norm": 1.0,
        "training.label_smoothing": 0.1,
    },
    "sgd, momentum, cosine": {
        "optimiser.name": "sgd", "optimiser.momentum": 0.9, "optimiser.learning_rate": 0.02, "optimiser.schedule": "cosine",
    },
    "nesterov": {"optimiser.name": "nesterov", "optimiser.momentum": 0.9, "optimiser.learning_rate": 0.02},
    "rmsprop": {"optimiser.name": "rmsprop"},
    "adamw": {"optimiser.name": "adamw", "optimiser.weight_decay": 0.1},
    "lion": {"optimiser.name": "lion", "optimiser.learning_rate": 1e-4},
    "frozen layer": {"training.freeze": "conv1"},
    "one image at a time": {"data.batch_size": 1, "optimiser.name": "sgd", "model.conv_blocks": "16 7x7"},
}  # fmt: skip


def say(check: str, good: bool, detail: str = "") -> None:
    print(json.dumps({"check": check, "good": good, "detail": detail}), flush=True)


def note(text: str) -> None:
    print(json.dumps({"note": text}), flush=True)


def base(device: torch.device, **changes: Any) -> RunSpec:
    """What is trained in most checks."""
    return changed(SPEC, (SMALL if device.type == "cpu" else {}) | changes)


def images(device: torch.device) -> Dataset:
    """Ten classes of noise, told apart by where it is lighter; the last batch is short, of training and of test images."""
    train, test = (150, 30) if device.type == "cpu" else (500, 300)
    count = train + test
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 160, (count, 1, 32, 32), generator=generator, dtype=torch.uint8)
    labels = torch.arange(count) % 10
    for pixel, label in zip(pixels, labels.tolist(), strict=True):
        pixel[:, 3 * label : 3 * label + 3] += 80
    whole = Split(pixels, labels, tuple("0123456789"))
    of_train = whole.select(torch.arange(train))
    return Dataset("noise", of_train, None, whole.select(torch.arange(train, count)), torch.tensor([0.35]), torch.tensor([0.2]))


def apart(spec: RunSpec, one: list[float], other: list[float], first: int = 3) -> str:
    """How far the first losses are apart where that is more than rounding; empty where it is not."""
    allowed = LAYERS * product_epsilon(spec.training.precision)
    for number, (a, b) in enumerate(zip(one[:first], other[:first], strict=True), 1):
        if not math.isclose(a, b, rel_tol=allowed):
            return f"loss of step {number}: {a:.6g} and {b:.6g}"
    return ""


def weights(training: Training) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten().double().cpu() for parameter in training.net.parameters()])


# ------------------------------------------------------------------------------------------------------------- checks


def doctor(_device: torch.device) -> None:
    """The card, and what `convtui doctor` says."""
    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        note(f"{card.name}, compute capability {card.major}.{card.minor}, {card.total_memory / 1e9:.0f} GB")
    cudnn = torch.backends.cudnn.version()
    note(f"torch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {cudnn}, Python {sys.version.split()[0]}")
    program = [sys.executable, "-m", "convtui.tui.cli", "doctor", "--json"]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([*program, "--store", f"{folder}/store.db"], capture_output=True, text=True, check=False)
    say("convtui doctor", done.returncode == 0, done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "")
    for line in map(json.loads, done.stdout.splitlines()):
        if line["what"] in ("device", "gpu", "bfloat16", "versions"):
            note(f"doctor: {line['what']}: {line['detail']}")


def paths(device: torch.device) -> None:
    """Each kind of run by its quickest path and eagerly: first losses within rounding, the same way gone after 40 steps."""
    for name, settings in PATHS.items():
        try:
            _compare_paths(name, base(device, **settings), device)
        except Exception as error:
            say(name, False, f"{type(error).__name__}: {str(error).splitlines()[0]}")
    three = base(device, **{"training.steps": 3})
    on_cpu, here = (pull(Training(three, images(device), device=each)) for each in (torch.device("cpu"), device))
    far = apart(SPEC, losses(on_cpu), losses(here))
    say("first losses are the processor's", not far, far)


def _compare_paths(name: str, spec: RunSpec, device: torch.device) -> None:
    eager = Training(changed(spec, {"training.step_path": "eager"}), images(device), device=device)
    start = weights(eager)
    expected = pull(eager)
    quick = Training(spec, images(device), device=device)
    found = pull(quick)
    far = apart(spec, losses(expected), losses(found))
    moved, off = float((weights(eager) - start).norm()), float((weights(eager) - weights(quick)).norm())
    # Rounding grows from step to step: half the way that the weights went is a wrong path, not rounding.
    far = far or (f"weights differ by {off / moved:.0%} of their way" if off > moved / 2 else "")
    path = quick.provenance()["step_path"]
    told = [event.text for event in found if isinstance(event, events.Message) and "CUDA graph" in event.text]
    captured = device.type != "cuda" or path == "CUDA graph"
    bad = "; ".join(filter(None, [*told, far]))
    say(f"{name}: {path}", captured and not bad, bad or f"off by {off / moved:.1e}")


def views(device: torch.device) -> None:
    """Projections and saliency of a net on the device, against captum's."""
    import warnings

    from convtui.engine import models
    from convtui.engine.data.batches import Standardise
    from convtui.engine.lens.backward import Rule, backward, unit_seed
    from convtui.engine.lens.subject import Subject

    try:
        from captum.attr import NeuronDeconvolution, NeuronGradient, NeuronGuidedBackprop
    except ImportError as error:
        note(f"captum is not installed: nothing was compared with it ({error})")
        return
    dataset = images(device)
    net = models.placed(models.build(SPEC.model, channels=1, size=32, classes=10), SPEC.model, device).eval()
    standardise = Standardise(dataset.mean, dataset.std).to(device)
    subject = Subject(net, (1, 32, 32), dataset.test.classes, standardise, dataset=lambda: dataset)
    seen = subject.seen(dataset.test.images[:4])
    index = subject.trace.layer("conv2").index
    units = [(3, 5, 5), (7, 0, 0), (20, 8, 15), (31, 15, 2)]
    methods: dict[Rule, Any] = {"deconvnet": NeuronDeconvolution, "guided": NeuronGuidedBackprop, "saliency": NeuronGradient}
    for rule, method in methods.items():
        found = backward(subject.trace, seen, index, rule, unit_seed(list(torch.tensor(units).T)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            by_captum = method(net, net.get_submodule("conv2"))
            expected = torch.cat([by_captum.attribute(seen[i : i + 1], unit) for i, unit in enumerate(units)])
        off = float((found - expected).abs().max() / expected.abs().max())
        say(f"{rule} of conv2 is captum's", off < LAYERS * product_epsilon("float32"), f"off by {off:.1e}")


def resume(device: torch.device) -> None:
    """Stopped within an epoch and resumed, as if never stopped."""
    for precision in ("float32", "bfloat16"):
        spec = base(device, **{"training.precision": precision, "model.dense_blocks": "64 dropout 0.3"})
        whole = losses(pull(Training(spec, images(device), device=device)))
        with tempfile.TemporaryDirectory() as folder:
            first = losses(pull(Training(spec, images(device), device=device, folder=Path(folder)), stop_at=5))
            (kept,) = Path(folder).glob("checkpoint-*.safetensors")
            second = losses(pull(Training(spec, images(device), device=device, resume_from=kept)))
        joined = first + second
        far = "" if len(joined) == len(whole) else f"{len(joined)} steps rather than {len(whole)}"
        far = far or apart(spec, whole[len(first) - 1 :], joined[len(first) - 1 :])
        say(f"resumed in {precision}", not far, far or ("to the last bit" if joined == whole else "within rounding"))


def images_elsewhere(device: torch.device) -> None:
    """Images that a GPU has no room for stay in the machine's memory; the run is the same."""
    spec = base(device)
    expected = losses(pull(Training(spec, images(device), device=device)))
    with mock.patch.object(preparing, "free_memory", return_value=0):
        found = losses(pull(Training(spec, images(device), device=device)))
    far = apart(spec, expected, found)
    say("images that stay in the machine's memory", not far, far or ("to the last bit" if found == expected else "within rounding"))


def divergence(device: torch.device) -> None:
    """A rate that is far too high ends the run as diverged, the step named."""
    far = {"optimiser.name": "sgd", "optimiser.learning_rate": 10.0, "training.loss": "sum_squares", "model.init": "he"}
    spec = base(device, **far)
    last = pull(Training(spec, images(device), device=device))[-1]
    told = f"step {last.step}: {last.reason}" if isinstance(last, events.Diverged) else type(last).__name__
    say("a run that diverges is ended", isinstance(last, events.Diverged), told)


def two_at_once(device: torch.device) -> None:
    """Two trainings in two processes at the same time, each as it is alone."""
    command = [sys.executable, "-m", "benchmarks.gpu_checks", "one", "--device", device.type]

    def begun() -> subprocess.Popen[str]:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    together = [begun(), begun()]
    alone = losses(pull(Training(base(device), images(device), device=device)))
    for number, child in enumerate(together, 1):
        out, errors = child.communicate()
        far = apart(SPEC, alone, json.loads(out.splitlines()[-1])["losses"]) if child.returncode == 0 else errors.strip()[-200:]
        say(f"training {number} of two", not far, far)


def one(device: torch.device) -> None:
    """Of `two_at_once`."""
    print(json.dumps({"losses": losses(pull(Training(base(device), images(device), device=device)))}))


def memory(device: torch.device) -> None:
    """A net that the device cannot hold is refused before it is tried; a run without memory ends, and another one can follow."""
    from convtui.engine.data.preview import Counts
    from convtui.engine.store import Store
    from convtui.engine.training import check_fits
    from convtui.engine.training.recording import recorded

    huge = changed(SPEC, {"model.conv_blocks": "4096 3x3 pad 1, 4096 3x3 pad 1", "data.size": 512, "data.batch_size": 65536})
    try:
        check_fits(huge, device, Counts(10, 100_000, 10))
        say("a net that does not fit is refused", False)
    except SpecError as error:
        say("a net that does not fit is refused", True, str(error)[:160])
    if device.type == "cpu":
        note("a processor is not made to run out of memory")
        return
    torch.cuda.set_per_process_memory_fraction(0.01)
    wide = changed(SPEC, {"model.conv_blocks": "512 3x3 pad 1, 512 3x3 pad 1", "data.batch_size": 512})
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "store.db") as store:
        run = store.create_run(name="wide", preset="", spec=wide, dataset="noise")
        try:
            with recorded(store, store.claim(run.id), wide, images(device), device) as (_, said):
                for _event in said:
                    pass
        except torch.OutOfMemoryError:
            pass
        ended = store.run(run.id)
    say("a run without memory fails and says so", ended.status == "failed", ended.reason or "")
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1.0)
    after = pull(Training(base(device, **{"training.steps": 3}), images(device), device=device))
    say("the next training goes on", isinstance(after[-1], events.Finished))


NAMED: dict[str, Callable[[torch.device], None]] = {
    "doctor": doctor, "paths": paths, "views": views, "resume": resume, "images elsewhere": images_elsewhere,
    "divergence": divergence, "two at once": two_at_once, "memory": memory, "one": one,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=NAMED)
    parser.add_argument("--device", required=True)
    parser.add_argument("--seconds", type=float)
    options = parser.parse_args()
    device = torch.device("cuda:0" if options.device == "cuda" else "cpu")
    NAMED[options.name](device)


if __name__ == "__main__":
    main()
