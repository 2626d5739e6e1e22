"""The face for Python programs: look into a net that is already there, as `convtui look` does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convtui.engine.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from convtui.engine.data.split import Dataset
    from convtui.engine.figures.figure import Result


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

    def save(self, path: str | Path) -> None:
        """Write it as .png, or as numbers: .json or .npz. Raises UsageError for another name, or where that cannot be written."""
        from convtui.engine.figures.saving import save

        save(self.results, Path(path))

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
    from convtui.engine.lens.loading import subject_from_module
    from convtui.engine.lens.registry import view as find_view

    chosen = find_view(view)
    made = chosen.make({name: value for name, value in options.items() if value is not None})
    shape, dataset, standardise = _fed(model, images, labels, classes, mean, std, size)
    subject = subject_from_module(
        model, shape, images=dataset, classes=classes, standardise=standardise, title=type(model).__name__
    )
    return Looked(tuple(chosen(subject, made)))


def _fed(
    model: nn.Module,
    images: Tensor | None,
    labels: Tensor | None,
    classes: Sequence[str],
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    size: int | tuple[int, int] | None,
) -> tuple[tuple[int, int, int], Dataset | None, Any]:
    """The shape of an image, the images as pixels from 0 to 255, and what turns these into what the net gets."""
    import torch

    from convtui.engine.data.batches import Standardise
    from convtui.engine.models.importing import channels_of

    if images is None:
        height, width = (size, size) if isinstance(size, int) else size or (224, 224)
        return (channels_of(model) or 3, height, width), None, None
    if images.ndim != 4 or not len(images):
        raise UsageError(f"images must be [N, C, H, W], at least one: these are {list(images.shape)}")
    _, channels, height, width = images.shape
    for name, given in (("mean", mean), ("std", std)):
        if given is not None and len(given) != channels:
            raise UsageError(f"{name} has {len(given)} numbers, and the images have {channels} channels")
    images = images.detach().cpu()
    if images.dtype == torch.uint8 or mean is not None or std is not None:
        standardise = Standardise(torch.tensor(mean or [0.0] * channels), torch.tensor(std or [1.0] * channels))
    else:
        low, high = float(images.min()), float(images.max())
        spread = max(high - low, 1e-12)
        standardise = Standardise(torch.full((channels,), -low / spread), torch.full((channels,), 1 / spread))
    if images.dtype != torch.uint8:
        images = 255 * (images.float() * standardise.std[:, None, None] + standardise.mean[:, None, None])
    return (channels, height, width), _dataset(images, labels, classes), standardise


def _dataset(images: Tensor, labels: Tensor | None, classes: Sequence[str]) -> Dataset:
    import torch

    from convtui.engine.data.split import Dataset, Split

    if labels is not None and labels.shape != (len(images),):
        raise UsageError(f"labels must be [{len(images)}], one for each image: these are {list(labels.shape)}")
    known = torch.full((len(images),), -1) if labels is None else labels.detach().cpu().long()
    names = tuple(classes) or tuple(map(str, range(int(known.max()) + 1)))
    part = Split(images, known, names)
    channels = images.shape[1]
    return Dataset("images", part, None, part, torch.zeros(channels), torch.ones(channels))
