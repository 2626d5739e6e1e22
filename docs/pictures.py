"""The pictures of docs/views.md, from nothing: python -m docs.pictures FOLDER.

Trains the nets that are named below into FOLDER/store.db, then draws each picture of the page by the command that stands below it
there.
Takes some three minutes of one core. The same machine draws the same pictures.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

from PIL import Image

from convtui.tui.cli.commands import app

DOCS = Path(__file__).parent
PAGE = DOCS / "views.md"
PICTURE = re.compile(r"!\[[^\]]*\]\((?P<file>\.\./assets/[^)]*\.png)\)\n\n```\n(?P<command>convtui look .*)\n```\n")
"""A picture on the page, and the command that draws it."""

NETS = """
--name demo --preset demo --set training.snapshot_every=1
--name brief --preset demo --epochs 2 --seed 2
--name residual --preset demo --set 'model.conv_blocks=16 5x5 pad same bn pool 2, 32 3x3 pad same bn pool 2, 32 3x3 pad same bn,
  32 3x3 pad same bn skip 1 avg-pool global' --set model.dense_blocks= --set optimiser.weight_decay=0.05 --epochs 6
--name digits --preset lenet5-28-decay --data digits --set data.fit=resize --lr 1e-3 --epochs 8
--name gru --preset gru --data digits --lr 3e-3 --epochs 30
--name lstm --preset lstm --data digits --lr 3e-3 --epochs 30
--name sigmoid --preset sixteen-a-sigmoid --data digits --set data.train_per_class=0 --set data.test_per_class=0 --epochs 10
--name vanishing --preset lenet5-28 --data digits --set data.fit=resize --set 'model.conv_blocks=8 5x5 pool 2'
  --set 'model.dense_blocks=64, 64, 64' --set model.activation=sigmoid --lr 3e-3 --epochs 10 --set training.snapshot_every=1
--name vit --model timm:vit_tiny_patch16_224 --arg img_size=28 --arg patch_size=4 --arg in_chans=1 --arg embed_dim=48 --arg depth=3
  --arg num_heads=3 --arg num_classes=10 --preset gru --data digits --lr 3e-3 --epochs 30
"""


def trainings() -> list[list[str]]:
    """The arguments of `convtui run` for each net."""
    return [shlex.split(text) for text in NETS.strip().replace("\n  ", " ").splitlines()]


def pictures() -> list[tuple[Path, list[str]]]:
    """Each picture of the page, and the arguments of the command below it."""
    found = PICTURE.finditer(PAGE.read_text(encoding="utf-8"))
    return [((DOCS / each["file"]).resolve(), shlex.split(each["command"])[1:]) for each in found]


def main(folder: Path) -> None:
    """Train, and draw."""
    os.environ["OMP_NUM_THREADS"] = "1"  # numbers depend on how many threads there are
    folder.mkdir(parents=True, exist_ok=True)
    store = ["--store", str(folder / "store.db")]
    for arguments in trainings():
        app(["run", *arguments, *store, "--device", "cpu", "--quiet"], standalone_mode=False)
    for file, arguments in pictures():
        file.parent.mkdir(parents=True, exist_ok=True)
        drawn = folder / file.name  # `look` would not replace the smaller one, which does not say that it comes from here
        app([*arguments, *store, "--device", "cpu", "--out", str(drawn)], standalone_mode=False)
        with Image.open(drawn) as picture:
            # A third of the size. Pillow's other methods lose colours that are rare, or the grey of zero.
            few = picture.convert("RGB").quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        few.save(file, optimize=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
