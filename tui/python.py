"""The face for Python programs: look into a net that is already there, as `convtui look` does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

if TYPE_CHECKING:
    from torch import Tensor, nn

    from convtui.engine.figures.figure import Result
    from convtui.engine.figures.ground import GroundName


@dataclass(frozen=True)
class Looked(Sequence["Result"]):
    """What was seen: results to go through (`Sheet`, `Curves` or `Table`, plain values). Jupyter shows it as a picture."""

    results: tuple[Result, ...]

    def __len__(self) -> int:
        return len(self.results)

    def __getitem__(self, place: Any) -> Any:
        return self.results[place]

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def show(self) -> None:
        """Draw it in the terminal, as wide as that is."""
        from rich.console import Console

        from convtui.tui.render.console import draw

        draw(self.results, Console(highlight=False, markup=False, emoji=False))

    def save(self, path: str | Path, *, ground: GroundName = "dark") -> None:
        """Write it as a picture (.png, .svg, .pdf), as tables (.md), or as numbers (.csv, .json, .npz).

        `ground` is a picture's: "light" for paper. Raises UsageError for another name, or where that cannot be written.
        """
        from convtui.engine.errors import UsageError
        from convtui.engine.figures.ground import GroundName
        from convtui.engine.figures.saving import save

        if ground not in get_args(GroundName):
            raise UsageError(f"ground is {ground!r}: use {' or '.join(get_args(GroundName))}")
        save(self.results, Path(path), ground)

    def _repr_png_(self) -> bytes:
        from convtui.engine.figures.saving import png

        return png(self.results)

    def __repr__(self) -> str:
        return f"<{len(self)} results: show() draws them, save('x.png') keeps them>"


def look(
    model: nn.Module,
    images: Tensor | None = None,
    view: str = "filters",
    *,
    labels: Tensor | None = None,
    classes: Sequence[str] = (),
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    size: int | tuple[int, int] | None = None,
    **options: Any,
) -> Looked:
    """Look into a net. Nothing of it is changed: its mode, weights, gradients and the random numbers of torch are as before.

    `images`: float [N, C, H, W] as the net gets them, or uint8. `mean`, `std`: a number per channel, of pixels from 0 to 1, that
    float images were standardised with, so that they can be drawn; uint8 images are still to be. `labels`: int [N].
    `size`: of the images where there are none, by default 224. `options`: those that `convtui views VIEW` lists, `layer="layer1"`.
    Raises UsageError for what there is not, NotApplicable where the view has no meaning for this net.
    """
    from torch import nn

    from convtui.engine.data.own_images import own_images
    from convtui.engine.errors import UsageError
    from convtui.engine.lens.loading import subject_from_module
    from convtui.engine.lens.registry import view as find_view
    from convtui.engine.models import channels_of

    if not isinstance(model, nn.Module):
        raise UsageError(f"model is of type {type(model).__name__}: give a net, as Net(), which is a torch.nn.Module")
    sides = (size, size) if isinstance(size, int) else size or (224, 224)
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise UsageError(f"size is {size!r}: give the images' side, or (height, width), in pixels")
    chosen = find_view(str(view))
    made = chosen.make({name: value for name, value in options.items() if value is not None})
    own = None if images is None else own_images(images, labels, classes, mean, std)
    subject = subject_from_module(
        model,
        (channels_of(model) or 3, *sides) if own is None else own.shape,
        images=None if own is None else own.dataset,
        classes=classes,
        standardise=None if own is None else own.standardise,
        title=type(model).__name__,
        is_guessed=own is None and size is None,
    )
    if own is not None and (last := int(own.dataset.test.labels.max())) >= len(subject.classes):
        outputs = len(subject.classes)
        raise UsageError(
            f"labels go up to {last}, and the net has {outputs} outputs: give 0 to {outputs - 1}, -1 where it is not known"
        )
    return Looked(tuple(chosen(subject, made)))
