"""The lens beside what it is measured against, in pairs, one after the other in turns.

    python -m benchmarks.lens [--rounds N]

Five figures on the net of `lenet5`, untrained (what is computed does not depend on the weights' values): the search for the nine
strongest images of every map of every convolution, over 10,000 images, against one evaluation of them; 64 maps x 9 projections of
conv2 against captum's, one by one, and the same sheet from a cold start of the program; and occlusion of one image by a square of
8 pixels at each of its 625 places, against captum's with as many places at once as serves it best; and eight filters, and
what excites eight maps of conv2 most, over twenty snapshots.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

from convtui.engine import models
from convtui.engine.data.batches import Standardise
from convtui.engine.data.split import Dataset, Split
from convtui.engine.lens import patch_projection
from convtui.engine.lens.registry import view
from convtui.engine.lens.search import strongest
from convtui.engine.lens.subject import Snapshot, Subject
from convtui.engine.presets import preset
from convtui.engine.training import BATCH, Forward, evaluate

import torch  # isort: skip

IMAGES, MAPS, TOP = 10_000, 64, 9
SQUARE, TOGETHER = 8, 64
SNAPSHOTS = 20


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    spec = preset("lenet5").spec
    net = models.build(spec.model, channels=1, size=32, classes=10).to(memory_format=torch.channels_last).eval()
    images = torch.randint(0, 256, (IMAGES, 1, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    split = Split(images, torch.arange(IMAGES) % 10, tuple(map(str, range(10))))
    standardise = Standardise(torch.tensor([0.5]), torch.tensor([0.3]))
    dataset = Dataset("noise", split, None, split, standardise.mean, standardise.std)
    subject = Subject(net, (1, 32, 32), split.classes, standardise, dataset=lambda: dataset)
    calls = [call.index for call in subject.trace.of_kind("conv").values()]

    def search() -> None:
        strongest(subject, images, calls, TOP)

    forward = Forward(net, spec, torch.device("cpu"), BATCH)

    def evaluation() -> None:
        list(evaluate(net, split, standardise, spec, forward))

    paired("search of every map", search, "one evaluation", evaluation, rounds)

    conv2 = subject.trace.layer("conv2").index
    found = strongest(subject, images, [conv2], TOP)[conv2]
    maps = torch.arange(MAPS).repeat_interleave(TOP)
    units = (maps, found.rows.flatten(), found.columns.flatten())
    seen = subject.seen(images[found.images.flatten()])

    def ours() -> None:
        patch_projection.project(subject.trace, conv2, "deconvnet", seen, *units)

    def captum() -> None:
        from captum.attr import NeuronDeconvolution

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            method = NeuronDeconvolution(net, net.conv2)
            for image, unit in zip(seen, zip(*(places.tolist() for places in units), strict=True), strict=True):
                method.attribute(image[None], unit)

    paired(f"{MAPS} x {TOP} projections", ours, "captum one by one", captum, rounds)
    occlusion(subject, rounds)
    evolution(subject, rounds)
    cold(rounds)


def occlusion(subject: Subject, rounds: int) -> None:
    """The whole view, with its five sheets, beside one map of captum's."""
    look = view("occlusion")
    options = look.make({"square": SQUARE, "stride": 1})
    seen = subject.seen(subject.split("test").images[:1])

    def captum() -> None:
        from captum.attr import Occlusion

        with torch.no_grad():
            method = Occlusion(lambda images: subject.net(images).softmax(1))
            method.attribute(seen, (1, SQUARE, SQUARE), strides=(1, 1, 1), target=0, perturbations_per_eval=TOGETHER)

    paired(f"occlusion by {SQUARE} x {SQUARE}", lambda: look(subject, options), "captum", captum, rounds)


def evolution(subject: Subject, rounds: int) -> None:
    """Both forms of the view, of snapshots that differ as those of a training do; none of them is on disk."""
    generator = torch.Generator().manual_seed(0)

    def then(number: int) -> dict[str, torch.Tensor]:
        return {
            name: values + 0.01 * number * torch.randn(values.shape, generator=generator)
            for name, values in subject.net.state_dict().items()
        }

    weights = [then(number) for number in range(SNAPSHOTS)]
    subject.snapshots = [Snapshot(number, number, partial(dict, each)) for number, each in enumerate(weights)]
    look = view("evolution")
    for options in ({"of": "filters"}, {"of": "map", "layer": "conv2"}):
        look(subject, look.make(options))
        times = [seconds(partial(look, subject, look.make(options))) for _ in range(rounds)]
        print(f"evolution of {options['of']}, {SNAPSHOTS} snapshots {statistics.median(times):.2f} s", end=" ")
        print(f"({min(times):.2f} to {max(times):.2f})")


def paired(name: str, ours: Callable[[], object], other: str, theirs: Callable[[], object], rounds: int) -> None:
    """Both in turns, once unmeasured; medians, and the median ratio with its range."""
    ours(), theirs()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
    ratios = sorted(mine / his for mine, his in pairs)
    mine, his = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(ratios)
    print(f"{name} {1000 * mine:,.0f} ms, {other} {1000 * his:,.0f} ms:", end=" ")
    print(f"ratio {ratio:.3g} ({ratios[0]:.3g} to {ratios[-1]:.3g}), {1 / ratio:.3g} times as fast")


def cold(rounds: int) -> None:
    """`convtui look deconvnet` as a new process, the sheet saved, on a net trained for one step."""
    with tempfile.TemporaryDirectory() as folder:
        program = [sys.executable, "-m", "convtui.tui.cli"]
        store = ["--store", str(Path(folder) / "store.db")]
        train = [*program, "run", "--preset", "lenet5", "--data", "shapes", "--steps", "1", "--quiet", *store]
        look = [*program, "look", "deconvnet", "last", "--layer", "conv2", "--out", str(Path(folder) / "sheet.png"), *store]
        subprocess.run(train, check=True)
        times = [seconds(lambda: subprocess.run(look, check=True, capture_output=True)) for _ in range(rounds)]
        imports = [seconds(lambda: subprocess.run([sys.executable, "-c", "import torch"], check=True)) for _ in range(rounds)]
    print(f"cold look, conv2 of lenet5 on shapes {statistics.median(times):.2f} s ({min(times):.2f} to {max(times):.2f}),", end=" ")
    print(f"of which importing torch {statistics.median(imports):.2f} s")


def seconds(work: Callable[[], object]) -> float:
    """How long it took."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
