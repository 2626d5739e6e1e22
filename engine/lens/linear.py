"""Linear classifiers, learnt by L-BFGS: what scikit-learn's minimise, in steps that can be counted and broken off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtui.engine.lens.subject import Cancelled, Subject

Numbers = NDArray[np.floating[Any]]
Loss = Callable[[Numbers, NDArray[np.intp]], tuple[float, Numbers]]
"""Of scores [N, classes] and true classes [N] -> the sum over images, and its gradient [N, classes]."""

STEPS = 200
_FLAT = 1e-4
"""Greatest slope at which steps end, for each image and of its loss: scikit-learn's."""
_ENOUGH = 1e-5
"""Share of the loss by which a step has to lower it for another to be made."""
_TOGETHER = 4096
"""Images that are multiplied at once."""


@dataclass(frozen=True, eq=False, slots=True)
class Linear:
    """A classifier, and whether its steps had come to an end."""

    classes: NDArray[Any]
    weights: Numbers
    """[classes, features + 1], the last a constant."""
    converged: bool

    def accuracy(self, features: Numbers, labels: NDArray[Any]) -> float:
        """Of [N, features]."""
        scores = features @ self.weights[:, :-1].T + self.weights[:, -1]
        return float((self.classes[scores.argmax(1)] == labels).mean())


def softmax(scores: Numbers, true: NDArray[np.intp]) -> tuple[float, Numbers]:
    """Cross entropy."""
    lowered = scores - scores.max(1, keepdims=True)
    shares = np.exp(lowered)
    totals = shares.sum(1, keepdims=True)
    here = np.arange(len(true)), true
    loss = float((np.log(totals[:, 0]) - lowered[here]).sum(dtype=np.float64))
    gradient = shares / totals
    gradient[here] -= 1
    return loss, gradient


def squared_hinge(scores: Numbers, true: NDArray[np.intp]) -> tuple[float, Numbers]:
    """Of a support vector machine for each class against all others."""
    signs = np.full_like(scores, -1)
    signs[np.arange(len(true)), true] = 1
    short = np.maximum(0, 1 - signs * scores)
    return float(np.square(short, dtype=np.float64).sum()), -2 * signs * short


def logistic_regression(subject: Subject, features: Numbers, labels: NDArray[Any], cost: float) -> Linear:
    """As `learnt`: scikit-learn's with C = `cost`."""
    # Of two classes it has one vector of weights. Here there are two, each half of it, which together cost half as much.
    return learnt(subject, softmax, features, labels, cost / 2 if len(np.unique(labels)) == 2 else cost, free=True)


def learnt(subject: Subject, loss: Loss, features: Numbers, labels: NDArray[Any], cost: float, *, free: bool) -> Linear:
    """From [N, features]: the least of half the sum of squared weights, and `cost` times the loss; `free`: constants cost nothing.

    Raises Cancelled within a fraction of a second.
    """
    from scipy.optimize import minimize

    classes, true = np.unique(labels, return_inverse=True)
    shape = (len(classes), features.shape[1] + 1)
    penalty = np.ones(shape)
    penalty[:, -1] = not free

    def value(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(shape)
        narrow = weights.astype(features.dtype)
        total, gradient = 0.5 * float((penalty * weights**2).sum()), penalty * weights
        for first in range(0, len(features), _TOGETHER):
            if subject.cancelled():
                raise Cancelled
            part = features[first : first + _TOGETHER]
            here, slopes = loss(part @ narrow[:, :-1].T + narrow[:, -1], true[first : first + _TOGETHER])
            total += cost * here
            gradient[:, :-1] += cost * (slopes.T @ part)
            gradient[:, -1] += cost * slopes.sum(0)
        return total, gradient.ravel()

    ends = {"maxiter": STEPS, "gtol": _FLAT * cost * len(features), "ftol": _ENOUGH}
    found = minimize(value, np.zeros(shape[0] * shape[1]), jac=True, method="L-BFGS-B", options=ends)
    return Linear(classes, found.x.reshape(shape).astype(features.dtype), bool(found.nit < STEPS))
