"""Look: a run's net opened up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events, on, work
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from engine.errors import ConvtuiError
from tui.cli.text import clean
from tui.looking import About, Asked, Looking, Opened, Progress, Refused, Seen, Told, command, follow, in_words
from tui.screens.page import Page
from tui.widgets.options import Layers, ViewOptions, Views, words
from tui.widgets.sheet_view import SheetView

if TYPE_CHECKING:
    from engine.lens.results import Result

WIDE = 110
"""Columns from which the layers and the options stand beside the picture."""
GOES_ALONG = ("layer", "split", "image")
"""Options that say what is looked at: another view is asked for the same, where it can be."""


@dataclass(frozen=True, slots=True)
class Step:
    """A look that was left by following something in it."""

    asked: Asked
    cursor: int


class LookPage(Page):
    """Layers at the left, views on top, the result in the middle, the view's options at the right."""

    NAME = "look"
    CSS_PATH = "look.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("backspace", "back", "Back", key_display="⌫"),
        Binding("v", "view(1)", "View"),
        Binding("V", "view(-1)", "View before", show=False),
        Binding("left_square_bracket", "epoch(-1)", "Epoch before", key_display="[", show=False),
        Binding("right_square_bracket", "epoch(1)", "Epoch", key_display="[ ]"),
        Binding("comma", "image(-1)", "Image before", key_display=",", show=False),
        Binding("full_stop", "image(1)", "Image", key_display=", ."),
        Binding("p", "save", "Save"),
        Binding("y", "copy", "Copy command"),
        Binding("L", "fold('left')", "Layers"),
        Binding("o", "fold('right')", "Options"),
        Binding("R", "again", "Refresh"),
        Binding("escape", "to_picture", "To the picture", show=False),
    ]

    class Heard(Message):
        """The thread that looks has said something."""

        def __init__(self, told: Told) -> None:
            super().__init__()
            self.told = told

    def __init__(self) -> None:
        super().__init__()
        self._looking: Looking | None = None
        self._asked: Asked | None = None
        self._about: About | None = None
        self._way: list[Step] = []
        self._cursor = 0
        """Where the cursor goes once the answer is there."""
        self._run_wanted: int | None = None
        self._remembered: dict[str, Asked] = {}
        """View -> how it was last looked through."""
        self._folded: dict[str, bool] = {}
        """Side -> whether it is folded away, where a person has said so."""
        self._refused = False
        self._newer: int | None = None
        """The epoch of newer weights on disk."""

    def body(self) -> Iterable[Widget]:
        """Three columns below two lines."""
        yield Static("", id="about")
        yield Views(id="views")
        with Horizontal():
            with Vertical(id="left"):
                yield Static("layers", classes="heading")
                yield Layers(id="layers")
            with Vertical(id="middle"):
                yield SheetView(id="picture")
            with Vertical(id="right"):
                yield Static("options", classes="heading")
                yield ViewOptions(id="options")
        yield Static("", id="at")
        yield Static("", id="way")

    def on_mount(self) -> None:
        """The picture has the keys."""
        self._picture.focus()
        self._fold()
        self._picture.say("opening the store")

    def on_unmount(self) -> None:
        """Nobody hears the thread any more."""
        if self._looking is not None:
            self._looking.close()

    def on_resize(self, event: events.Resize) -> None:
        """Where it is narrow the columns at the sides fold away."""
        self._fold()

    @property
    def _picture(self) -> SheetView:
        return self.query_one("#picture", SheetView)

    # --------------------------------------------------------------------------------------------------- what is asked

    def store_changed(self) -> None:
        """Open the run that is meant now; tell of newer weights."""
        if self._looking is None:
            session = self.convtui.session
            self._looking = Looking(
                lambda: session.store,
                lambda told: self.post_message(self.Heard(told)),
                device=session.device,
                data_dir=session.data_dir,
            )
            self._open(self.convtui.run_id)
        elif self.convtui.run_id is not None and self.convtui.run_id != self._run_wanted:
            self._open(self.convtui.run_id)
        elif self._asked is not None and self._about is None and self._refused:
            self._ask(self._asked)
        else:
            self._look_for_newer()

    def _look_for_newer(self) -> None:
        """Tell of weights that have come to the disk since; they are not put in place of those being looked at."""
        about, asked = self._about, self._asked
        if about is None or asked is None or asked.epoch != "last" or about.epoch is None:
            return
        try:
            kept = self.convtui.session.store.checkpoints(about.run)
        except ConvtuiError:
            return
        newer = kept[0].epoch if kept and kept[0].epoch > about.epoch else None
        if newer != self._newer:
            self._newer = newer
            self._show_controls()

    def _open(self, run_id: int | None) -> None:
        view = self._asked.view if self._asked is not None else ""
        self._run_wanted, self._about = run_id, None
        self._way.clear()
        self._remembered.clear()
        self._picture.say("opening the newest run with weights" if run_id is None else f"opening run {run_id}")
        self._ask(Asked(run_id, view=view))

    def _ask(self, asked: Asked, *, cursor: int = 0, fresh: bool = False) -> None:
        assert self._looking is not None
        self._asked, self._cursor = asked, cursor
        if asked.view:
            self._remembered[asked.view] = asked
        self._looking.ask(asked, fresh=fresh)
        self._show_controls()

    def _change(self, **options: str | None) -> None:
        """The same view with other options; the cursor stays where it is."""
        if self._asked is not None:
            self._ask(replace(self._asked, options=self._asked.having(**options)), cursor=self._picture.cursor)

    # --------------------------------------------------------------------------------------------------- what is heard

    @on(Heard)
    def _hear(self, event: Heard) -> None:
        told = event.told
        if self._asked is None or not self._asked.meets(told.asked):
            return
        self._refused = isinstance(told, Refused)
        match told:
            case Progress():
                self._tell_way(told.text)
                self._picture.add_class("outdated")
            case Opened():
                self._asked, self._about, self._newer = told.asked, told.about, None
                self._remembered[told.asked.view] = told.asked
                self._show_controls()
                self._tell_way("looking")
            case Seen():
                self._picture.remove_class("outdated")
                self._picture.show(told.results, self._cursor)
                self._tell_way()
            case Refused():
                self._picture.remove_class("outdated")
                self._picture.say(clean(told.reason), error=True)
                self._tell_way()

    def _show_controls(self) -> None:
        about, asked = self._about, self._asked
        if about is None or asked is None:
            return
        views = self.query_one(Views)
        views.names = tuple(about.views)
        views.unfit = frozenset(name for name, reason in about.unfit.items() if reason is not None)
        views.chosen = asked.view
        layers = self.query_one(Layers)
        layers.show(about.layers, asked.option("layer"))
        self.query_one("#left").styles.width = layers.wide + 4
        self.query_one("#about", Static).update(self._heading(about, asked))
        if asked.view in about.views:
            self.run_worker(self.query_one(ViewOptions).show(about.views[asked.view], dict(asked.options)), group="options")

    def _heading(self, about: About, asked: Asked) -> Text:
        epoch = asked.epoch if about.epoch is None or asked.epoch.isdigit() else str(about.epoch)
        earlier = any(str(number) != epoch and number < int(epoch) for number in about.epochs)
        later = any(number > int(epoch) for number in about.epochs)
        line = (
            f"run {about.run} {clean(about.name)} · epoch {'◂ ' if earlier else ''}{epoch}{' ▸' if later else ''} of {about.total}"
        )
        return Text(line, no_wrap=True, overflow="ellipsis")

    def _tell_way(self, doing: str = "") -> None:
        """What is being done, or how one came here."""
        line = self.query_one("#way", Static)
        line.set_class(bool(doing), "busy")
        if doing or self._asked is None:
            line.update(Text(f"{doing} …" if doing else "", no_wrap=True))
            return
        steps = [_named(step.asked) for step in self._way] + [_named(self._asked)]
        line.update(Text(clean(f"run {self._asked.run} › {' › '.join(steps)}"), no_wrap=True, overflow="ellipsis"))

    @on(SheetView.Moved)
    def _moved(self) -> None:
        picture, about = self._picture, self._about
        words = [picture.told, "" if about is None else clean(in_words(picture.target, about.classes, beside=picture.told))]
        self.query_one("#at", Static).update(Text(" · ".join(filter(None, words)), no_wrap=True, overflow="ellipsis"))

    # ------------------------------------------------------------------------------------------------------ choosing

    @on(Views.Chosen)
    def _view_chosen(self, event: Views.Chosen) -> None:
        self._choose_view(event.name)

    @on(Layers.Chosen)
    def _layer_chosen(self, event: Layers.Chosen) -> None:
        if self._about is not None and self._asked is not None and self._has("layer"):
            # A map is one of the layer that was looked at before.
            gone = {name: None for name in ("map", "row", "column") if self._asked.option(name) is not None}
            self._change(layer=event.layer, **gone)

    @on(ViewOptions.Changed)
    def _option_changed(self, event: ViewOptions.Changed) -> None:
        if self._asked is not None and event.view == self._asked.view:
            self._change(**{event.name: event.value})

    def _choose_view(self, name: str) -> None:
        about, asked = self._about, self._asked
        if about is None or asked is None or name == asked.view:
            return
        before = self._remembered.get(name, Asked(asked.run, view=name))
        fields = [field.path for field in about.views[name].fields()]
        along = {option: asked.option(option) for option in GOES_ALONG if option in fields and self._has(option)}
        self._ask(Asked(asked.run, asked.epoch, name, before.having(**along)))

    def _has(self, option: str) -> bool:
        """Whether the view can be asked this."""
        if self._about is None or self._asked is None or self._asked.view not in self._about.views:
            return False
        return any(field.path == option for field in self._about.views[self._asked.view].fields())

    def action_view(self, by: int) -> None:
        """The next view, or the one before."""
        self.query_one(Views).action_step(by)

    def action_epoch(self, by: int) -> None:
        """Weights of a later epoch or an earlier one, as far as they were kept."""
        about, asked = self._about, self._asked
        if about is None or asked is None or about.epoch is None:
            return
        here = int(asked.epoch) if asked.epoch.isdigit() else about.epoch
        there = [epoch for epoch in about.epochs if (epoch - here) * by > 0]
        if not there:
            kept = ", ".join(map(str, about.epochs))
            self.notify(f"no {'later' if by > 0 else 'earlier'} weights: of run {about.run} those of epoch {kept} are kept")
            return
        self._ask(replace(asked, epoch=str(min(there) if by > 0 else max(there))), cursor=self._picture.cursor)

    def action_image(self, by: int) -> None:
        """The next image of the split, or the one before."""
        if not self._has("image"):
            if self._asked is not None:
                self.notify(f"{self._asked.view} is not about one image")
            return
        shown = _image(self._picture.results)
        number = 0 if shown is None else shown + by
        if number >= 0:
            gone = {name: None for name in ("row", "column", "label") if self._asked and self._asked.option(name) is not None}
            self._change(image=str(number), **gone)

    def action_again(self) -> None:
        """Look once more: at the newest weights on disk, at another random image."""
        if self._asked is not None:
            self._ask(self._asked, cursor=self._picture.cursor, fresh=True)

    # ------------------------------------------------------------------------------------------------------ following

    @on(SheetView.Followed)
    def _followed(self) -> None:
        target = self._picture.target
        if target is None or self._asked is None or self._about is None:
            return
        there = follow(self._asked, target, self._about)
        if there is None:
            self.notify("this leads no further")
            return
        self._way.append(Step(self._asked, self._picture.cursor))
        self._ask(there)

    def action_back(self) -> None:
        """To where something was followed from."""
        if self._way:
            step = self._way.pop()
            self._ask(step.asked, cursor=step.cursor)

    # --------------------------------------------------------------------------------------------------------- keeping

    def action_copy(self) -> None:
        """Put the line that shows the same in a shell on the clipboard, and show it."""
        if self._asked is None or not self._asked.view or self._about is None:
            return
        session = self.convtui.session
        line = command(self._asked, store=session.path, device=session.device, data_dir=session.data_dir)
        self.app.copy_to_clipboard(line)
        self.notify(clean(line), title="copied", markup=False, timeout=8)

    def action_save(self) -> None:
        """Save what is seen as a picture in the working directory."""
        if self._asked is not None and self._picture.results:
            self._save(list(self._picture.results), _file_name(self._asked))

    @work(thread=True, group="saving")
    def _save(self, results: list[Result], path: Path) -> None:
        from engine.lens.saving import save

        try:
            save(results, path)
        except ConvtuiError as error:
            self.app.call_from_thread(self.notify, str(error), severity="error", markup=False)
        except Exception as error:
            from tui.log import log

            told = f"{type(error).__name__}: {error}; the full story is in {log(error)}"
            self.app.call_from_thread(self.notify, told, severity="error", markup=False)
        else:
            self.app.call_from_thread(self.notify, f"saved {path}", markup=False)

    # --------------------------------------------------------------------------------------------------------- folding

    def action_to_picture(self) -> None:
        """Give the picture the keys."""
        self._picture.focus()

    def action_fold(self, side: str) -> None:
        """Bring a column at the side, or fold it away."""
        self._folded[side] = not self.query_one(f"#{side}").has_class("folded")
        if self.size.width < WIDE and not self._folded[side]:
            # There is room for one of them.
            self._folded["right" if side == "left" else "left"] = True
        self._fold()
        column = self.query_one(f"#{side}")
        focusable = next(iter(column.query("Layers, ViewOptions Input, ViewOptions Select, ViewOptions Switch")), None)
        if self._folded[side] or focusable is None:
            self._picture.focus()
        else:
            focusable.focus()

    def _fold(self) -> None:
        narrow = self.size.width < WIDE
        for side in ("left", "right"):
            self.query_one(f"#{side}").set_class(self._folded.get(side, narrow), "folded")


def _named(asked: Asked) -> str:
    """A look in a few words: `deconvnet conv2 map 17`."""
    said = [value if name == "layer" else f"{words(name)} {value}" for name, value in asked.options if name != "split"]
    return " ".join((asked.view, *said))


def _image(results: Iterable[Result]) -> int | None:
    """The number of the image that all of this is about; None where it is about several or none."""
    from engine.lens.results import Sheet

    tiles = [tile for result in results if isinstance(result, Sheet) for tile in result.tiles]
    numbers = {tile.target.image for tile in tiles if tile.target is not None}
    return next(iter(numbers)) if len(numbers) == 1 else None


def _file_name(asked: Asked) -> Path:
    """A name that says what it is, and that no file has yet."""
    said = [value for name, value in asked.options if name in ("layer", "map", "image", "label")]
    parts = (f"run{asked.run}", asked.view, *said, *([] if asked.epoch == "last" else [f"epoch{asked.epoch}"]))
    stem = "-".join("".join(c if c.isalnum() else "_" for c in Path(part).stem) for part in parts)
    numbered = (Path(f"{stem}{f'-{number}' if number else ''}.png") for number in range(10_000))
    return next(path for path in numbered if not path.exists())
