"""Looking at nets off the screen's thread: what was asked last is answered, what was asked before it is let go.

One thread holds the open nets and their images, so nothing of them is used twice at a time. It says what it has found through
`tell`, which must take calls from any thread.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ConvtuiError

if TYPE_CHECKING:
    from engine.data.split import Dataset
    from engine.lens.registry import View
    from engine.lens.results import Result, Target
    from engine.lens.subject import Subject
    from engine.store import Run, Store

SUBJECTS = 4
"""Nets that are kept open."""
RESULTS = 48
"""Answers that are kept."""
PROGRESS_SECONDS = 0.1
"""Between two words of how far a look is."""

Options = tuple[tuple[str, str], ...]
"""Name and value of the options that are not left to the view, as the command line takes them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One look, in the words of the command line."""

    run: int | None
    """None: the newest run that has weights."""
    epoch: str = "last"
    """A number, `best` or `last`."""
    view: str = ""
    """Empty: the first that serves, `FIRST` before others."""
    options: Options = ()

    def meets(self, answered: Asked) -> bool:
        """Whether this is what was answered, what was left open being filled in."""
        open_to = Asked(self.run or answered.run, self.epoch, self.view or answered.view, self.options)
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
class Layer:
    """A layer for people."""

    name: str
    shape: str
    maps: bool
    """Whether its output is feature maps."""


@dataclass(frozen=True, eq=False, slots=True)
class About:
    """What there is to look at in one net."""

    run: int
    name: str
    total: int
    """Epochs that the run has, or will have."""
    epoch: int | None
    epochs: Sequence[int]
    """Those whose weights are on disk, in order."""
    layers: Sequence[Layer]
    classes: Sequence[str]
    views: Mapping[str, View]
    unfit: Mapping[str, str | None]
    """View -> why it does not apply."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the look is, in a few words."""

    asked: Asked
    text: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The net is open; `asked` names the run and the view now."""

    asked: Asked
    about: About


@dataclass(frozen=True, slots=True)
class Seen:
    """The answer."""

    asked: Asked
    results: Sequence[Result]


@dataclass(frozen=True, slots=True)
class Refused:
    """Why there is no answer, in one line."""

    asked: Asked
    reason: str


Told = Progress | Opened | Seen | Refused
FIRST = "filters"


@dataclass(eq=False)
class _Open:
    """A net that is kept open, and what was seen of it."""

    subject: Subject
    about: About
    results: OrderedDict[tuple[str, Options], Sequence[Result]] = field(default_factory=OrderedDict)


class Looking:
    """Answers the newest question; see the module."""

    def __init__(
        self, store: Callable[[], Store], tell: Callable[[Told], object], *, device: str = "auto", data_dir: Path | None = None
    ) -> None:
        self._store, self._tell, self._device, self._data_dir = store, tell, device, data_dir
        self._open: OrderedDict[tuple[int, str], _Open] = OrderedDict()
        self._images: tuple[tuple[int, str], Dataset] | None = None
        self._changed = threading.Condition()
        self._next: tuple[Asked, bool] | None = None
        self._closing = False
        self._working_on: Asked | None = None
        self._last_word = 0.0
        self._thread: threading.Thread | None = None

    def ask(self, asked: Asked, *, fresh: bool = False) -> None:
        """Look at this instead of whatever was asked before; `fresh`: forget what was seen of this run."""
        with self._changed:
            if self._closing:
                return
            self._next = (asked, fresh)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="looking", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def close(self) -> None:
        """Let go of everything. What is being computed is cancelled, and not waited for."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    # ------------------------------------------------------------------------------------------------------ the thread

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._next is not None or self._closing)
                if self._closing or self._next is None:
                    self._open.clear()
                    return
                (asked, fresh), self._next = self._next, None
            self._working_on = asked
            self._answer(asked, fresh)

    def _overtaken(self) -> bool:
        return self._closing or self._next is not None

    def _answer(self, asked: Asked, fresh: bool) -> None:
        from engine.lens.subject import Cancelled

        try:
            self._look(asked, fresh)
        except Cancelled:
            return
        except ConvtuiError as error:
            self._say(Refused(self._working_on or asked, str(error)))
        except Exception as error:
            from tui.log import log

            story = f"{type(error).__name__}: {error}".splitlines()[0]
            self._say(Refused(self._working_on or asked, f"{story}; the full story is in {log(error)}"))

    def _look(self, asked: Asked, fresh: bool) -> None:
        from engine.lens.registry import view

        if asked.run is None:
            asked = Asked(_newest(self._store()), asked.epoch, asked.view, asked.options)
        assert asked.run is not None
        self._working_on = asked
        if fresh:
            for key in [key for key in self._open if key[0] == asked.run]:
                del self._open[key]
        opened = self._opened(asked.run, asked.epoch)
        if not asked.view:
            fit = [name for name in (FIRST, *opened.about.views) if opened.about.unfit[name] is None]
            asked = Asked(asked.run, asked.epoch, fit[0] if fit else FIRST, asked.options)
        self._working_on = asked
        self._say(Opened(asked, opened.about))
        what = (asked.view, asked.options)
        if what not in opened.results:
            chosen = view(asked.view)
            opened.results[what] = chosen(opened.subject, chosen.make(dict(asked.options)))
        opened.results.move_to_end(what)
        self._forget(opened)
        self._say(Seen(asked, opened.results[what]))

    def _opened(self, run_id: int, epoch: str) -> _Open:
        from engine.device import choose, keep_freed_memory
        from engine.lens.opening import of_run

        key = (run_id, epoch)
        if key not in self._open:
            self._word(f"opening run {run_id}", now=True)
            keep_freed_memory()
            run = self._store().run(run_id)
            subject = of_run(
                self._store(),
                run,
                epoch=epoch,
                device=choose(self._device),
                data_dir=self._data_dir,
                loading=self._loading,
                progress=lambda done, total: self._word(f"images {done:,} of {total:,}"),
                cancelled=self._overtaken,
            )
            assert subject.spec is not None
            subject.dataset = self._shared(subject.dataset, (run_id, subject.spec.data.model_dump_json()))
            self._open[key] = _Open(subject, _about(run, subject))
            while len(self._open) > SUBJECTS:
                self._open.popitem(last=False)
        self._open.move_to_end(key)
        return self._open[key]

    def _shared(self, load: Callable[[], Dataset], key: tuple[int, str]) -> Callable[[], Dataset]:
        """All epochs of a run have the same images: they are loaded once, and those of one run are kept."""

        def loaded() -> Dataset:
            if self._images is None or self._images[0] != key:
                self._images = (key, load())
            return self._images[1]

        return loaded

    def _forget(self, newest: _Open) -> None:
        """Keep no more than `RESULTS` answers, those of the net in hand longest."""
        for opened in (*(each for each in self._open.values() if each is not newest), newest):
            while opened.results and sum(len(each.results) for each in self._open.values()) > RESULTS:
                opened.results.popitem(last=False)

    def _loading(self, what: str, done: int, total: int) -> None:
        self._word(f"{what}: {done:,} of {total:,}")

    def _word(self, text: str, *, now: bool = False) -> None:
        if now or time.monotonic() - self._last_word >= PROGRESS_SECONDS:
            self._last_word = time.monotonic()
            assert self._working_on is not None
            self._say(Progress(self._working_on, text))

    def _say(self, told: Told) -> None:
        if not self._overtaken():
            self._tell(told)


def _newest(store: Store) -> int:
    """The newest run that has weights. Raises ConvtuiError where there is none."""
    for run in store.runs():
        assert run.id is not None
        if store.checkpoints(run.id):
            return run.id
    raise ConvtuiError("no run has weights to look at yet: train one on the page New (2)")


def _about(run: Run, subject: Subject) -> About:
    from engine.lens.registry import views

    tape, spec = subject.tape, subject.spec
    assert run.id is not None
    layers = []
    for name in tape.leaves():
        index = tape.layers[name]
        shape = tape.calls[index].shape if index >= 0 else subject.shape
        layers.append(Layer(name, "×".join(map(str, shape)), len(shape) == 3))
    return About(
        run=run.id,
        name=run.name,
        total=spec.training.epochs if spec is not None else run.epoch,
        epoch=subject.epoch,
        epochs=[snapshot.epoch for snapshot in subject.snapshots],
        layers=layers,
        classes=subject.classes,
        views=views(),
        unfit={name: view.unfit(subject) for name, view in views().items()},
    )


# ------------------------------------------------------------------------------------------------------------ following


def follow(asked: Asked, target: Target, about: About) -> Asked | None:
    """Where a tile's or row's target leads from this look; None where it leads nowhere else."""
    fields = ("layer", "map", "row", "column", "image", "label")
    said = {name: str(value) for name in fields if (value := getattr(target, name)) is not None}
    if "image" in said and (split := asked.option("split")) is not None:
        said["split"] = split
    if target.label is not None and about.classes.index(about.classes[target.label]) == target.label:
        said["label"] = about.classes[target.label]
    with_maps = any(layer.name == target.layer and layer.maps for layer in about.layers)
    for view, names in _ways(target, with_maps):
        if view not in about.views or about.unfit[view] is not None:
            continue
        options = {name: said[name] for name in (*names, "split") if name in said}
        if (view, options) != (asked.view, dict(asked.options)):
            return Asked(asked.run, asked.epoch, view, tuple(options.items()))
    return None


def _ways(target: Target, with_maps: bool) -> list[tuple[str, tuple[str, ...]]]:
    """Views that show more of it, with the options that say what; the first that serves and is not shown already."""
    if target.layer is not None and target.map is not None:
        unit = ("layer", "map", "row", "column", "image")
        return [("deconvnet", unit), ("patches", ("layer", "map")), ("guided", unit)] if with_maps else [("saliency", unit)]
    if target.image is not None:
        place = ("layer", "image")
        return [("activations", place), ("guided", place), ("saliency", place)]
    if target.label is not None:
        return [("confusion", ("label",))]
    if target.layer is not None:
        return [("statistics", ("layer",)), ("activations", ("layer",))]
    return []


def in_words(target: Target | None, classes: Sequence[str], *, beside: str = "") -> str:
    """`conv2, map 17 at 5,9 of image 871 · cat → dog`, without what the caption `beside` it says already."""
    if target is None:
        return ""
    place = [] if target.layer is None else [target.layer]
    if target.map is not None and not any(f"{word} {target.map}" in beside for word in ("map", "filter")):
        place.append(f"map {target.map}" + (f" at {target.row},{target.column}" if target.row is not None else ""))
    words = [", ".join(place)]
    if target.image is not None and f"#{target.image} " not in beside and f"#{target.image}:" not in beside:
        words.append(f"image {target.image}")
    named = [classes[label] for label in (target.label, target.predicted) if label is not None and label < len(classes)]
    if "→" not in beside:
        words.append(" → ".join(named))
    if target.epoch is not None:
        words.append(f"epoch {target.epoch}")
    return " · ".join(part for part in words if part and part not in beside)


def command(asked: Asked, *, store: Path, device: str, data_dir: Path | None) -> str:
    """The line that shows the same in a shell."""
    import shlex

    shortcuts = {"layer": "--layer", "map": "--map", "image": "--image", "label": "--class"}
    words = ["convtui", "look", asked.view, str(asked.run)]
    told = [] if asked.epoch == "last" else [("--epoch", asked.epoch)]
    told += [(shortcuts[name], value) for name, value in asked.options if name in shortcuts]
    told += [("--opt", f"{name}={value}") for name, value in asked.options if name not in shortcuts]
    told += [("--device", device)] if device != "auto" else []
    told += [("--store", str(store))] + ([("--data-dir", str(data_dir))] if data_dir is not None else [])
    for name, value in told:
        words += [f"{name}={value}"] if value.startswith("-") else [name, value]
    return shlex.join(words)
