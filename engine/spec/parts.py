"""The groups of hyperparameters, each field with its bounds, unit and one line of help."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, assert_never

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from convtui.engine.files import absolute
from convtui.engine.metrics import MEASURES, Measure
from convtui.engine.named_code import LIBRARIES, whole
from convtui.engine.spec.arguments import Arguments, values_of
from convtui.engine.spec.base import WANTED, Part, hyper, quoted, several
from convtui.engine.spec.blocks import DENSE_NOTATION, ConvBlocks, DenseBlocks
from convtui.engine.spec.choices import (
    Activation,
    CellOrNone,
    Colour,
    FirstFilters,
    Fit,
    Init,
    Loss,
    Order,
    OutputActivation,
    Precision,
    Schedule,
    StepPaths,
    TestViews,
    UpdateRule,
    channels_of,
    takes_momentum,
)  # fmt: skip
from convtui.engine.spec.sizes import Sides


def _no_truth(value: Any) -> Any:
    """True and false are not numbers."""
    if isinstance(value, bool):
        raise ValueError(f"is not {WANTED['float']}")
    return value


def _no_longer_drawn(value: Any) -> Any:
    """Runs and presets of older versions say `drawn`."""
    return "random" if value == "drawn" else value


def _name(value: Any) -> Any:
    """Classes of digits may be written as numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else value


Slopes = Annotated[tuple[Annotated[float, BeforeValidator(_no_truth), Field(gt=0, le=100)], ...], BeforeValidator(several)]
Leaks = Annotated[tuple[Annotated[float, BeforeValidator(_no_truth), Field(ge=0, lt=1)], ...], BeforeValidator(several)]
Names = Annotated[tuple[Annotated[str, BeforeValidator(_name), Field(min_length=1)], ...], BeforeValidator(several)]


# ------------------------------------------------------------------------------------------------------- measures


def _names(value: Any) -> Any:
    """Accept names written in one line, parted by commas; each counts once."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        return value
    return tuple(dict.fromkeys(part.strip() if isinstance(part, str) else part for part in parts if part != ""))


Measures = Annotated[tuple[Measure, ...], BeforeValidator(_names)]


# ------------------------------------------------------------------------------------------------ the four parts


OWN = ("module", "arguments")
"""What describes a net of a person's own code; all other fields of the model describe one that is built from settings."""


class ModelSpec(Part):
    """The net: convolutional blocks or recurrent cells, then dense blocks, then a dense output of one unit a class.

    Or a person's own: with `module` the other fields but `arguments` have no effect, and are as they are by default.
    """

    conv_blocks: ConvBlocks = hyper(
        (),
        "32 5x5 pad 2 pool 2, ...; also stride, pad same, dilation, groups, no-bias, bn, skip, avg-pool, pool global, dropout",
        max_length=128,
    )
    cell: CellOrNone = hyper(
        "none", "recurrent cell that reads the image row by row, instead of convolutions; its last state is passed on"
    )
    hidden: int = hyper(128, "hidden units per recurrent layer; needs a cell", "units", ge=1, le=8192)
    layers: int = hyper(1, "stacked recurrent layers; needs a cell", "layers", ge=1, le=16)
    dense_blocks: DenseBlocks = hyper((), f"{DENSE_NOTATION}, ..., as in 1024 dropout 0.5", max_length=16)
    activation: Activation = hyper("relu", "nonlinearity after every hidden layer")
    output_activation: OutputActivation = hyper("none", "nonlinearity after the output; needs the loss sum_squares")
    slope: Slopes = hyper((1.0,), "s in f(s x), the steepness of tanh and sigmoid: one for all, or one each, the output's last")
    leak: Leaks = hyper((0.01,), "slope of leaky_relu below zero: one for all, or one each, the output's last")
    init: Init = hyper("default", "weight initialisation; default: PyTorch's own; lecun: gaussian, std fan_in^-1/2")
    init_std: float = hyper(0.1, "standard deviation of the weights; needs gaussian", gt=0, le=100)
    first_filters: Annotated[FirstFilters, BeforeValidator(_no_longer_drawn)] = hyper(
        "random",
        "filters of conv1 before training: random like all others, the mean image of each class, or whitening",
    )
    module: str = hyper("", "a net of your own instead: FILE.py:CLASS, or torchvision:NAME, timm:NAME (docs/own-nets.md)")
    arguments: Arguments = hyper("", "of the module: NAME=VALUE, ..., as in width=32, norm=true")

    @property
    def keywords(self) -> dict[str, Any]:
        """The arguments of the module, by name."""
        return values_of(self.arguments)

    @property
    def activations(self) -> tuple[Activation, ...]:
        """The nonlinearities in the order of the net, the output's, if it has one, last."""
        hidden = (self.activation,) * (len(self.conv_blocks) + len(self.dense_blocks))
        return hidden if self.output_activation == "none" else (*hidden, self.output_activation)

    @model_validator(mode="before")
    @classmethod
    def _module_alone(cls, values: Any) -> Any:
        """Specs of the same net are equal."""
        if not isinstance(values, dict) or values.get("module", "") in ("", "none"):
            return values
        return {name: value for name, value in values.items() if name in OWN or name not in cls.model_fields}

    @field_validator("module")
    @classmethod
    def _from_anywhere(cls, value: str) -> str:
        return "" if value in ("", "none") else whole(value)

    @model_validator(mode="after")
    def _own_net_fits(self) -> ModelSpec:
        if self.arguments and not self.module:
            raise ValueError(f"model.arguments = {quoted(self.arguments)} are of no net: set model.module too")
        if self.module.partition(":")[0] in LIBRARIES:
            for name in self.keywords:
                if name.startswith(("pretrained", "weights", "checkpoint")):
                    raise ValueError(
                        f"model.arguments.{name} would load weights whenever the net is built: save them to a file, and set "
                        "training.start_from = FILE.safetensors"
                    )
        return self

    @model_validator(mode="after")
    def _fit_together(self) -> ModelSpec:
        if self.cell != "none" and self.conv_blocks:
            raise ValueError(
                f"model.cell = {self.cell} reads the image itself, and model.conv_blocks would too: set model.conv_blocks = none "
                "or model.cell = none"
            )
        if self.first_filters != "random" and not self.conv_blocks:
            raise ValueError(
                f"model.first_filters = {self.first_filters} is about conv1, but model.conv_blocks = none: add a block, or set "
                "model.first_filters = random"
            )
        if self.first_filters != "random" and self.conv_blocks[0].groups != 1:
            raise ValueError(
                f"model.first_filters = {self.first_filters} gives conv1 whole images, and in groups its filters see a part of "
                "them: leave groups out of the first block, or set model.first_filters = random"
            )
        there = len(self.activations)
        for name, values in (("slope", self.slope), ("leak", self.leak)):
            if not values or len(values) not in (1, there):
                raise ValueError(
                    f"model.{name} = {quoted(values)} has {len(values)} values, but the net has {there} "
                    f"activations: give one for all{f', or {there}' if there > 1 else ''}"
                )
        return self


class DataSpec(Part):
    """The images, how they are prepared and in which order they come."""

    source: str = hyper(
        "shapes",
        "shapes, digits, mnist, fashion-mnist, kmnist, cifar10, cifar100, svhn, folder:PATH, csv:PATH, wds:PATH, hf:NAME",
        min_length=1,
    )
    classes: Names = hyper((), "only these classes, in this order, e.g. 1, 3; empty: all", max_length=1000)
    colour: Colour = hyper("rgb", "grey is ITU-R 601 luma, one channel; rgb has three; rgba a fourth, the opacity")
    size: int = hyper(32, "rows of the images, and columns too unless width is set", "pixels", ge=4, le=512)
    width: int = hyper(0, "columns of images that are not square", "pixels", zero="same as rows", ge=0, le=512)
    fit: Fit = hyper("resize", "resize images of another size, or crop them to their middle")
    train_per_class: int = hyper(0, "first N training images of each class", "images", zero="all", ge=0)
    test_per_class: int = hyper(0, "first N test images of each class", "images", zero="all", ge=0)
    standardise: bool = hyper(True, "subtract the training split's mean and divide by its standard deviation, per channel")
    order: Order = hyper("shuffle", "a new order each epoch, the dataset's own, or class by class")
    batch_size: int = hyper(128, "images per step", "images", ge=1, le=65536)
    validation_fraction: float = hyper(0.0, "share of the training images held out for validation", ge=0, le=0.5)
    flip: bool = hyper(False, "in training, mirror half of the images left to right, at random")
    shift: int = hyper(
        0, "in training, shift each image by up to this much in each direction; mirrored at the border", "pixels", ge=0, le=64
    )
    brightness: float = hyper(0.0, "in training, lighten or darken each image by up to this share of white", ge=0, le=1)
    contrast: float = hyper(0.0, "in training, multiply each image's contrast by 1 - this to 1 + this", ge=0, le=1)
    cutout: int = hyper(0, "in training, blank out a square of this side in each image", "pixels", zero="none", ge=0, le=512)
    test_views: TestViews = hyper(
        "plain", "in evaluations, the mean of what the net says of each image, of its mirror image, and of both shifted by a pixel"
    )

    @property
    def channels(self) -> int:
        """Of the images that a net gets."""
        return channels_of(self.colour)

    @property
    def sides(self) -> Sides:
        """Rows and columns of the images that a net gets."""
        return self.size, self.width or self.size

    @property
    def crops(self) -> bool:
        """Whether images of another size are cut to their middle, and not resized."""
        match self.fit:
            case "crop":
                return True
            case "resize":
                return False
            case other:
                assert_never(other)

    @property
    def selection(self) -> tuple[Any, ...]:
        """What decides which images there are and what they look like: with the same one, runs see the same images."""
        shown = (self.source, self.classes, self.colour, self.sides, self.fit)
        return (*shown, self.train_per_class, self.test_per_class, self.validation_fraction)

    @property
    def augmented(self) -> bool:
        """Whether training images are distorted, and so random numbers drawn for each batch."""
        return bool(self.flip or self.shift or self.brightness or self.contrast or self.cutout)

    @field_validator("width")
    @classmethod
    def _one_way_to_say_it(cls, value: int, info: ValidationInfo) -> int:
        """0 where the images are square: specs of the same images are equal."""
        return 0 if value == info.data.get("size") else value

    @model_validator(mode="after")
    def _fit_together(self) -> DataSpec:
        if len(set(self.classes)) < len(self.classes):
            raise ValueError(f"data.classes = {quoted(', '.join(self.classes))} names a class twice: list each once")
        if len(self.classes) == 1:
            raise ValueError(f"data.classes = {quoted(self.classes[0])} is one class, and a net needs two or more: add another")
        if 0 < self.width < 4:
            raise ValueError(f"data.width = {self.width} is out of bounds: it must be 0 or >= 4; the nearest valid value is 4")
        if self.shift >= min(self.sides):
            least = min(self.sides)
            raise ValueError(f"data.shift = {self.shift} shifts images of {least} pixels out of view: set data.shift < {least}")
        return self


class OptimiserSpec(Part):
    """How weights are updated and how the learning rate moves."""

    name: UpdateRule = hyper("adam", "update rule; nesterov is sgd that looks ahead")
    learning_rate: float = hyper(1e-3, "learning rate, before the schedule", gt=0, le=10)
    momentum: float = hyper(
        0.0, "share of the last update kept; for sgd, rmsprop and nesterov, which needs it (e.g. 0.9)", ge=0, lt=1
    )
    weight_decay: float = hyper(0.0, "pull of the weights towards zero (decoupled in adamw and lion)", ge=0, le=1)
    clip_norm: float = hyper(0.0, "largest norm of the whole gradient; a longer one is scaled down", zero="no limit", ge=0, le=1e6)
    schedule: Schedule = hyper("constant", "how the learning rate changes over time")
    decay: float = hyper(0.95, "factor per epoch (exponential, smoothly) or per drop (step)", gt=0, le=1)
    step_epochs: float = hyper(10.0, "time between drops of the step schedule", "epochs", gt=0, le=100_000)
    warmup_epochs: float = hyper(0.0, "linear rise from zero before the cosine schedule", "epochs", ge=0, le=1000)


RUN = "run:"
"""Before a run's number, where weights are named."""
WEIGHT_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")


class TrainingSpec(Part):
    """How long to train, what to minimise, when to look and what to keep."""

    epochs: int = hyper(10, "passes over the training images", "epochs", ge=1, le=100_000)
    steps: int | None = hyper(None, "budget in updates, instead of epochs", "steps", ge=1, le=1_000_000_000)
    images: int | None = hyper(
        None, "budget in images shown, repeats counted, instead of epochs", "images", ge=1, le=1_000_000_000_000
    )
    loss: Loss = hyper(
        "cross_entropy", "what is minimised; sum_squares is half the sum of squares per image, against one-hot targets"
    )
    label_smoothing: float = hyper(0.0, "share of the target spread over all classes, in training only", ge=0, lt=1)
    measures: Measures = hyper((), f"extra measures, comma-separated: {', '.join(MEASURES)}", max_length=len(MEASURES))
    patience: int = hyper(
        0, "epochs without a lower validation loss before stopping early", "epochs", zero="never", ge=0, le=10_000
    )
    evaluate_every: int = hyper(1, "epochs between evaluations; the last one is always evaluated", "epochs", ge=1, le=10_000)
    evaluate_train: bool = hyper(False, "evaluate on the training images too, once, with the final weights")
    snapshot_every: int = hyper(0, "epochs between snapshots of the weights", "epochs", zero="none", ge=0, le=10_000)
    checkpoint_seconds: float = hyper(30.0, "time between resumable checkpoints", "seconds", ge=0, le=86_400)
    start_from: str = hyper("", "weights to begin with: run:NUMBER, FILE.safetensors or FILE.pt; layers of other shapes begin new")
    freeze: Names = hyper((), "layers that are not trained, by name or pattern, e.g. conv1, layer*", max_length=1000)
    seed: int = hyper(0, "seed for weights, image order and dropout", ge=0, lt=2**63)
    precision: Precision = hyper("float32", "bfloat16 is mixed precision: quicker on GPUs and processors that have it")
    step_path: StepPaths = hyper(
        "auto", "how steps are computed: the quickest way that agrees with eager, eager, or by torch.compile"
    )
    threads: int = hyper(0, "CPU threads", "threads", zero="one per core", ge=0, le=1024)

    @property
    def outputs_are(self) -> Literal["logits", "values"]:
        """What the loss makes of a net's outputs: logits, whose softmax is the probability of each class, or values near the
        one-hot targets, which are not probabilities."""
        match self.loss:
            case "cross_entropy":
                return "logits"
            case "sum_squares":
                return "values"
        assert_never(self.loss)

    @field_validator("start_from")
    @classmethod
    def _weights(cls, value: str) -> str:
        if value in ("", "none"):
            return ""
        if re.fullmatch(rf"{RUN}[0-9]{{1,18}}", value):
            return value
        if not value.endswith(WEIGHT_SUFFIXES):
            raise ValueError(f"names no weights: write {RUN}NUMBER, FILE.safetensors or FILE.pt")
        return str(absolute(value))

    @model_validator(mode="after")
    def _one_budget(self) -> TrainingSpec:
        if self.steps is not None and self.images is not None:
            raise ValueError(
                f"training.steps = {self.steps} and training.images = {self.images} are two budgets: set one of them to none"
            )
        return self


class RunSpec(Part):
    """A run's full settings.

    Raises nothing of pydantic's to callers that build it through `make` or `changed`: those raise SpecError.
    """

    model: ModelSpec = Field(default_factory=ModelSpec)
    data: DataSpec = Field(default_factory=DataSpec)
    optimiser: OptimiserSpec = Field(default_factory=OptimiserSpec)
    training: TrainingSpec = Field(default_factory=TrainingSpec)

    def steps_per_epoch(self, images: int) -> int:
        """Of an epoch of so many images; the last step's batch may be short."""
        return -(-images // self.data.batch_size)

    def total_steps(self, images_per_epoch: int) -> int:
        """The budget in steps. One in images ends with the step that shows the last of them, with its whole batch."""
        per_epoch, training = self.steps_per_epoch(images_per_epoch), self.training
        if training.images is not None:
            epochs, rest = divmod(training.images, images_per_epoch)
            return epochs * per_epoch + self.steps_per_epoch(rest)
        return training.epochs * per_epoch if training.steps is None else training.steps

    def images_in(self, steps: int, images_per_epoch: int) -> int:
        """How many images the first `steps` steps show, each counted as often as it is; an epoch's last batch may be short."""
        epochs, rest = divmod(steps, self.steps_per_epoch(images_per_epoch))
        return epochs * images_per_epoch + rest * self.data.batch_size

    @model_validator(mode="after")
    def _agree(self) -> RunSpec:
        if self.training.patience and not self.data.validation_fraction:
            raise ValueError(
                f"training.patience = {self.training.patience} stops on the validation loss, but data.validation_fraction = 0 "
                "holds no images out: set data.validation_fraction (e.g. 0.1) or training.patience = 0"
            )
        if self.model.output_activation != "none" and self.training.loss == "cross_entropy":
            raise ValueError(
                f"model.output_activation = {self.model.output_activation}, but training.loss = cross_entropy already includes a "
                "softmax: set model.output_activation = none or training.loss = sum_squares"
            )
        if self.optimiser.momentum and not takes_momentum(self.optimiser.name):
            raise ValueError(
                f"optimiser.momentum = {self.optimiser.momentum:g} applies to sgd, nesterov and rmsprop only, but "
                f"optimiser.name = {self.optimiser.name}: set optimiser.name = sgd or optimiser.momentum = 0"
            )
        if self.optimiser.name == "nesterov" and not self.optimiser.momentum:
            raise ValueError(
                "optimiser.name = nesterov looks ahead along its momentum, but optimiser.momentum = 0: "
                "set optimiser.momentum (e.g. 0.9) or optimiser.name = sgd"
            )
        if self.optimiser.warmup_epochs and self.optimiser.schedule != "cosine":
            raise ValueError(
                f"optimiser.warmup_epochs = {self.optimiser.warmup_epochs:g} applies to the cosine schedule only, but "
                f"optimiser.schedule = {self.optimiser.schedule}: set optimiser.schedule = cosine or optimiser.warmup_epochs = 0"
            )
        return self
