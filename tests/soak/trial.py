"""One attempt at breaking something: where it happens, what it draws, what it counts, and what it found broken."""

from __future__ import annotations

import random
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.soak.site import Site


class Broken(Exception):
    """A promise did not hold; says which, and what was found."""


class Skipped(Exception):
    """This machine cannot stage this kind of fault; says why."""


@dataclass(frozen=True)
class Fault:
    """A promise that did not hold."""

    kind: str
    what: str
    reproduce: str
    """The command that stages it again."""


@dataclass
class Outcome:
    """What the trials of one kind came to."""

    kind: str
    figures: Counter[str] = field(default_factory=Counter)
    """What was counted, by its name in plain words: kills, rows compared, cases."""
    faults: list[Fault] = field(default_factory=list)
    skipped: str = ""
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """For another process; `of_json` reads it."""
        return asdict(self) | {"figures": dict(self.figures)}

    @classmethod
    def of_json(cls, values: dict[str, Any]) -> Outcome:
        """What `as_json` wrote."""
        faults = [Fault(**fault) for fault in values["faults"]]
        return cls(values["kind"], Counter(values["figures"]), faults, values["skipped"], values["seconds"])


@dataclass(frozen=True)
class Trial:
    """One attempt. `count` and `check` tell the outcome; everything else is the fault's own business."""

    site: Site
    folder: Path
    """Its own, empty; removed afterwards."""
    draw: random.Random
    number: int
    """Counts the trials of this kind from 0."""
    figures: Counter[str]
    until: float
    """On the monotonic clock: a trial that repeats something stops repeating it then."""
    shrink: bool = False
    """Whether an example that fails is made smaller: worth its minutes when one fault is looked at."""

    def count(self, what: str, number: int = 1) -> None:
        """Add to a figure."""
        self.figures[what] += number

    def check(self, holds: object, what: str) -> None:
        """Raise Broken, saying `what`, where a promise does not hold."""
        if not holds:
            raise Broken(what)


Stage = Callable[[Trial], None]


@dataclass(frozen=True)
class Kind:
    """A kind of fault."""

    name: str
    """As `--only` takes it: `kills.training`."""
    stage: Stage
    share: float
    """Of its lane's time."""


def tried(
    kind: Kind, site: Site, seed: int, seconds: float, *, first: int = 0, most: int | None = None, fail_fast: bool
) -> Outcome:
    """Stage a kind again and again, until `seconds` are over or `most` trials are done; once in any case."""
    outcome = Outcome(kind.name)
    began = time.monotonic()
    number = first
    while not outcome.skipped and not (fail_fast and outcome.faults):
        _try_once(kind, site, seed, number, outcome, until=began + seconds, shrink=most is not None)
        number += 1
        if time.monotonic() - began >= seconds or (most is not None and number - first >= most):
            break
    outcome.seconds = time.monotonic() - began
    return outcome


def _try_once(kind: Kind, site: Site, seed: int, number: int, outcome: Outcome, *, until: float, shrink: bool) -> None:
    with TemporaryDirectory(dir=site.folder, prefix=f"{kind.name}-") as folder:
        draw = random.Random(f"{seed} {kind.name} {number}")
        trial = Trial(site, Path(folder), draw, number, outcome.figures, until, shrink)
        try:
            kind.stage(trial)
        except Skipped as reason:
            outcome.skipped = str(reason)
        except Exception as error:
            # Finding whatever goes wrong is the purpose; the next trial follows.
            what = str(error) if isinstance(error, Broken) else "".join(traceback.format_exception(error)[-8:])
            reproduce = f"python -m tests.soak --only {kind.name} --seed {seed} --trial {number}"
            outcome.faults.append(Fault(kind.name, what, reproduce))
        outcome.figures["trials"] += 1
