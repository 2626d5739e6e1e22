"""Ten views of nets of torchvision and timm, as `convtui look VIEW --model LIBRARY:NAME` shows them: CPU seconds, or why not.

    python -m benchmarks.library_nets [--net timm:resnet10t ...]

Random weights of seed 0, four classes, 12 pictures of noise in a folder, one thread. A net is made for each view, as each command
does; what starting the program takes (benchmarks.startup) comes on top. CPU seconds of the process, so that what else the machine
does counts less. Refusals are listed below the table.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES, EACH = ("bird", "cat", "dog", "fish"), 3
VIEWS = (
    "summary", "filters", "activations", "statistics", "deconvnet", "guided", "saliency", "class-means", "confusion",
    "misclassified",
)  # fmt: skip


@dataclass(frozen=True)
class Net:
    """What to type for a net, and the side of the images that it takes: 64 pixels where it allows."""

    size: int = 64
    arguments: tuple[str, ...] = ()


NETS: dict[str, Net] = {
    "torchvision:alexnet": Net(),
    "torchvision:vgg11": Net(),
    "torchvision:vgg13_bn": Net(),
    "torchvision:resnet18": Net(),
    "torchvision:resnet50": Net(),
    "torchvision:resnext50_32x4d": Net(),
    "torchvision:squeezenet1_0": Net(),
    "torchvision:squeezenet1_1": Net(),
    "torchvision:densenet121": Net(),
    "torchvision:googlenet": Net(arguments=("init_weights=false",)),
    "torchvision:inception_v3": Net(75, ("init_weights=false",)),
    "torchvision:mobilenet_v2": Net(),
    "torchvision:mobilenet_v3_small": Net(),
    "torchvision:shufflenet_v2_x0_5": Net(),
    "torchvision:mnasnet0_5": Net(),
    "torchvision:efficientnet_b0": Net(),
    "torchvision:regnet_y_400mf": Net(),
    "torchvision:convnext_tiny": Net(),
    "torchvision:vit_b_16": Net(arguments=("image_size=64",)),
    "torchvision:swin_t": Net(),
    "timm:resnet10t": Net(),
    "timm:repvgg_a0": Net(),
    "timm:mobilenetv4_conv_small": Net(),
    "timm:convnext_atto": Net(),
    "timm:vit_tiny_patch16_224": Net(arguments=("img_size=64",)),
}


def command(view: str, name: str, data: Path) -> list[str]:
    """The words of `convtui look` for this net and the pictures of `data`."""
    net = NETS[name]
    arguments = [word for argument in (f"num_classes={len(CLASSES)}", *net.arguments) for word in ("--arg", argument)]
    return ["look", view, "--model", name, *arguments, "--data", f"folder:{data}", "--size", str(net.size)]


def pictures(folder: Path) -> Path:
    """Noise, a folder for each class in both splits."""
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        for number in range(EACH * len(CLASSES)):
            place = folder / split / CLASSES[number % len(CLASSES)]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 256, (75, 75, 3), np.uint8)).save(place / f"{number}.png")
    return folder


def main() -> None:
    """Print the table, a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", action="append", choices=list(NETS))
    names = parser.parse_args().net or list(NETS)
    print(f"| net | {' | '.join(VIEWS)} |\n{'|---' * (len(VIEWS) + 1)}|")
    refusals = []
    with tempfile.TemporaryDirectory() as below:
        os.environ["CONVTUI_CACHE"] = below
        data = pictures(Path(below) / "pictures")
        _seen("summary", names[0], data)  # loads libraries and images
        for name in names:
            row = []
            for view in VIEWS:
                took, words = _seen(view, name, data)
                row.append(took)
                refusals += [f"- {name}: {words}"] if words else []
            print(f"| {name} | {' | '.join(row)} |", flush=True)
    print("", *refusals, sep="\n")


def _seen(view: str, name: str, data: Path) -> tuple[str, str]:
    """CPU seconds, or a dash and the reason."""
    import torch

    from convtui.engine.errors import ConvtuiError
    from convtui.tui.cli.commands import app

    torch.set_num_threads(1)
    torch.manual_seed(0)
    began = time.process_time()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            app(command(view, name, data), standalone_mode=False)  # drawn as on a terminal of 80 columns
    except ConvtuiError as error:
        return "-", str(error)
    return f"{time.process_time() - began:.1f}", ""


if __name__ == "__main__":
    main()
