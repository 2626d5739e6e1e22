"""Which layer, map and images a person means; options that several views have in common."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from convtui.engine.data.contents import UnreadableFile, read_file
from convtui.engine.data.names import listed, shown
from convtui.engine.data.picture import UnreadableImage, decode_alone
from convtui.engine.data.prepare import greyed
from convtui.engine.data.split import Split
from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.lens.backward import Rule, check, obstacle
from convtui.engine.lens.continuation import behind
from convtui.engine.lens.functions import Kind
from convtui.engine.lens.registry import Need, Options
from convtui.engine.lens.subject import Prediction, SplitName, Subject
from convtui.engine.lens.trace import Call
from convtui.engine.lens.tracer import INPUT
from convtui.engine.spec import hyper, nearest


class OfLayer(Options):
    """Options of a view of one layer."""

    layer: str | None = hyper(None, "layer name; default: the last convolution")


class OfImages(Options):
    """Options of a view of a split."""

    split: SplitName = hyper("test", "which images: train, validation or test")


class OfOneImage(OfImages):
    """Options of a view of one image."""

    image: str | None = hyper(None, "its number in the split, a FILE, random, or misclassified (the most confident mistake)")


class OfSeveralImages(OfOneImage):
    """Options of a view of one image, or of several on one sheet."""

    image: str | None = hyper(
        None, "its number in the split, several (1,5,7), a FILE, random, or misclassified (the most confident mistake)"
    )
    count: int = hyper(1, "without an image: the first N of the split", "images", ge=1, le=1000)


# ---------------------------------------------------------------------------------------------------- what nets must have


def has_conv(subject: Subject) -> str | None:
    """Whether there is a convolution."""
    if subject.trace.of_kind("conv"):
        return None
    dense = listed(list(subject.trace.of_kind("dense")))
    serves = f"use 'saliency', 'statistics' or 'confusion'; its dense layers are {dense}" if dense else "use 'summary'"
    others = sorted({call.function for call in subject.trace.calls if call.function.startswith("conv")} - {"conv2d"})
    lacks = f"the net has {listed(others)} and no conv2d" if others else "the net has no convolutional layer"
    return f"{lacks}; {serves}"


def goes_back(rule: Rule, *kinds: Kind) -> Need:
    """Whether there is a layer of these kinds from which `rule` leads back to the pixels."""

    def need(subject: Subject) -> str | None:
        obstacles = [obstacle(subject.trace, call.index, rule) for call in subject.trace.of_kind(*kinds).values()]
        return obstacles[-1] if obstacles and None not in obstacles else None

    return need


def check_way_back(subject: Subject, index: int, rule: Rule, *kinds: Kind) -> None:
    """Raise NotApplicable where `rule` does not lead back from call `index`, naming the deepest layer of `kinds` that it serves."""
    try:
        check(subject.trace, index, rule)
    except NotApplicable as error:
        calls = subject.trace.of_kind(*kinds)
        served = [name for name, call in calls.items() if obstacle(subject.trace, call.index, rule) is None]
        raise NotApplicable(f"{error}; {rule} serves {served[-1]} (--layer)" if served else str(error)) from None


def has_features(subject: Subject) -> str | None:
    """Whether there is a layer with features of each image."""
    if feature_layers(subject):
        return None
    return "the net has no convolutional, dense or recurrent layer that gives each image's own values; 'summary' lists its layers"


def gives_classes(subject: Subject) -> str | None:
    """Whether the output is one number per class."""
    if subject.gives_classes:
        return None
    return f"the net's output is not one number for each of the {len(subject.classes)} classes; 'activations' shows what it is"


def class_meant(subject: Subject, told: Prediction, name: str | None) -> int:
    """The class called `name`; if none is, the image's true one, and where that is not known the predicted one."""
    if name is not None:
        return subject.label(name)
    label = told.predicted if told.label is None else told.label
    if label is None:
        raise NotApplicable("the net's output for this image is NaN: it diverged; look at an earlier epoch")
    return label


# ------------------------------------------------------------------------------------------------------------- layers


def layer(subject: Subject, name: str | None, *, maps: bool = True) -> tuple[str, Call]:
    """The layer of this name with its call; if no name is given, the last convolution.

    With batch norm right behind it, it is taken with that. With `maps` it must have feature maps. Raises NotApplicable, naming
    the layers that would do.
    """
    trace = subject.trace
    calls = {leaf: trace.calls[trace.layers[leaf]] for leaf in trace.leaves() if trace.layers[leaf] != INPUT}
    shapes = {leaf: call.shape for leaf, call in calls.items() if call.layout.by_image}
    fit = [leaf for leaf, shape in shapes.items() if len(shape) == 3 or (len(shape) == 1 and not maps)]
    if name is None:
        there = {leaf: call for leaf, call in trace.of_kind("conv").items() if leaf in shapes}
        if not there:
            raise NotApplicable(f"the net has no layer of kind conv; choose one of {', '.join(fit)}")
        name, last = list(there.items())[-1]
        return name, trace.calls[trace.with_norm(last.index)]
    call = trace.layer(name)
    if not call.layout.by_image:
        raise NotApplicable(f"layer {name} is given parts of images, which are put into the batch; choose one of {', '.join(fit)}")
    if len(call.shape) not in (1, 3):
        raise NotApplicable(f"the output of layer {name} is {_size(call)}, neither maps nor units; choose one of {', '.join(fit)}")
    if maps and len(call.shape) != 3:
        raise NotApplicable(f"layer {name} has no feature maps, its output is {_size(call)}; choose one of {', '.join(fit)}")
    return name, trace.calls[trace.with_norm(call.index)]


def inner_layers(subject: Subject) -> list[str]:
    """Convolutions, dense and recurrent layers that give each image's own values, but the last, which gives the classes."""
    trace = subject.trace
    calls = {name: call for name, call in trace.of_kind("conv", "dense", "cell").items() if call.layout.by_image}
    weighing = {call.index for call in trace.calls if call.kind in ("conv", "dense", "cell", "attention", "product")}
    return [name for name, call in calls.items() if weighing.intersection(behind(trace, trace.together(call.index)))]


def feature_layers(subject: Subject) -> list[str]:
    """The layers whose features can be compared: `inner_layers`, and where there is none the last layer."""
    found = inner_layers(subject)
    return found or [name for name, call in subject.trace.of_kind("conv", "dense", "cell").items() if call.layout.by_image][-1:]


def last_features(subject: Subject) -> str:
    """The last hidden dense layer; where there is none, the last of `feature_layers`."""
    found = feature_layers(subject)
    dense = subject.trace.of_kind("dense")
    return next((name for name in reversed(found) if name in dense and len(dense[name].shape) == 1), found[-1])


def of_maps(shape: Sequence[int], name: str, number: int | None) -> list[int]:
    """The map `number` of the layer, whose outputs have this shape, or all. Raises UsageError for one that there is not."""
    if number is None:
        return list(range(shape[0]))
    if not 0 <= number < shape[0]:
        what = "maps" if len(shape) == 3 else "units"
        raise UsageError(f"layer {name} has no map {number}: its {shape[0]} {what} are 0 to {shape[0] - 1}")
    return [number]


def check_unit(call: Call, name: str, row: int, column: int) -> None:
    """Raise UsageError for a place that the layer's maps do not have."""
    _, height, width = call.shape
    if not (0 <= row < height and 0 <= column < width):
        raise UsageError(
            f"layer {name} has no unit at {row},{column}: its maps have rows 0 to {height - 1}, columns 0 to {width - 1}"
        )


def _size(call: Call) -> str:
    return " x ".join(map(str, call.shape)) or "no tensor"


# ------------------------------------------------------------------------------------------------------------- images


@dataclass(frozen=True, eq=False, slots=True)
class Chosen:
    """Images that a person chose."""

    images: Tensor
    """uint8 [N, C, H, W]."""
    predictions: list[Prediction]
    names: list[str]
    """`#12`, or a file's name."""
    numbers: list[int | None]
    """Places in the split; None for a file."""

    def each(self) -> Iterator[Chosen]:
        """One by one."""
        for place in range(len(self.images)):
            part = slice(place, place + 1)
            yield Chosen(self.images[part], self.predictions[part], self.names[part], self.numbers[part])

    @property
    def named(self) -> str:
        """`#12`, or `3 images`."""
        return self.names[0] if len(self.names) == 1 else f"{len(self.names)} images"

    def captions(self, subject: Subject) -> list[str]:
        """Name, true class, predicted class and its score of each."""
        return [f"{name} {subject.says(told)}" for name, told in zip(self.names, self.predictions, strict=True)]


def numbered(subject: Subject, split: Split, numbers: Tensor | list[int]) -> Chosen:
    """The images of these places in `split`."""
    places = torch.as_tensor(numbers, dtype=torch.int64)
    part = split.select(places)
    listed = [int(place) for place in places]
    return Chosen(part.images, subject.predictions(part.images, part.labels), [f"#{number}" for number in listed], list(listed))


def images(subject: Subject, options: OfSeveralImages) -> Chosen:
    """Those that `options.image` names: one, or several by their numbers (`1,5,7`); or else the first `options.count` of the split.

    Raises UsageError for one that there is not, NotApplicable where no image is misclassified.
    """
    split = subject.split(options.split) if options.image is None else None
    if split is not None:
        return numbered(subject, split, list(range(min(options.count, len(split)))))
    text = options.image or ""
    if not re.fullmatch(r"[0-9]{1,18}(,[0-9]{1,18})+", text):
        return image(subject, options)
    split = subject.split(options.split)
    numbers = [int(part) for part in text.split(",")]
    if missing := [number for number in numbers if number >= len(split)]:
        raise UsageError(f"no image {missing[0]}: the {options.split} split has images 0 to {len(split) - 1}")
    return numbered(subject, split, numbers)


def image(subject: Subject, options: OfOneImage) -> Chosen:
    """The one image that `options.image` names; the first of the split if it names none.

    Raises UsageError for one that there is not, NotApplicable where no image is misclassified.
    """
    text = "0" if options.image is None else options.image
    if text not in ("random", "misclassified") and not re.fullmatch("-?[0-9]{1,18}", text):
        if not _is_there(text):
            near = nearest(text, ("random", "misclassified"))
            raise UsageError(f"image {shown(text)}{near} is not a file, a number in the split, random or misclassified")
        return from_files(subject, [Path(text)])
    split = subject.split(options.split)
    if text == "random":
        # A generator of its own: looking changes no training.
        generator = torch.Generator()
        generator.seed()
        return numbered(subject, split, torch.randint(len(split), (1,), generator=generator))
    if text == "misclassified":
        told = subject.predictions(split.images, split.labels)
        wrong = [place for place, each in enumerate(told) if each.is_wrong]
        if not wrong:
            raise NotApplicable(f"no image of the {options.split} split is misclassified: give an image by its number")
        return numbered(subject, split, surest(told, wrong)[:1])
    number = int(text)
    if not 0 <= number < len(split):
        raise UsageError(f"no image {number}: the {options.split} split has images 0 to {len(split) - 1}")
    return numbered(subject, split, [number])


def _is_there(text: str) -> bool:
    try:
        return bool(text) and Path(text).expanduser().exists()
    except (OSError, RuntimeError):  # a name too long, a home directory that does not exist
        return False


def surest(predictions: Sequence[Prediction], places: Iterable[int]) -> list[int]:
    """`places` in the order of the confidence of what is predicted there, the highest first; of equals the earlier."""
    return sorted(places, key=lambda place: -predictions[place].confidence)


def from_files(subject: Subject, paths: Sequence[Path]) -> Chosen:
    """A person's own pictures, brought to the size and colour that the net takes as the run's own images are (`data.fit`).

    Raises UsageError naming those that cannot be read, if there are any.
    """
    channels, height, width = subject.shape
    crop = subject.spec is not None and subject.spec.data.crops
    decoded, trouble = [], []
    for path in paths:
        try:
            content = read_file(path.expanduser())
            decoded.append(
                torch.tensor(
                    decode_alone(content, (height, width), crop=crop, white=lambda: subject.images.white, alpha=channels == 4)
                )
            )
        except RuntimeError:
            trouble.append(f"{shown(path)} (no such home directory)")
        except (UnreadableFile, UnreadableImage) as error:
            trouble.append(f"{shown(path)} ({error})")
    if trouble:
        raise UsageError(f"no picture can be read from {listed(trouble)}")
    coloured = torch.stack(decoded)
    images = greyed(coloured) if channels == 1 else coloured
    return Chosen(images, subject.predictions(images), [shown(path.name) for path in paths], [None] * len(paths))
