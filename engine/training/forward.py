"""What a net says of images that it is not trained on: as it is, or, of whole batches on a GPU, as a CUDA graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from convtui.engine.device import captures_graphs
from convtui.engine.models import logits, pooling_first
from convtui.engine.spec import RunSpec
from convtui.engine.training.captured import LAYERS, WARM_UP, Captured, product_epsilon
from convtui.engine.training.step import autocast


class Forward:
    """Outputs of one net, in eval mode within `torch.inference_mode`, in the precision of its run."""

    def __init__(self, net: nn.Module, spec: RunSpec, device: torch.device, whole: int) -> None:
        """`whole` is how many images a whole batch has."""
        self._net = net
        self._unwatched = pooling_first(net, spec.model)
        self._autocast = autocast(spec.training.precision, device)
        self._epsilon = product_epsilon(spec.training.precision)
        self._whole = whole
        captures = captures_graphs(device) and spec.training.step_path == "auto" and not spec.model.module
        self._captured = Captured(self._plain, device) if captures else None
        self._tried = False
        self.told: list[str] = []
        """Why batches are not computed as a graph, where that was tried."""

    def __call__(self, images: Tensor, *, watched: bool) -> Tensor:
        """float32 [N, classes]. `watched`: hooks of Python have to see each layer."""
        if watched:
            return self._by(self._net, images)
        if self._captured is None or len(images) != self._whole:
            return self._plain(images)
        if not self._tried:
            self._tried = True
            if why := self._disagreement(self._captured, images):
                self._captured = None
                self.told.append(f"evaluations are computed one operation after the other: as a CUDA graph {why}")
                return self._plain(images)
        return self._captured(images)

    def _plain(self, images: Tensor) -> Tensor:
        return self._by(self._unwatched, images)

    def _by(self, net: nn.Module, images: Tensor) -> Tensor:
        # Autocast keeps what it made of the weights until it is left: within the graph, so that each launch makes it again.
        with self._autocast:
            return logits(net(images)).float()

    def _disagreement(self, captured: Captured, images: Tensor) -> str:
        """How outputs as a graph differ from those without, on another batch than it was captured with; empty where they do not."""
        turned = images.flip(0)
        try:
            for _ in range(WARM_UP + 1):
                captured(images)
            found = captured(turned)
        except RuntimeError as error:  # as torch says that something cannot be captured, or that there is no memory for it
            return f"they fail: {str(error).splitlines()[0]}"
        expected = self._plain(turned)
        apart, most = (float(values.abs().max()) for values in (found - expected, expected))
        return f"outputs are off by {apart:.3g} of {most:.3g}" if apart > LAYERS * self._epsilon * most else ""
