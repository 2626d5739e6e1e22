"""What is asked of a net, and what is told in answer: plain values that go from one thread to the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convtui.engine.figures.figure import Result, Sheet
    from convtui.engine.lens.registry import View
    from convtui.engine.lens.subject import Prediction
    from convtui.engine.net_file import Code
    from convtui.engine.store import Run

Options = tuple[tuple[str, str], ...]
"""Name and value of the options that are not left to the view, as the command line takes them."""


@dataclass(frozen=True, slots=True)
class Query:
    """One look, in the words of the command line."""

    run: int | None
    """None: the newest run that has weights."""
    epoch: str = "last"
    """A number, `best` or `last`; the last weights of a run in training here are those it has now."""
    view: str = ""
    """Empty: `filters` where it applies, else the first one that does."""
    options: Options = ()

    def meets(self, answered: Query) -> bool:
        """Whether this is what was answered, what was left open being filled in."""
        open_to = Query(self.run or answered.run, self.epoch, self.view or answered.view, self.options)
        # A refusal may come before what was left open is known.
        return answered in (self, open_to)

    def option(self, name: str) -> str | None:
        """What was said of the option; None where nothing was."""
        return dict(self.options).get(name)

    def having(self, **changes: str | None) -> Options:
        """The options with these changed; None leaves one to the view."""
        values = dict(self.options) | changes
        return tuple((name, value) for name, value in values.items() if value is not None)


@dataclass(frozen=True, slots=True)
class ThumbnailRequest:
    """Some images of a split with what a net says about them."""

    run: int
    epoch: str
    split: str
    first: int
    count: int
    since: int | None = None
    """Of a net in training: the step of the look that they stand beside. What was said of them before is out of date."""
    files: tuple[str, ...] = ()
    """A person's own pictures in place of the split's images."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer for people."""

    name: str
    shape: str
    maps: bool
    """Whether its output is feature maps."""


@dataclass(frozen=True, eq=False, slots=True)
class NetInfo:
    """What there is to look at in one net."""

    run: int
    name: str
    total: int
    """Epochs that the run has, or will have."""
    epoch: int | None
    """Epochs that the weights have behind them."""
    epochs: Sequence[int]
    """Those whose weights are on disk, in order."""
    layers: Sequence[Layer]
    classes: Sequence[str]
    views: Mapping[str, View]
    why_not: Mapping[str, str | None]
    """View -> why it does not apply."""
    notes: Sequence[str] = ()
    """What there is to say about the weights, a line each."""
    unit: str = "epoch"
    """What weights are called by; `step` where a script's run counts no epochs, and all epochs here are steps."""
    beyond: str = ""
    """How far the weights are into the next epoch, in words."""
    in_training: bool = False
    """Whether the net is the one that this process trains: each answer is then about the step at which it was found."""


@dataclass(frozen=True, slots=True)
class QueryProgress:
    """How far the look is, in a few words."""

    query: Query
    text: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The net is open; `query` names the run and the view now."""

    query: Query
    info: NetInfo


@dataclass(frozen=True, slots=True)
class Answer:
    """What a view shows of a net."""

    query: Query
    results: Sequence[Result]
    step: int | None = None
    """Updates that the weights had behind them; None where they are from the disk."""
    of: str = ""
    """What the results' titles call the net and its weights, at their end."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no answer, in one line."""

    query: Query
    reason: str


@dataclass(frozen=True, eq=False, slots=True)
class Found:
    """What was looked at ahead of being asked for, or beside what is asked."""

    query: Query
    answer: Answer | Refusal
    info: NetInfo | None = None
    """None where the net could not be opened."""


@dataclass(frozen=True, slots=True)
class CodeWanted:
    """The net is of a person's own code, which they have to name first."""

    query: Query
    run: Run
    code: Code
    """What the run says of it; nothing of that is imported by itself."""
    why: str = ""
    """Why what was named before does not do."""


@dataclass(frozen=True, eq=False, slots=True)
class Thumbnails:
    """The images that were wanted: one tile each, and what the net says about it."""

    request: ThumbnailRequest
    total: int
    """How many the split has."""
    sheet: Sheet
    predictions: Sequence[Prediction]
    classes: Sequence[str]
    step: int | None = None
    """As in `Answer`."""
    files: Sequence[str] = ()
    """The paths of own pictures that could be read, one for each tile."""
    trouble: str = ""
    """Which could not, in one line."""


@dataclass(frozen=True, slots=True)
class NoThumbnails:
    """Why there are none, in one line."""

    request: ThumbnailRequest
    reason: str


Reply = QueryProgress | Opened | Answer | Found | Refusal | CodeWanted | Thumbnails | NoThumbnails
