"""`--processes N`: one run on several processes, which torch's elastic launcher starts, here or as `torchrun`."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convtui.engine.errors import UsageError
from convtui.tui.session.program import PROGRAM
from convtui.tui.terminal import speak

if TYPE_CHECKING:
    import torch

    from convtui.engine.spec import RunSpec
    from convtui.engine.training.processes import Processes

ProcessCount = Annotated[
    int | None, typer.Option("--processes", metavar="N", min=1, help="share each batch among N processes, on GPUs one each")
]


def started() -> int:
    """How many processes torch's launcher has started for this run; 1 without it."""
    return int(os.environ["WORLD_SIZE"]) if "TORCHELASTIC_RUN_ID" in os.environ else 1


def refuse_with(count: int | None, **others: object) -> None:
    """Raise UsageError where one of `others`, by the option's name, is asked for on several processes."""
    if (count or started()) > 1 and (asked := [name for name, value in others.items() if value]):
        raise UsageError(f"--{asked[0]} is done by one process: leave --processes out")


def follow_if_told(data_dir: Path | None) -> None:
    """In a process that is not the first of its run: train with the first one, and leave."""
    if started() == 1 or os.environ["RANK"] == "0":
        return
    from convtui.engine.training import PeerLost, Processes
    from convtui.engine.training.recording import follow

    together = Processes()
    try:
        follow(together, data_dir, leave_signals)
    except PeerLost:  # the first process, or who started it, says so
        os._exit(1)
    together.close()
    raise typer.Exit


def leave_signals() -> None:
    """To the first process: its word is obeyed by all at the same step."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)


@contextmanager
def joined() -> Iterator[Processes | None]:
    """The processes that were started for this run; None where this is the only one."""
    if started() == 1:
        yield None
        return
    from convtui.engine.training import Processes

    together = Processes()
    yield together
    together.close()  # after an error torch would wait for processes that are gone


def own_device(device: torch.device, spec: RunSpec, together: Processes | None) -> torch.device:
    """`device`, or with several processes this one's own of that kind. Raises SpecError, DeviceError."""
    if together is None:
        return device
    from convtui.engine.training import refuse_several

    refuse_several(spec, together.count)
    return together.device(device.type)


def start_if_several(count: int | None, spec: RunSpec) -> None:
    """Where several processes are asked for and not there yet, start them, and leave with their exit code."""
    if count is None or count == 1 or started() > 1:
        return
    from convtui.engine.training import refuse_several

    refuse_several(spec, count)
    raise typer.Exit(start(count))


def start(count: int) -> int:
    """This very command on so many processes of this machine; the exit code."""
    from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    from convtui.engine.device import cores

    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // count)))
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id="convtui",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        logs_specs=DefaultLogsSpecs(log_dir=os.devnull),  # else a folder of each start would be left behind
    )
    config.local_addr = "localhost"
    program, *arguments = PROGRAM
    try:
        elastic_launch(config, program)(*arguments, *sys.argv[1:])
    except SignalException as left:
        return 128 + int(left.sigval)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        code = error.failures[0].exitcode if 0 in error.failures else failure.exitcode
        if failure.exitcode < 0 and rank == 0:  # of any other the first one tells
            told = f"process 1 of {count} was ended by signal {-failure.exitcode}"
            speak(f"convtui: {told}: 'convtui resume' continues the run from its last checkpoint", error=True)
        return code if code > 0 else 1
    return 0
