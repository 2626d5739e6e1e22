"""The settings of a run to come: a preset, and what a person has changed of it. `engine.spec.changed` is the judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from convtui.engine.errors import SpecError
from convtui.engine.named_code import class_of
from convtui.engine.spec import RunSpec, changed, difference, is_in_force, read, written


@dataclass(frozen=True, slots=True)
class Wrong:
    """What was written where it cannot be."""

    text: str
    why: str
    """The judge's words."""


@dataclass(frozen=True, slots=True)
class Before:
    """A draft as it was, to go back to."""

    preset: str
    base: RunSpec
    spec: RunSpec
    wrong: dict[str, Wrong]
    texts: dict[str, str]


@dataclass(slots=True)
class Draft:
    """The last good settings, beside them what was written and is not good."""

    preset: str
    """Its name; empty where the settings come from no preset."""
    base: RunSpec
    """The preset's own settings."""
    spec: RunSpec
    wrong: dict[str, Wrong] = field(default_factory=dict)
    """By path."""
    texts: dict[str, str] = field(default_factory=lambda: {"name": "", "note": ""})
    """What a person calls the next run, and writes beside it."""
    history: list[Before] = field(default_factory=list)

    def text(self, path: str) -> str:
        """What stands at `part.name`, right or wrong."""
        return self.wrong[path].text if path in self.wrong else written(read(self.spec, path))

    def before(self, path: str) -> str:
        """What the preset has there."""
        return written(read(self.base, path))

    def put(self, path: str, text: str) -> None:
        """Write `text` at `part.name`. What was wrong before is judged again: the two may only make sense together."""
        waiting = {path: text} | {other: wrong.text for other, wrong in self.wrong.items() if other != path}
        try:
            self.spec, self.wrong = changed(self.spec, waiting), {}
            return
        except SpecError:
            self.wrong = {}
        accepted = True
        while accepted:
            accepted = False
            for other in list(waiting):
                try:
                    self.spec = changed(self.spec, {other: waiting[other]})
                except SpecError as error:
                    self.wrong[other] = Wrong(waiting[other], str(error))
                else:
                    del waiting[other]
                    self.wrong.pop(other, None)
                    accepted = True

    def has_effect(self, path: str) -> bool:
        """Whether a setting may be written: of a net of a person's own code nothing else of the model does."""
        return not (self.spec.model.module and path.startswith("model.")) or is_in_force(self.spec, path) or path in self.wrong

    def is_folded(self, path: str) -> bool:
        """Whether a setting says nothing about this run, and nobody has written anything there."""
        return not (is_in_force(self.spec, path) or path in self.wrong or self.text(path) != self.before(path))

    def reset(self, path: str) -> None:
        """Write what the preset has there; in place of a net of a person's own its whole net."""
        self.wrong.pop(path, None)
        if path == "model.module" and self.spec.model.module:
            self.spec = self.spec.model_copy(update={"model": self.base.model})
        else:
            self.put(path, self.before(path))

    @property
    def name(self) -> str:
        """What a run of these settings is called by default."""
        module = self.spec.model.module
        return class_of(module) if module else self.preset

    def choose(self, preset: str, base: RunSpec, spec: RunSpec | None = None) -> None:
        """Start from a preset; the settings of a run that is cloned count as changes from it."""
        self.preset, self.base, self.spec, self.wrong = preset, base, spec or base, {}

    def changes(self) -> dict[str, tuple[str, str]]:
        """Path -> (the preset's value, what stands here), for all that differs."""
        found = {path: values for path, values in difference(self.base, self.spec).items() if self.has_effect(path)}
        return found | {path: (self.before(path), wrong.text) for path, wrong in self.wrong.items()}

    @property
    def allow_stand_in(self) -> bool:
        """Whether the source may be replaced where it cannot be had: not one that the person chose."""
        return self.base.data.source == self.spec.data.source

    # ---------------------------------------------------------------------------------------------------------- undo

    def now(self) -> Before:
        return Before(self.preset, self.base, self.spec, dict(self.wrong), dict(self.texts))

    def back_to(self, before: Before) -> None:
        self.preset, self.base, self.spec, self.wrong = before.preset, before.base, before.spec, dict(before.wrong)
        self.texts = dict(before.texts)

    def take_texts(self) -> dict[str, str]:
        """Name and note for a run; the next one begins without, also where older settings are gone back to."""
        taken, self.texts = self.texts, dict.fromkeys(self.texts, "")
        self.history = [replace(before, texts=dict(self.texts)) for before in self.history]
        return taken

    def give_back(self, taken: Mapping[str, str]) -> None:
        """Name and note of a run that could not be started, where nothing was written since; older settings have them too."""
        self.texts = _filled(self.texts, taken)
        self.history = [replace(before, texts=_filled(before.texts, taken)) for before in self.history]

    def remember(self, before: Before) -> None:
        """Make the way from `before` to now a step that `undo` takes back; none where nothing has changed."""
        if before != self.now():
            self.history.append(before)

    def undo(self) -> bool:
        """Take the last change back; False where there is none."""
        if not self.history:
            return False
        self.back_to(self.history.pop())
        return True


def _filled(texts: Mapping[str, str], taken: Mapping[str, str]) -> dict[str, str]:
    return {name: text or taken[name] for name, text in texts.items()}
