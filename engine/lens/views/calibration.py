"""Whether a net is right as often as it is sure (Guo et al. 2017, "On Calibration of Modern Neural Networks")."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Cell, Curves, Result, Table
from convtui.engine.lens.misclassification import judged
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import OfImages, gives_classes
from convtui.engine.lens.subject import Subject
from convtui.engine.spec import hyper

Numbers = NDArray[np.float64]


class CalibrationOptions(OfImages):
    """Over which images, and how finely."""

    bins: int = hyper(15, "bins of equal width, from confidence 0 to 1", ge=1, le=1000)


def gives_probabilities(subject: Subject) -> str | None:
    """Whether scores are probabilities, which alone can be compared with shares."""
    if subject.scores_are == "probability":
        return None
    why = "its loss is not known, so they are not taken for" if subject.spec is None else "its loss does not make them"
    return f"the net's scores are its outputs, {why} probabilities; a net that ends in a softmax gives some; use 'confusion'"


@register(
    "calibration",
    "reliability diagram: how often the net is right by how sure it is, with the expected calibration error",
    CalibrationOptions,
    gives_classes,
    gives_probabilities,
)
def calibration(subject: Subject, options: CalibrationOptions) -> list[Result]:
    """Accuracy and mean confidence by bin of confidence, how many images are in each, and the errors as numbers.

    Confidence is the predicted class's probability; a bin holds what is above its lower edge, up to its upper. The expected
    calibration error is the mean distance between a bin's accuracy and confidence, weighted by its images, the maximum that of the
    worst bin that has any. Images without a label are left out.
    """
    split = subject.split(options.split)
    predictions, places, notes = judged(subject, split, options.split)
    known = [predictions[place] for place in places if predictions[place].label is not None]
    if not known:
        raise NotApplicable(f"the net's output is NaN for every {options.split} image whose class is known")
    scores, labels = np.array([told.scores for told in known]), np.array([told.label for told in known])
    bins = _Bins.of(scores, labels, options.bins)
    numbers = _numbers(scores, labels, bins)
    where = f"over {len(known):,} {options.split} images · {subject.title}"
    return [*_diagram(bins, numbers, where, notes), _table(numbers, where), _by_bin(bins, where)]


@dataclass(frozen=True, eq=False, slots=True)
class _Bins:
    """float64 [bins] each but for the edges, [bins + 1]; not-a-number where a bin is empty."""

    edges: Numbers
    counts: Numbers
    accuracy: Numbers
    confidence: Numbers

    @classmethod
    def of(cls, scores: Numbers, labels: NDArray[np.int64], bins: int) -> _Bins:
        """From probabilities [N, classes] and true classes [N]."""
        edges = np.arange(bins + 1) / bins
        sure, right = scores.max(1), scores.argmax(1) == labels
        # A softmax may exceed 1 by a rounding.
        members = np.searchsorted(edges[1:], sure, side="left").clip(max=bins - 1)
        counts = np.bincount(members, minlength=bins).astype(np.float64)
        with np.errstate(invalid="ignore"):
            accuracy, confidence = (np.bincount(members, each, bins) / counts for each in (right.astype(np.float64), sure))
        return cls(edges, counts, accuracy, confidence)

    @property
    def gaps(self) -> Numbers:
        """How far each bin's accuracy is from its confidence; 0 where it is empty."""
        return np.nan_to_num(np.abs(self.accuracy - self.confidence))


def _numbers(scores: Numbers, labels: NDArray[np.int64], bins: _Bins) -> dict[str, float]:
    own = scores[np.arange(len(labels)), labels]
    apart = scores.copy()
    apart[np.arange(len(labels)), labels] -= 1
    with np.errstate(divide="ignore"):
        surprise = -np.log(own)
    return {
        "accuracy": float((scores.argmax(1) == labels).mean()),
        "mean confidence": float(scores.max(1).mean()),
        "expected calibration error": float((bins.counts / len(labels) * bins.gaps).sum()),
        "maximum calibration error": float(bins.gaps.max()),
        "negative log likelihood": float(surprise.mean()),
        "Brier score": float((apart**2).sum(1).mean()),
    }


def _diagram(bins: _Bins, numbers: dict[str, float], where: str, notes: list[str]) -> list[Result]:
    middles = (bins.edges[:-1] + bins.edges[1:]) / 2
    surplus = numbers["mean confidence"] - numbers["accuracy"]
    told = [
        f"expected calibration error {100 * numbers['expected calibration error']:.2f} %, "
        f"maximum {100 * numbers['maximum calibration error']:.2f} %",
        f"{100 * numbers['accuracy']:.1f} % are classified correctly, mean confidence {100 * numbers['mean confidence']:.1f} %: "
        + (f"{100 * abs(surplus):.1f} points too {'sure' if surplus > 0 else 'unsure'}"),
        "where accuracy is below confidence, the net is surer than it is right; bins with few images say little",
        *notes,
    ]
    series = {"accuracy": bins.accuracy, "mean confidence": bins.confidence}
    reliability = Curves(
        f"calibration {where}",
        "confidence (middle of each bin)",
        middles,
        series,
        "share of the bin",
        notes=told,
        shares=True,
        styles={"accuracy": "bars"},
    )
    shares = {"images": bins.counts / bins.counts.sum()}
    histogram = Curves(
        "images by confidence", "confidence", middles, shares, "share of images", shares=True, styles={"images": "bars"}
    )
    return [reliability, histogram]


def _table(numbers: dict[str, float], where: str) -> Table:
    meaning = {
        "accuracy": "share of images classified correctly",
        "mean confidence": "mean probability of the predicted class",
        "expected calibration error": "gap between accuracy and confidence, mean over images",
        "maximum calibration error": "that of the worst bin",
        "negative log likelihood": "mean of -log of the true class's probability; 0 is perfect",
        "Brier score": "squared distance from the truth: 0 is perfect, 2 the worst",
    }
    rows: list[list[Cell]] = [[name, value, meaning[name]] for name, value in numbers.items()]
    return Table(f"errors {where}", ("measure", "value", "what it is"), rows)


def _by_bin(bins: _Bins, where: str) -> Table:
    rows: list[list[Cell]] = []
    for low, high, count, accuracy, confidence in zip(
        bins.edges[:-1], bins.edges[1:], bins.counts, bins.accuracy, bins.confidence, strict=True
    ):
        figures = [float(accuracy), float(confidence), float(accuracy - confidence)] if count else [None] * 3
        rows.append([f"{low:.3g} to {high:.3g}", int(count), *figures])
    columns = ("confidence above and up to", "images", "accuracy", "mean confidence", "accuracy - confidence")
    return Table(f"bins {where}", columns, rows, shares=columns[2:])
