"""Looking into a net again and again while it trains, without taking more than a small share of its time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from convtui.engine.errors import ConvtuiError
from convtui.tui.session.inspector.nets import CodeUnknown, Net, Nets, TrainingEnded, Waiting
from convtui.tui.session.session import Session

if TYPE_CHECKING:
    from convtui.engine.figures.figure import Result
    from convtui.engine.lens.subject import Subject

SHARE = 0.02
"""Of the time of a training that looking into it may take."""
LEAST_SECONDS = 1.0
"""Between two looks."""
VIEWS = ("filters", "activations", "deconvnet", "saliency", "hidden", "gates")
"""The first `SHOWN` of these that the net has."""
SHOWN = 3


class Pace:
    """Says when to look again: so that looks take at most SHARE of the time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = clock()

    @property
    def is_due(self) -> bool:
        return self._clock() >= self._next

    def took(self, seconds: float) -> float:
        """A look took so long; gives the seconds until the next one."""
        wait = max(LEAST_SECONDS, seconds * (1 - SHARE) / SHARE)
        self._next = self._clock() + wait
        return wait


@dataclass(frozen=True, eq=False, slots=True)
class Glance:
    """What was seen of a net, all of it at one step."""

    run: int
    views: Sequence[tuple[str, Sequence[Result]]]
    of: str
    """The net and its weights."""
    seconds: float
    """Which the training stood still for it; of a run of another process which it took to get its weights and look at them."""
    image: int
    """Which image of the test split."""


class LiveLens:
    """Opens the net of one run at a time. For one thread at a time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._cancelled: Callable[[], bool] = lambda: False
        waiting = Waiting(lambda done, total: None, lambda what, done, total: None, overtaken=lambda: self._cancelled())
        self._nets = Nets(
            lambda: session.store,
            waiting,
            device=session.device,
            data_dir=session.data_dir,
            between_pulls=session.between_pulls,
            named=session.named_nets,
        )
        self._kept: int | None = None
        """The run in training here whose net is open."""

    def look(self, run_id: int, image: int, cancelled: Callable[[], bool]) -> Glance:
        """At the run's weights as they are now. Raises ConvtuiError, also where a script's code was not named, and
        `engine.lens.subject.Cancelled`."""
        self._cancelled = cancelled
        stood, began = self._session.between_pulls.seconds, time.monotonic()
        here = self._session.between_pulls.trains(run_id)
        if self._kept != run_id or not here:
            self._nets.close()
            self._nets.bring(run_id)
        self._kept = run_id if here else None
        views, of = self._with_net(run_id, image)
        seconds = self._session.between_pulls.seconds - stood if here else time.monotonic() - began
        return Glance(run_id, views, of, seconds, image)

    def _with_net(self, run_id: int, image: int) -> tuple[list[tuple[str, Sequence[Result]]], str]:
        try:
            return _seen(self._nets.open(run_id, "last"), image)
        except TrainingEnded:
            self._nets.forget(run_id)
            return _seen(self._nets.open(run_id, "last"), image)
        except CodeUnknown as unknown:
            raise ConvtuiError(f"run {run_id} is of a script's own net: the page Look asks for its code") from unknown


def _seen(net: Net, image: int) -> tuple[list[tuple[str, Sequence[Result]]], str]:
    """All views at once: between them the net would be trained on."""
    names = [name for name in VIEWS if name in net.info.views and net.info.why_not[name] is None][:SHOWN]
    first = next((layer.name for layer in net.info.layers if layer.maps), None)

    def work(subject: Subject) -> tuple[list[tuple[str, Sequence[Result]]], str]:
        found: list[tuple[str, Sequence[Result]]] = []
        for name in names:
            view = net.info.views[name]
            fields = {field.path for field in view.fields()}
            said = {"image": str(image)} if "image" in fields else {}
            if name == "activations" and first is not None:
                said["layer"] = first
            results = view(subject, view.make(said))
            # The image is beside its activations already.
            shown = results[1:] if name not in ("filters", "activations") and len(results) > 1 else results
            found.append((name, [replace(each, title=each.title.removesuffix(f" · {subject.title}")) for each in shown]))
        return found, subject.title

    seen, _ = net.look(work)
    return seen  # type: ignore[no-any-return]
