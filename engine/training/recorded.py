"""A training whose every event is kept in the store: what the command line, the application and studies all pull."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from engine.data.split import Dataset
from engine.errors import CheckpointError, ConvtuiError
from engine.events import Event
from engine.files import clear_scraps
from engine.spec import RunSpec
from engine.store import Recorder, Run, Store, drive
from engine.training.training import Training


@contextmanager
def recorded(
    store: Store, run: Run, spec: RunSpec, dataset: Dataset, device: torch.device, *, threads: int = 0, resume: bool = False
) -> Iterator[tuple[Training, Iterator[Event]]]:
    """The training of `run`, already claimed by this process, and its events, each in the store before it is handed on.

    With `resume` it goes on from the run's newest checkpoint, or from its start where there is none. However the block is
    left, the run ends with a status: an error makes it `failed`, a consumer that leaves early makes it `stopped`, saved.
    """
    assert run.id is not None
    folder = store.folder(run.id)
    recorder = Recorder(store, run.id)
    training: Training | None = None
    try:
        clear_scraps(folder)
        newest = store.newest_checkpoint(run.id) if resume else None
        training = Training(
            spec, dataset, device=device, folder=folder, resume_from=folder / newest.file if newest else None, threads=threads
        )
        with training:
            yield training, drive(recorder, training, should_stop=lambda: training is not None and training.stopping)
    except (Exception, KeyboardInterrupt) as error:
        _say_goodbye(recorder, training)
        recorder.fail(_reason(error))
        raise
    else:
        _say_goodbye(recorder, training)
    finally:
        recorder.close()


def _say_goodbye(recorder: Recorder, training: Training | None) -> None:
    for event in training.farewell if training else ():
        recorder.record(event)


def _reason(error: BaseException) -> str:
    if isinstance(error, torch.OutOfMemoryError):
        return "the device ran out of memory; make data.batch_size smaller"
    if isinstance(error, ConvtuiError | CheckpointError):
        return str(error)
    return f"{type(error).__name__}: {error}"
