"""Who described what: papers behind settings, views and tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from convtui.engine.data.names import listed
from convtui.engine.report.content import Source
from convtui.engine.spec import RunSpec

_ARXIV = "https://arxiv.org/abs/"


def _arxiv(text: str, number: str) -> Source:
    return Source(text, f"{_ARXIV}{number}")


ZEILER = _arxiv("Zeiler and Fergus 2014, Visualizing and Understanding Convolutional Networks", "1311.2901")
VIEWS: Mapping[str, tuple[str, Source]] = {
    "deconvnet": ("projections back to pixels, top nine", ZEILER),
    "patches": ("image patches that excite a map", ZEILER),
    "occlusion": ("occlusion by a square", ZEILER),
    "filters": (
        "filters of the first layer as pictures",
        Source(
            "Krizhevsky, Sutskever and Hinton 2012, ImageNet Classification with Deep Convolutional Neural Networks",
            "https://doi.org/10.1145/3065386",
        ),
    ),
}
"""View -> what it is called in a list of methods, and its source."""
WELCH = Source("Welch 1947, The Generalization of 'Student's' Problem, Biometrika 34", "https://doi.org/10.1093/biomet/34.1-2.28")
_MNIST = Source("LeCun, Bottou, Bengio and Haffner 1998, Gradient-Based Learning Applied to Document Recognition",
                "https://doi.org/10.1109/5.726791")  # fmt: skip
_CIFAR = Source("Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images")
_DATA: Mapping[str, tuple[str, Source]] = {
    "mnist": ("MNIST", _MNIST),
    "cifar10": ("CIFAR-10", _CIFAR),
    "cifar100": ("CIFAR-100", _CIFAR),
    "fashion-mnist": ("Fashion-MNIST", _arxiv("Xiao, Rasul and Vollgraf 2017, Fashion-MNIST", "1708.07747")),
    "kmnist": (
        "Kuzushiji-MNIST",
        _arxiv("Clanuwat et al. 2018, Deep Learning for Classical Japanese Literature", "1812.01718"),
    ),
    "svhn": ("SVHN", Source("Netzer et al. 2011, Reading Digits in Natural Images with Unsupervised Feature Learning")),
    "digits": ("digits", Source("Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits, UCI",
                                "https://doi.org/10.24432/C50P49")),
    "shapes": ("shapes", Source("drawn by convtui itself")),
}  # fmt: skip
_SUTSKEVER = Source("Sutskever, Martens, Dahl and Hinton 2013, On the Importance of Initialization and Momentum in Deep Learning")
_OPTIMISERS: Mapping[str, Source] = {
    "sgd": Source("Robbins and Monro 1951, A Stochastic Approximation Method", "https://doi.org/10.1214/aoms/1177729586"),
    "nesterov": _SUTSKEVER,
    "rmsprop": Source("Tieleman and Hinton 2012, Neural Networks for Machine Learning, lecture 6.5"),
    "adam": _arxiv("Kingma and Ba 2015, Adam: A Method for Stochastic Optimization", "1412.6980"),
    "adamw": _arxiv("Loshchilov and Hutter 2019, Decoupled Weight Decay Regularization", "1711.05101"),
    "lion": _arxiv("Chen et al. 2023, Symbolic Discovery of Optimization Algorithms", "2302.06675"),
}
_SCHEDULES: Mapping[str, Source] = {
    "cosine": _arxiv("Loshchilov and Hutter 2017, SGDR: Stochastic Gradient Descent with Warm Restarts", "1608.03983"),
    "one_cycle": _arxiv("Smith and Topin 2018, Super-Convergence", "1708.07120"),
}
_ACTIVATIONS: Mapping[str, Source] = {
    "relu": Source("Nair and Hinton 2010, Rectified Linear Units Improve Restricted Boltzmann Machines"),
    "leaky_relu": Source("Maas, Hannun and Ng 2013, Rectifier Nonlinearities Improve Neural Network Acoustic Models"),
    "gelu": _arxiv("Hendrycks and Gimpel 2016, Gaussian Error Linear Units", "1606.08415"),
    "silu": _arxiv("Elfwing, Uchibe and Doya 2018, Sigmoid-Weighted Linear Units", "1702.03118"),
    "elu": _arxiv("Clevert, Unterthiner and Hochreiter 2016, Exponential Linear Units", "1511.07289"),
}
_CELLS: Mapping[str, Source] = {
    "rnn": Source("Elman 1990, Finding Structure in Time", "https://doi.org/10.1207/s15516709cog1402_1"),
    "lstm": Source("Hochreiter and Schmidhuber 1997, Long Short-Term Memory", "https://doi.org/10.1162/neco.1997.9.8.1735"),
    "gru": _arxiv("Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder", "1406.1078"),
}
_INITS: Mapping[str, Source] = {
    "xavier": Source("Glorot and Bengio 2010, Understanding the Difficulty of Training Deep Feedforward Neural Networks"),
    "he": _arxiv("He, Zhang, Ren and Sun 2015, Delving Deep into Rectifiers", "1502.01852"),
    "lecun": Source("LeCun, Bottou, Orr and Müller 1998, Efficient BackProp"),
}
_OTHERS: Sequence[tuple[str, Callable[[RunSpec], object], Source]] = (
    (
        "momentum",
        lambda spec: spec.optimiser.momentum and spec.optimiser.name == "sgd",
        _SUTSKEVER,
    ),
    ("batch normalisation", lambda spec: _has(spec, "bn"), _arxiv("Ioffe and Szegedy 2015, Batch Normalization", "1502.03167")),
    (
        "dropout",
        lambda spec: _has(spec, "dropout"),
        Source("Srivastava et al. 2014, Dropout: A Simple Way to Prevent Neural Networks from Overfitting"),
    ),
    ("skip connections", lambda spec: _has(spec, "skip"), _arxiv("He et al. 2016, Deep Residual Learning", "1512.03385")),
    (
        "label smoothing",
        lambda spec: spec.training.label_smoothing,
        _arxiv("Szegedy et al. 2016, Rethinking the Inception Architecture", "1512.00567"),
    ),
    ("cutout", lambda spec: spec.data.cutout, _arxiv("DeVries and Taylor 2017, Cutout", "1708.04552")),
    (
        "gradient clipping",
        lambda spec: spec.optimiser.clip_norm,
        _arxiv("Pascanu, Mikolov and Bengio 2013, On the Difficulty of Training Recurrent Neural Networks", "1211.5063"),
    ),
    ("early stopping", lambda spec: spec.training.patience, Source("Prechelt 1998, Early Stopping: But When?")),
)
"""What a setting brings in, beside names of closed lists."""


def of_settings(specs: Sequence[RunSpec]) -> Iterator[tuple[str, Source]]:
    """What these settings use, each once."""
    yield from dict.fromkeys(item for spec in specs for item in _of_spec(spec))


def of_views(names: Sequence[str]) -> Iterator[tuple[str, Source]]:
    """What these views show that a paper described."""
    found: dict[Source, list[str]] = {}
    for name in names:
        if name in VIEWS:
            what, source = VIEWS[name]
            found.setdefault(source, []).append(what)
    yield from ((listed(what), source) for source, what in found.items())


def _of_spec(spec: RunSpec) -> Iterator[tuple[str, Source]]:
    if known := _DATA.get(spec.data.source):
        yield known
    model = spec.model
    named = [
        (model.cell, _CELLS, model.cell.upper()),
        (model.activation if model.activations else "", _ACTIVATIONS, f"activation {model.activation}"),
        (model.init, _INITS, f"initialisation {model.init}"),
        (spec.optimiser.name, _OPTIMISERS, f"optimiser {spec.optimiser.name}"),
        (spec.optimiser.schedule, _SCHEDULES, f"schedule {spec.optimiser.schedule}"),
    ]
    yield from ((what, sources[name]) for name, sources, what in named if name in sources)
    yield from ((what, source) for what, applies, source in _OTHERS if applies(spec))


def _has(spec: RunSpec, word: str) -> bool:
    """Whether a block of the net has it, in the notation of `--set`."""
    return any(word in str(block).split() for block in (*spec.model.conv_blocks, *spec.model.dense_blocks))
