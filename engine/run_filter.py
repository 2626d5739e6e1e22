"""Which runs a person asks for: `lenet (lr>=1e-3 OR activation:tanh) NOT status:failed #report` (docs/runs.md).

A filter is parsed into one condition; whoever has runs says what it needs to know of them (`Described`, `Known`).
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from convtui.engine.metrics import metric
from convtui.engine.statuses import STATUSES

if TYPE_CHECKING:
    from convtui.engine.spec import Hyperparameter


class BadFilter(ValueError):
    """What is wrong with a filter, in a few words."""


class Described(Protocol):
    """What a store's table of runs says of one."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def preset(self) -> str: ...
    @property
    def data(self) -> str:
        """Its dataset."""

    @property
    def status(self) -> str: ...
    @property
    def note(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def searched(self) -> str:
        """Where words are looked for, as `searchable` makes it."""

    @property
    def epoch(self) -> int: ...
    @property
    def accuracy(self) -> float | None:
        """Over test images, else over validation images, 0 to 1; `loss` likewise."""

    @property
    def best(self) -> float | None: ...
    @property
    def loss(self) -> float | None: ...
    @property
    def seconds(self) -> float: ...


class Known(Protocol):
    """What has been read of runs besides; nothing, of what has not been read or is not there."""

    def setting(self, run_id: int, path: str) -> Any:
        """A hyperparameter's value, or that of a setting of a script's own."""

    def measured(self, run_id: int, name: str) -> Sequence[float]:
        """The last value of the series of that name; where it is one of layers or classes, of all of these."""


@dataclass(slots=True)
class KnownOfRuns:
    """What has been read: run -> path -> value, and name -> run -> values, one for each layer or class that has one."""

    settings: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    measures: dict[str, dict[int, Sequence[float]]] = field(default_factory=dict)

    def setting(self, run_id: int, path: str) -> Any:
        """None where there is none, or it has not been read."""
        return self.settings.get(run_id, {}).get(path)

    def measured(self, run_id: int, name: str) -> Sequence[float]:
        """Empty where there is nothing, or it has not been read."""
        return self.measures.get(name, {}).get(run_id, ())


Condition = Callable[[Described, Known], bool]


@dataclass(frozen=True, slots=True)
class Filter:
    """What a filter asks for; says of a run whether it is like that."""

    condition: Condition
    measures: tuple[str, ...]
    """Series whose last values it asks for, of every run; a script's own setting may be meant as well."""
    settings: tuple[str, ...]
    """Hyperparameters, and settings of scripts, that it asks for."""
    own: tuple[str, ...]
    """Of both, the names that convtui does not know: series and settings of scripts, unless they are misspelt."""

    def __call__(self, run: Described, known: Known) -> bool:
        return self.condition(run, known)

    def unknown(self, run_ids: Iterable[int], known: Known) -> list[str]:
        """Of `own`, the names that none of these runs knows either."""
        ids = list(run_ids)
        return [
            name
            for name in self.own
            if not any(known.measured(run_id, name) or known.setting(run_id, name) is not None for run_id in ids)
        ]


_TEXTS: dict[str, Callable[[Described], str]] = {
    "name": lambda run: run.name,
    "preset": lambda run: run.preset,
    "data": lambda run: run.data,
    "status": lambda run: run.status,
    "note": lambda run: run.note,
    "device": lambda run: run.device,
}
_NUMBERS: dict[str, Callable[[Described], float | None]] = {
    "acc": lambda run: run.accuracy,
    "best": lambda run: run.best,
    "loss": lambda run: run.loss,
    "epoch": lambda run: run.epoch,
    "time": lambda run: run.seconds,
    "id": lambda run: run.id,
}
_SHARES = ("acc", "best")
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge, "<=": operator.le, "!=": operator.ne, ">": operator.gt, "<": operator.lt, "=": operator.eq,
}  # fmt: skip
_EQUALITY = ("=", "!=")
_WORD = re.compile(r'[()]|(?:[^\s"()]|"[^"]*(?:"|$))+')
_COMPARED = re.compile(r'([a-zA-Z](?:[\w./-]|"[^"]*")*)(>=|<=|!=|>|<|=)(.*)', re.DOTALL)
_TOLD = re.compile(r"([a-zA-Z][\w./-]*):(.*)", re.DOTALL)
_DEEPEST = 50
_TAG = re.compile(r"(?<!\S)#\w[\w-]*")


def parsed_filter(text: str) -> Filter:
    """What `text` asks for; an empty one lets every run through. Raises BadFilter."""
    words = _WORD.findall(text)
    if sum(word in ("(", "NOT", "-") for word in words) > _DEEPEST:
        raise BadFilter("too many ( and NOT")
    return _Parser(words).filter()


def tags(note: str) -> list[str]:
    """The words of a note that begin with #, in small letters."""
    return [found.lower() for found in _TAG.findall(note)]


def searchable(name: str, preset: str, data: str, note: str) -> str:
    """Where words are looked for, in small letters."""
    return f"{name}\n{preset}\n{data}\n{note}".lower()


@dataclass(slots=True)
class _Parser:
    """any := all (OR all)*; all := one+; one := NOT one | -one | (any) | a word, a comparison or a tag."""

    words: Sequence[str]
    at: int = 0
    measures: dict[str, None] = field(default_factory=dict)
    settings: dict[str, None] = field(default_factory=dict)
    own: dict[str, None] = field(default_factory=dict)

    def filter(self) -> Filter:
        """The whole."""
        condition = self._any() if self.words else lambda _run, _known: True
        if self.at < len(self.words):
            raise BadFilter(") without (")
        return Filter(condition, tuple(self.measures), tuple(self.settings), tuple(self.own))

    def _next(self) -> str:
        return self.words[self.at] if self.at < len(self.words) else ""

    def _any(self) -> Condition:
        several = [self._all()]
        while self._next() == "OR":
            self.at += 1
            several.append(self._all())
        return several[0] if len(several) == 1 else lambda run, known: any(each(run, known) for each in several)

    def _all(self) -> Condition:
        several = list(self._conditions())
        if not several:
            raise BadFilter("OR is between two conditions" if "OR" in self.words else "( ) without a condition")
        return several[0] if len(several) == 1 else lambda run, known: all(each(run, known) for each in several)

    def _conditions(self) -> Iterator[Condition]:
        while self._next() not in ("", ")", "OR"):
            if self._next() == "AND":
                self.at += 1
                continue
            yield self._one()

    def _one(self) -> Condition:
        word = self._next()
        self.at += 1
        if word == "(":
            inner = self._any()
            if self._next() != ")":
                raise BadFilter("( without )")
            self.at += 1
            return inner
        if word in ("NOT", "-"):
            if self._next() in ("", ")", "OR", "AND"):
                raise BadFilter(f"{word} of what?")
            return _without(self._one())
        if len(word) > 1 and word.startswith("-"):
            return _without(self._term(word[1:]))
        return self._term(word)

    def _term(self, word: str) -> Condition:
        if word.startswith('"'):
            return _word(word)
        if word.startswith("#") and len(word) > 1:
            return lambda run, _known: word.lower() in tags(run.note)
        if compared := _COMPARED.fullmatch(word):
            return self._compared(compared[1].replace('"', ""), compared[2], compared[3].replace('"', ""))
        if told := _TOLD.fullmatch(word):
            return self._told(told[1], told[2].replace('"', "").lower()) or _word(word)
        return _word(word)

    # ------------------------------------------------------------------------------------------------------ key>number

    def _compared(self, key: str, sign: str, text: str) -> Condition:
        compare = _COMPARISONS[sign]
        if of := _NUMBERS.get(key.lower()):
            number = _number(key, sign, text, share=key.lower() in _SHARES)
            return lambda run, _known: _holds(compare, of(run), number)
        if key.lower() in _TEXTS:
            return self._equal_text(key.lower(), sign, text)
        if hyper := _hyperparameter(key):
            return self._of_setting(hyper, key, sign, text)
        return self._of_own(key, sign, text)

    def _equal_text(self, key: str, sign: str, text: str) -> Condition:
        if sign not in _EQUALITY:
            raise BadFilter(f"{key} is text: {key}:WORD")
        of, compare, sought = _TEXTS[key], _COMPARISONS[sign], text.lower()
        return lambda run, _known: compare(of(run).lower(), sought)

    def _of_setting(self, hyper: Hyperparameter, key: str, sign: str, text: str) -> Condition:
        """`key` is how it was written: a script may have a setting of that name."""
        compare, read = _COMPARISONS[sign], self._reader(hyper.path, key)
        if hyper.kind in (int, float):
            number = _number(key, sign, text, share=False)
            return lambda run, known: _holds(compare, _as_number(read(run, known)), number)
        if sign not in _EQUALITY:
            raise BadFilter(f"{key} is no number: {key}:{hyper.choices[0] if hyper.choices else 'WORD'}")
        sought = text.lower()
        return lambda run, known: (found := read(run, known)) is not None and compare(_as_text(found), sought)

    def _of_own(self, key: str, sign: str, text: str) -> Condition:
        """A measure, or a setting of a script's own."""
        compare, sought = _COMPARISONS[sign], text.lower()
        self.measures[key] = self.own[key] = None
        read = self._reader(key)
        try:
            number = _number(key, sign, text, share=metric(key).form == "share")
        except BadFilter:
            if sign not in _EQUALITY or not text:
                raise
            return lambda run, known: (found := read(run, known)) is not None and compare(_as_text(found), sought)

        def holds(run: Described, known: Known) -> bool:
            values = known.measured(run.id, key)
            if values:
                return any(_holds(compare, value, number) for value in values)
            return _holds(compare, _as_number(read(run, known)), number)

        return holds

    # -------------------------------------------------------------------------------------------------------- key:text

    def _told(self, key: str, sought: str) -> Condition | None:
        """None where it is but a word with a colon, as in http://x."""
        if key.lower() == "status":
            if not any(status.startswith(sought) for status in STATUSES):
                raise BadFilter(f"no status starts with {sought}; use {', '.join(STATUSES)}")
            return lambda run, _known: run.status.startswith(sought)
        if of := _TEXTS.get(key.lower()):
            return lambda run, _known: sought in of(run).lower()
        if hyper := _hyperparameter(key):
            return self._setting_like(hyper, key, sought)
        if sought.startswith("//"):
            return None
        self.own[key] = None
        read = self._reader(key)
        return lambda run, known: (found := read(run, known)) is not None and sought in _as_text(found)

    def _setting_like(self, hyper: Hyperparameter, key: str, sought: str) -> Condition:
        if hyper.kind in (int, float):
            return self._of_setting(hyper, key, "=", sought)
        read = self._reader(hyper.path, key)
        if not hyper.choices:
            return lambda run, known: (found := read(run, known)) is not None and sought in _as_text(found)
        if not any(choice.startswith(sought) for choice in hyper.choices):
            raise BadFilter(f"no {key} starts with {sought}; use {', '.join(hyper.choices)}")
        return lambda run, known: (found := read(run, known)) is not None and _as_text(found).startswith(sought)

    def _reader(self, *paths: str) -> Callable[[Described, Known], Any]:
        """The setting of the first of these paths that a run has."""
        self.settings |= dict.fromkeys(paths)

        def read(run: Described, known: Known) -> Any:
            return next((found for path in paths if (found := known.setting(run.id, path)) is not None), None)

        return read


def _word(word: str) -> Condition:
    sought = word.replace('"', "").lower()
    return lambda run, _known: sought in run.searched


def _without(condition: Condition) -> Condition:
    return lambda run, known: not condition(run, known)


def _holds(compare: Callable[[Any, Any], bool], value: float | None, number: float) -> bool:
    """What has no value, or one that is no number, is like nothing."""
    return value is not None and not math.isnan(value) and compare(value, number)


def _number(key: str, sign: str, text: str, *, share: bool) -> float:
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        raise BadFilter(f"{key}{sign} needs a number, e.g. {key}{sign}{'0.9' if share else '1'}") from None
    # On the screen shares are percents, in the store fractions: a person may write either.
    return value / 100 if text.endswith("%") or (share and value > 1) else value


def _as_number(value: Any) -> float | None:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return None if value is None or isinstance(value, bool) else float(value)


def _as_text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value).lower()


@cache
def _fields() -> dict[str, Hyperparameter]:
    from convtui.engine.spec import hyperparameters

    return {field.path: field for field in hyperparameters()}


def _hyperparameter(key: str) -> Hyperparameter | None:
    """The one that is meant: by its path, or the end of its path where no other ends so."""
    from convtui.engine.spec import alike

    fields = _fields()
    meant = alike(key, fields)
    return fields[meant[0]] if len(meant) == 1 else None


def is_hyperparameter(path: str) -> bool:
    """Whether convtui has one of just that path."""
    return path in _fields()


def path_meant(key: str) -> str | None:
    """The path of the hyperparameter that is meant by its path or the end of it, as in `lr`; None where there is not one."""
    hyper = _hyperparameter(key)
    return hyper.path if hyper else None
