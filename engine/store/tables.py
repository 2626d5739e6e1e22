"""The store's tables. Times are seconds since 1970 (UTC), losses means over images, accuracies fractions 0 to 1.

A change here needs a migration beside it (`migrations/versions`) and a new `HEAD` in `schema.py`; a test compares the two. Stores
on PostgreSQL began at version 0008. Whole numbers have 64 bits there, and text is in the order of its code points, as in SQLite:
what a migration adds says so by a variant of its type, as the end of this file does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, PrimaryKeyConstraint, String, Table, Text
from sqlmodel import AutoString, Field, SQLModel

from convtui.engine.errors import SpecError
from convtui.engine.store.sound import check_when_loaded, parsed
from convtui.engine.store_address import shown_words

if TYPE_CHECKING:
    from convtui.engine.spec import RunSpec

RequestKind = Literal["stop", "pause", "continue", "rate", "checkpoint"]

MOST_THREADS = 10_000
TRAINING = "training"
"""The kind of runs that convtui trains."""


class StoreTable(SQLModel):
    """What our tables have in common: a catalogue of their own, so that models of other programs do not get into our store."""

    metadata: ClassVar[MetaData] = MetaData()


STAND_IN = "stand_in"
"""Of the provenance of a run that waits: true where its images may be replaced."""


class Run(StoreTable, table=True):
    """One training: its settings, where it stands and how it ended."""

    __table_args__: ClassVar[Any] = (
        Index("ix_run_study_setting", "study", "setting"),
        {"sqlite_autoincrement": True},  # an id is never given twice, even after a delete
    )

    id: int = Field(default=None, primary_key=True)
    name: str = Field(index=True)
    preset: str = ""
    status: str = Field(default="queued", index=True)
    """As stored; `Store.runs` and its kin put `crashed` here where the process is gone."""
    spec: str = Field(default="{}", sa_type=Text)
    """RunSpec as JSON; `settings` reads it."""
    dataset: str = ""
    """What was really used, which may differ from what the preset prefers."""
    device: str = ""
    host: str = ""
    pid: int | None = None
    process_started: float | None = None
    """When the process `pid` came to be: a pid alone is given again."""
    heartbeat: float | None = None
    attempt: int = 0
    """Counts the processes that trained it, from 1; 0 before the first start."""
    attempt_step: int = 0
    """The step at which the newest attempt began."""
    epoch: int = 0
    step: int = 0
    total_steps: int = 0
    steps_per_epoch: int = 0
    images_per_epoch: int = 0
    images: int = Field(default=0, sa_type=BigInteger)
    """Images trained on, over the attempts that count."""
    seconds: float = 0.0
    images_per_second: float | None = None
    train_loss: float | None = None
    train_accuracy: float | None = None
    test_loss: float | None = None
    test_accuracy: float | None = None
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    best_accuracy: float | None = None
    """Test accuracy of the best epoch (which early stopping chooses by validation loss)."""
    best_epoch: int | None = None
    learning_rate: float | None = None
    rate_factor: float = 1.0
    parameters: int | None = Field(default=None, sa_type=BigInteger)
    created: float
    started: float | None = None
    """When its first attempt began."""
    ended: float | None = None
    note: str = Field(default="", sa_type=Text)
    reason: str | None = Field(default=None, sa_type=Text)
    """Why it failed or diverged."""
    provenance: str = Field(default="{}", sa_type=Text)
    """JSON: versions, device, threads, step path, precision, classes, command line, host; `repeatable` reads it."""
    study: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """The study that it was made for; empty where there is none."""
    setting: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """Its row of that study. Which seed, scale and data it has is told by the spec."""
    kind: str = Field(default=TRAINING, sa_column_kwargs={"server_default": "training"})
    """TRAINING, or what a program that only told of its numbers calls itself."""
    end_step: int | None = None
    """The step of the weights that a finished run ended with, and that its figures are of, where it is not its last: early stopping
    goes back to its best epoch."""
    origin: str = Field(default="", index=True, sa_column_kwargs={"server_default": ""})
    """Of a run that was merged from another store: the identity of the one in which it began, and its number there, `3f0a...:7`."""

    @property
    def is_training(self) -> bool:
        """Whether convtui trained it, and can go on; of others it only has the numbers, and perhaps weights."""
        return self.kind == TRAINING

    @property
    def epochs(self) -> int:
        """Of its budget, the last one perhaps in part; 0 where that is not known yet."""
        return self.epoch_of(self.total_steps)

    @property
    def counts_epochs(self) -> bool:
        """False where a script's loop told of no epochs: its weights are then called by their steps."""
        return self.is_training or self.epoch > 0

    def weights_number(self, step: int, epoch: int) -> int:
        """What weights of that step are called by: the epochs behind them, or their step."""
        return epoch if self.counts_epochs else step

    @property
    def length(self) -> int:
        """Its budget in steps; where that is not known, or was overrun, how far it has come."""
        return max(self.total_steps, self.step)

    def epoch_of(self, step: int) -> int:
        """The epoch, from 1, that this step is in; 0 where that is not known yet."""
        return -(-step // self.steps_per_epoch) if self.steps_per_epoch else 0

    @property
    def settings(self) -> RunSpec:
        """The spec. Raises SpecError where convtui did not train the run, where it is damaged, or where another program wrote
        hyperparameters that this one does not know."""
        if not self.is_training:
            raise SpecError(f"run {self.id} ({self.name}) was not trained by convtui: run its script again")
        values = parsed(self.spec)
        if not isinstance(values, dict):
            raise SpecError(f"run {self.id}: the store does not hold its settings; restore a backup of the store")
        from convtui.engine.spec import make

        return make(values)

    @property
    def spec_values(self) -> dict[str, Any]:
        """The spec as it was written, known to this program or not; empty where it is damaged."""
        return _mapping(parsed(self.spec))

    @property
    def repeatable(self) -> dict[str, Any]:
        """The provenance, read. What is not of the type that convtui writes is left out: `threads` is a count, `classes` texts,
        `command` texts, `images` texts by split, `earlier` the provenances of before. What `may_stand_in` tells is left out too."""
        return {name: value for name, value in _provenance(parsed(self.provenance)).items() if name != STAND_IN}

    @property
    def may_stand_in(self) -> bool:
        """Whether other images may take the place of its own where these cannot be had: as whoever began it said, and no more once
        it has been trained."""
        return not self.attempt and _mapping(parsed(self.provenance)).get(STAND_IN) is True

    @property
    def digests(self) -> dict[str, str]:
        """Split -> what its images are, in short (`engine.data.digest`); empty where the run is older, or never began."""
        return dict(self.repeatable.get("images", {}))

    @property
    def node(self) -> str:
        """The machine of a cluster that trains it, for the process on `host` that records it; empty where that trains it itself."""
        return str(self.repeatable.get("node", ""))

    @property
    def test_images(self) -> int | None:
        """How many images its test accuracy is a share of; None where the run is older, or never began."""
        found = self.repeatable.get("test_images")
        return found if type(found) is int and found > 0 else None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


_SOUND: Mapping[str, Callable[[Any], bool]] = {
    "threads": lambda value: type(value) is int and 0 <= value <= MOST_THREADS,
    "classes": _is_texts,
    "command": _is_texts,
    "node": lambda value: isinstance(value, str),
    "images": lambda value: isinstance(value, dict) and _is_texts(list(value.values())),
    "earlier": lambda value: isinstance(value, list) and all(isinstance(item, dict) for item in value),
}


def spec_text(settings: Mapping[str, Any]) -> str:
    """A script's configuration as it is kept: JSON, what JSON does not know as text."""
    return json.dumps({str(key): value for key, value in settings.items()}, default=str)


def provenance_text(provenance: Mapping[str, Any]) -> str:
    """The provenance as it is kept: JSON, and no passwords in command lines."""
    command = provenance.get("command")
    hidden = {"command": shown_words(command)} if isinstance(command, list) else {}
    return json.dumps(dict(provenance) | hidden, default=str)


def _provenance(value: Any) -> dict[str, Any]:
    found = {name: item for name, item in _mapping(value).items() if name not in _SOUND or _SOUND[name](item)}
    return found | ({"earlier": [_provenance(item) for item in found["earlier"]]} if "earlier" in found else {})


class Identity(StoreTable, table=True):
    """What the store says of itself: one row."""

    id: int = Field(default=None, primary_key=True)
    identity: str
    """Hexadecimal digits that no other store has; the mark in its folder has them too."""
    folder: str
    """The name of the folder beside the database."""
    copied_from: str = ""
    """See `folder.Place`."""


class Attempt(StoreTable, table=True):
    """One process's go at a run."""

    run_id: int = Field(foreign_key="run.id", ondelete="CASCADE", primary_key=True)
    attempt: int = Field(primary_key=True)
    step: int | None = None
    """Updates already done when it began: what older attempts say beyond it no longer counts. NULL until it has begun."""
    created: float
    host: str = ""
    pid: int | None = None
    written: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    """How many rows of other tables than `metric` it has written: one that may have been written is not written twice."""


class Metric(StoreTable, table=True):
    """One number of one step. Append-only. NULL is not-a-number."""

    # One tree sorted by the key, and nothing beside it: half the size, and a series lies in one piece.
    __table_args__: ClassVar[Any] = {"sqlite_with_rowid": False}

    run_id: int = Field(foreign_key="run.id", ondelete="CASCADE", primary_key=True)
    name: str = Field(primary_key=True)
    step: int = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    value: float | None = None


class Confusion(StoreTable, table=True):
    """What a run's net took the test images for, at one evaluation. Append-only, as metrics are."""

    __table_args__: ClassVar[Any] = {"sqlite_with_rowid": False}

    run_id: int = Field(foreign_key="run.id", ondelete="CASCADE", primary_key=True)
    step: int = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    counts: str = Field(sa_type=Text)
    """JSON: a row for each true class, a column for each predicted one."""


class Checkpoint(StoreTable, table=True):
    """One file that is complete on disk, in the run's folder. Rows of files that were cleared away are deleted."""

    __table_args__: ClassVar[Any] = {"sqlite_autoincrement": True}

    id: int = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id", ondelete="CASCADE", index=True)
    attempt: int
    step: int
    epoch: int
    kind: str
    """`checkpoint`, `best` or `snapshot`."""
    file: str
    bytes: int = Field(sa_type=BigInteger)
    created: float
    test_accuracy: float | None = None


class Message(StoreTable, table=True):
    """One line for people."""

    __table_args__: ClassVar[Any] = {"sqlite_autoincrement": True}  # `after_id` relies on ids that only grow

    id: int = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id", ondelete="CASCADE", index=True)
    step: int
    created: float
    severity: str
    text: str = Field(sa_type=Text)


class Request(StoreTable, table=True):
    """What is wanted of a run that another process trains."""

    __table_args__: ClassVar[Any] = (Index("ix_request_run_id_taken", "run_id", "taken"), {"sqlite_autoincrement": True})

    id: int = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id", ondelete="CASCADE")
    created: float
    kind: str
    """`stop`, `pause`, `continue`, `rate` or `checkpoint`."""
    value: float | None = None
    """The factor of `rate`."""
    taken: float | None = None


for _table in (Run, Attempt, Checkpoint, Message, Request):
    check_when_loaded(_table)

VERSION_TABLE = "convtui_version"
"""Alembic's, under a name of our own, so that others may share the database."""

Table(
    VERSION_TABLE,
    StoreTable.metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)

for _of_store in StoreTable.metadata.tables.values():
    for _column in _of_store.columns:
        if isinstance(_column.type, Integer):
            _column.type = _column.type.with_variant(BigInteger(), "postgresql")
        elif isinstance(_column.type, String | AutoString):
            _column.type = _column.type.with_variant(Text(collation="C"), "postgresql")
