"""Look: a run's net opened up."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType

from convtui.tui.app.look.controller import Asking, Step
from convtui.tui.app.look.image_strip import ImageStrip
from convtui.tui.app.look.layer_list import LayerList
from convtui.tui.app.look.sheet_view import SheetView
from convtui.tui.app.look.view_bar import ViewBar
from convtui.tui.app.look.view_options import ViewOptions
from convtui.tui.session.inspector import Query, follow

if TYPE_CHECKING:
    from convtui.engine.figures.figure import Target

GOES_ALONG = ("layer", "split", "image")
"""Options that say what is looked at: another view is asked for the same, where it can be."""
PANES = Binding.Group("Panes", compact=True)


class LookPage(Asking):
    """Layers at the left, views on top, the result in the middle, the view's options at the right, images below."""

    NAME = "look"
    CSS_PATH = "page.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("backspace", "back", "Back", key_display="⌫"),
        Binding("v", "view(1)", "View"),
        Binding("V", "view(-1)", "View before", show=False),
        Binding("left_square_bracket", "epoch(-1)", "Epoch before", key_display="[", show=False),
        Binding("right_square_bracket", "epoch(1)", "Epoch", key_display="[ ]"),
        Binding("comma", "image(-1)", "Image before", key_display=",", show=False),
        Binding("full_stop", "image(1)", "Image", key_display=", ."),
        Binding("p", "save", "Save"),
        Binding("y", "copy", "Copy command", show=False),
        Binding("R", "again", "Now"),
        Binding("L", "fold('left')", "Layers", group=PANES, key_display="L "),
        Binding("o", "fold('right')", "Options", group=PANES, key_display="o "),
        Binding("i", "fold('strip')", "Images", group=PANES, key_display="i "),
        Binding("escape", "to_picture", "To the picture", show=False),
    ]

    # ------------------------------------------------------------------------------------------------------ choosing

    @on(ViewBar.Chosen)
    def _view_chosen(self, event: ViewBar.Chosen) -> None:
        self._choose_view(event.name)

    @on(LayerList.Chosen)
    def _layer_chosen(self, event: LayerList.Chosen) -> None:
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
        before = self._remembered.get(name, Query(asked.run, view=name))
        fields = [field.path for field in about.views[name].fields()]
        along = {option: asked.option(option) for option in GOES_ALONG if option in fields and self._has(option)}
        self._ask(Query(asked.run, asked.epoch, name, before.having(**along)))

    def action_view(self, by: int) -> None:
        """The next view, or the one before."""
        self.query_one(ViewBar).action_step(by)

    def action_epoch(self, by: int) -> None:
        """Weights of a later epoch or an earlier one, as far as they were kept; after the last those in training."""
        about, asked = self._about, self._asked
        if about is None or asked is None or about.epoch is None:
            return
        at_end = about.in_training and asked.epoch == "last"
        here = int(asked.epoch) if asked.epoch.isdigit() else about.epoch + at_end
        there = [epoch for epoch in about.epochs if (epoch - here) * by > 0]
        if there:
            epoch = str(min(there) if by > 0 else max(there))
        elif by > 0 and asked.epoch.isdigit() and self.session.training == about.run:
            epoch = "last"
        else:
            kept = ", ".join(map(str, about.epochs)) or "none"
            self.notify(f"no {'later' if by > 0 else 'earlier'} weights: of run {about.run} those of epoch {kept} are kept")
            return
        self._ask(replace(asked, epoch=epoch), cursor=self.picture.cursor)

    def action_again(self) -> None:
        """Look once more: at a net in training as it is now, at the newest weights on disk, at another random image."""
        if self._asked is not None:
            self._ask(self._asked, cursor=self.picture.cursor, fresh=True)

    @on(ImageStrip.Chosen)
    def _image_chosen(self, event: ImageStrip.Chosen) -> None:
        from convtui.engine.figures.figure import Target

        if self._asked is None or self._about is None:
            return
        if self._has("image"):
            self._choose_image(event.number)
        else:
            split = None if self._split == "test" else self._split
            self._follow(replace(self._asked, options=self._asked.having(split=split)), Target(image=event.number))

    def action_image(self, by: int) -> None:
        """The next image of the split, or the one before."""
        if self._has("image"):
            self._choose_image(self.strip.cursor + by)
        elif self._asked is not None and self.strip.display:
            self.strip.action_move(by)
        elif self._asked is not None:
            self.notify(f"{self._asked.view} is not about one image")

    def _choose_image(self, number: int) -> None:
        if number < 0 or self._asked is None:
            return
        self.strip.put(number, self.strip.chosen)
        gone = {name: None for name in ("row", "column", "label") if self._asked.option(name) is not None}
        self._change(image=str(self.strip.cursor), **gone)

    # ------------------------------------------------------------------------------------------------------ following

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is a way back only where something was followed."""
        return bool(self._way) if action == "back" else super().check_action(action, parameters)

    @on(SheetView.Followed)
    def _followed(self) -> None:
        if self._asked is not None:
            self._follow(self._asked, self.picture.target)

    def _follow(self, asked: Query, target: Target | None) -> None:
        if self._about is None or self._asked is None:
            return
        there = None if target is None else follow(asked, target, self._about)
        if there is None:
            self.notify("this leads no further")
            return
        self._way.append(Step(self._asked, self.picture.cursor))
        self._ask(there)

    def action_back(self) -> None:
        """To where something was followed from."""
        if self._way:
            step = self._way.pop()
            self._ask(step.asked, cursor=step.cursor)
