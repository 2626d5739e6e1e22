"""What `--model` and its like mean: a net of a person's own code, its weights and its images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convtui.engine.errors import UsageError
from convtui.engine.named_code import LIBRARIES, name_code, whole
from convtui.tui.cli.options import named_value
from convtui.tui.session.naming import arguments_of, json_or_text

if TYPE_CHECKING:
    from torch import nn

    from convtui.engine.data.batches import Standardise
    from convtui.engine.data.split import Dataset
    from convtui.engine.lens.loading import SavedNet
    from convtui.engine.lens.subject import Subject
    from convtui.engine.store import Run
    from convtui.tui.cli.waiting import Waiting

LIBRARY_SIZE = 224
"""Side of the images of torchvision's and timm's nets, in pixels, where neither it nor images are named."""


_PANEL = "A net of your own"
_R_G_B = "R,G,B"
ModelName = Annotated[
    str | None,
    typer.Option("--model", metavar="FILE.py:CLASS", help="or torchvision:NAME, timm:NAME", rich_help_panel=_PANEL),
]
Arguments = Annotated[
    list[str] | None, typer.Option("--arg", metavar="NAME=VALUE", help="an argument of the class", rich_help_panel=_PANEL)
]
Weights = Annotated[
    Path | None, typer.Option("--weights", help="a file of weights: .safetensors, or .pt", rich_help_panel=_PANEL, dir_okay=False)
]
Source = Annotated[
    str | None, typer.Option("--data", metavar="SOURCE", help="images: cifar10, folder:PATH, ...", rich_help_panel=_PANEL)
]
Side = Annotated[int | None, typer.Option("--size", help="side of the images, in pixels", min=1, rich_help_panel=_PANEL)]
Mean = Annotated[
    str | None, typer.Option("--mean", metavar=_R_G_B, help="subtracted from images of 0 to 1", rich_help_panel=_PANEL)
]
Deviation = Annotated[
    str | None, typer.Option("--std", metavar=_R_G_B, help="what images are divided by then", rich_help_panel=_PANEL)
]


def own_net(model: str | None, **options: Any) -> OwnNet | None:
    """What was typed; None where no net was named. Raises UsageError for options that would mean nothing then."""
    if model is None and (option := _first_given(options)):
        raise UsageError(f"{option} is for a net of your own: name it by --model FILE.py:CLASS")
    return None if model is None else OwnNet(model, **options)


def _first_given(options: Mapping[str, Any]) -> str:
    given = [name for name, value in options.items() if value]
    return "" if not given else "--arg" if given[0] == "arguments" else f"--{given[0]}"


@dataclass(frozen=True)
class OwnNet:
    """What was typed."""

    model: str
    """`mynet.py:Net`, `torchvision:resnet18`, `timm:resnet50`."""
    arguments: Sequence[str] | None = None
    """`NAME=VALUE`, values as JSON or text."""
    weights: Path | None = None
    data: str | None = None
    size: int | None = None
    mean: str | None = None
    std: str | None = None

    def name_for(self, run: Run) -> str:
        """Have the code named that is the net's of a run that convtui trained; gives it as settings say it. Raises UsageError where
        the net is built from settings, and for what was typed beside it: the run has that of its own."""
        if not run.settings.model.module:
            raise UsageError(f"run {run.id} ({run.name}) knows its own net: leave --model out")
        if option := _first_given({name: value for name, value in vars(self).items() if name != "model"}):
            raise UsageError(f"{option}: run {run.id} ({run.name}) has that of its own: leave it out")
        name_code(self.model, instead_of=run.settings.model.module)
        return whole(self.model)

    def opened(self, saved: SavedNet | None, *, device: str, data_dir: Path | None, told: Waiting) -> Subject:
        """The net with its weights, those of a file or those that a run `saved`, and images: those of --data, or of the run. Raises
        UsageError."""
        from convtui.engine.device import choose, keep_freed_memory
        from convtui.engine.lens.loading import subject_from_module, subject_from_saved
        from convtui.engine.models import fill, imported_net, load_weights

        keep_freed_memory()
        place = choose(device)
        net = imported_net(self.model, {name: json_or_text(value) for name, value in map(_argument, self.arguments or ())})
        if self.weights is not None:
            load_weights(net, self.weights)
        elif saved is not None:
            with self._arguments_of(saved):
                fill(net, saved.weights.weights, f"--model {self.model}")
        if saved is not None and not (self.data or self.size):
            return subject_from_saved(saved, net, device=place, progress=told.looking)
        shape, images, standardise = self._named_images(net, data_dir, told)
        return subject_from_module(
            net.to(place),
            shape,
            images=images,
            standardise=standardise,
            title=self.model if saved is None else saved.title,
            snapshots=() if saved is None else saved.snapshots,
            is_guessed=not (self.data or self.size),
            progress=told.looking,
        )

    @contextmanager
    def _arguments_of(self, saved: SavedNet) -> Iterator[None]:
        """Say with which arguments the run's net was made, where weights do not fit one that was made with none."""
        from convtui.engine.errors import CodeError

        try:
            yield
        except CodeError as error:
            if self.arguments or not (told := arguments_of(saved.weights.code)):
                raise
            raise CodeError(f"{error}; the run's net was made with {told}: name each by --arg") from None

    def _named_images(
        self, net: nn.Module, data_dir: Path | None, told: Waiting
    ) -> tuple[tuple[int, int, int], Dataset | None, Standardise]:
        """Of one image its shape, the images of --data, and what makes of them what the net gets."""
        from convtui.engine.data import catalog
        from convtui.engine.data.batches import Standardise
        from convtui.engine.lens.loading import OWN_SIZE
        from convtui.engine.models import channels_of

        channels = channels_of(net) or (catalog.describe(self.data).channels if self.data is not None else None) or 3
        mean, std = (_numbers(option, text, channels) for option, text in (("--mean", self.mean), ("--std", self.std)))
        images = self._images(channels, data_dir, told) if self.data is not None else None
        side = self.size or (LIBRARY_SIZE if self.model.partition(":")[0] in LIBRARIES else OWN_SIZE)
        height, width = images.test.images.shape[2:] if images is not None else (side, side)
        plain = Standardise.none(channels)
        standardise = Standardise(plain.mean if mean is None else mean, plain.std if std is None else std)
        return (channels, height, width), images, standardise

    def _images(self, channels: int, data_dir: Path | None, told: Waiting) -> Dataset:
        from convtui.engine.data import catalog
        from convtui.engine.lens.loading import OWN_SIZE
        from convtui.engine.spec import RunSpec, changed

        if channels not in (1, 3):
            raise UsageError(f"--data {self.data}: images have 1 or 3 channels, and {self.model} takes {channels}")
        values: dict[str, Any] = {"data.source": self.data, "data.colour": "grey" if channels == 1 else "rgb"}
        side = self.size or catalog.describe(str(self.data)).size or OWN_SIZE
        spec = changed(RunSpec(), values | {"data.size": side})
        return catalog.load(spec.data, data_dir, progress=told.loading)


def _argument(text: str) -> tuple[str, str]:
    return named_value("--arg", text, "as in --arg classes=10")


def _numbers(option: str, text: str | None, channels: int) -> Any:
    import torch

    if text is None:
        return None
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"{option} {text}: write a number for each channel, as in {option} 0.49,0.48,0.45") from None
    if len(found) not in (1, channels):
        raise UsageError(f"{option} {text}: these are {len(found)} numbers, and the net's images have {channels} channels")
    if option == "--std" and not all(each > 0 for each in found):
        raise UsageError(f"--std {text}: deviations are above 0")
    return torch.tensor(found * channels if len(found) == 1 else found)
