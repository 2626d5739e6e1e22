"""submitit, which hands jobs to Slurm or starts them on this machine: settings as a person writes them, errors in one line."""

from __future__ import annotations

import logging
import math
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convtui.engine.errors import ConvtuiError, UsageError
from convtui.engine.extras import how_to_install
from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from submitit import AutoExecutor

    from convtui.tui.cli.slurm_job import Job

DEFAULT_TIME = "60"
MOST_TIMEOUTS = 10_000
"""How often a job may run out of its time and be started again: as often as its training needs."""
QUEUE_SECONDS = 5.0
"""Between two looks at Slurm's queue."""
ENDED = frozenset(
    "BOOT_FAIL CANCELLED COMPLETED DEADLINE FAILED NODE_FAIL OUT_OF_MEMORY PREEMPTED REVOKED TIMEOUT".split()  # noqa: SIM905
)
_TIME = re.compile(r"(\d+-)?\d+(:\d+){0,2}")
_OF_ONE_PROCESS = ("nodes", "tasks_per_node", "ntasks_per_node", "ntasks")
_LOCAL = ("time", "gpus_per_node")
_LONGEST_REASON = 300


def minutes(text: str) -> int:
    """A time limit as Slurm takes it, in whole minutes: `90`, `90:00`, `1:30:00`, `1-12`, `1-12:30`. Raises UsageError."""
    if not _TIME.fullmatch(text):
        raise UsageError(f"--job time={clean(text)}: write minutes, HOURS:MINUTES:SECONDS or DAYS-HOURS, as in --job time=90")
    days, dash, rest = text.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    # Hours come first behind days, and where there are three; else minutes do.
    hours = [*parts, 0, 0][:3] if dash or len(parts) == 3 else [0, *parts, 0][:3]
    total = int(days or 0) * 24 * 60 + hours[0] * 60 + hours[1] + math.ceil(hours[2] / 60)
    if total < 1:
        raise UsageError(f"--job time={clean(text)}: a job needs a minute at least")
    return total


class Queue:
    """Slurm's own list of a person's jobs of one name. submitit asks the accounting, which many clusters have switched off."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._asked = -math.inf
        self._states: dict[str, str] | None = None

    def state(self, job_id: str, since: float) -> str | None:
        """Of a job that was submitted at `since`, on the monotonic clock: Slurm's word; empty where it has forgotten the job, as it
        does minutes after its end. None where Slurm does not answer."""
        if since > self._asked or time.monotonic() - self._asked > QUEUE_SECONDS:
            self._asked = time.monotonic()
            self._states = self._ask()
        return None if self._states is None else self._states.get(job_id, "")

    def _ask(self) -> dict[str, str] | None:
        command = ["squeue", "--me", f"--name={self._name}", "--states=all", "--noheader", "--format=%i %T"]
        try:
            told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            return None
        return {words[0]: words[1] for words in map(str.split, told.splitlines()) if len(words) == 2}


@dataclass(frozen=True)
class Submitted:
    """A job as the folder of its run names it."""

    cluster: str
    id: str
    folder: Path
    """submitit's, of this job alone."""
    queue: Queue
    child: Any = None
    """submitit's own job, where this program started it on this machine."""
    since: float = field(default_factory=time.monotonic)

    @property
    def holder(self) -> str:
        """What the run's folder says of who has it."""
        return f"{self.cluster} {self.id}"

    def state(self) -> str:
        """How it ended, in Slurm's own word; empty where nobody tells."""
        return "" if self.cluster == "local" else self.queue.state(self.id, self.since) or ""

    def is_over(self) -> bool:
        """Whether it has ended, and will not be started again."""
        if self.cluster == "local":
            return bool(self.child.done()) if self.child is not None else not self._controller()
        if (self.folder / f"{self.id}_0_result.pkl").exists():
            return True
        state = self.queue.state(self.id, self.since)
        return state is not None and (not state or state in ENDED)

    def cancel(self) -> None:
        """Tell it to end; it saves first."""
        if self.cluster != "local":
            subprocess.run(["scancel", self.id], capture_output=True, check=False)
        elif self._controller():
            os.kill(int(self.id), signal.SIGTERM)

    def log(self) -> Path:
        """What it says of errors."""
        return self.folder / f"{self.id}_0_log.err"

    def complaint(self) -> str:
        """The last error in one line that it told; empty where there is none."""
        try:
            lines = self.log().read_text(errors="replace").splitlines()
        except OSError:
            return ""
        told = [text for text in lines if text.startswith("convtui: ")] or [text for text in lines if text.strip()]
        return clean(told[-1].removeprefix("convtui: ").strip())[:_LONGEST_REASON] if told else ""

    def _controller(self) -> bool:
        """Whether submitit's process that looks after it is still there: by its command, for a pid alone is given again."""
        import psutil

        try:
            process = psutil.Process(int(self.id))
            return process.status() != psutil.STATUS_ZOMBIE and str(self.folder) in process.cmdline()
        except (psutil.NoSuchProcess, psutil.AccessDenied, ValueError):
            return False


class Cluster:
    """Where jobs are handed to."""

    def __init__(self, where: str, settings: Mapping[str, str], name: str, environment: Mapping[str, str]) -> None:
        """`where`: slurm, or slurm-local for this machine; `settings` of a job, `name` of all of them, and what is set for them in
        the environment. Raises UsageError for what cannot be."""
        try:
            import submitit
        except ImportError:
            raise UsageError(f"--on {where} needs submitit: {how_to_install('slurm')}") from None
        logging.getLogger("submitit").setLevel(logging.CRITICAL)
        self.is_local = where == "slurm-local"
        self.name = "local" if self.is_local else "slurm"
        if one := next((name for name in _OF_ONE_PROCESS if settings.get(name, "1") != "1"), None):
            raise UsageError(f"--job {one}={clean(settings[one])}: a run is one process on one node; leave it out")
        if self.is_local and (odd := next((name for name in settings if name not in _LOCAL), None)):
            raise UsageError(
                f"--job {clean(odd)}: slurm-local knows only {' and '.join(_LOCAL)}; what is Slurm's is for --on slurm"
            )
        self._queue = Queue(name)
        self._environment = {"PYTHONSAFEPATH": "1", **environment}
        self._parameters = _parameters(settings, name, submitit.SlurmExecutor)

    def submit(self, job: Job, folder: Path) -> Submitted:
        """Hand it over, with a folder for submitit's files. Raises ConvtuiError where it is refused."""
        try:
            folder.mkdir(exist_ok=True)
            with warnings.catch_warnings(), self._apart():
                warnings.simplefilter("ignore")
                submitted = self._executor(folder).submit(job)
        except (RuntimeError, OSError) as error:
            why = next((text for text in reversed(str(error).splitlines()) if text.strip()), type(error).__name__)
            raise ConvtuiError(f"{self.name} did not take the job: {clean(why)[:_LONGEST_REASON]}") from None
        return Submitted(self.name, submitted.job_id, folder, self._queue, submitted if self.is_local else None)

    def check(self, folder: Path) -> None:
        """Raise UsageError where there is no Slurm, or a setting cannot be; `folder` is for any files of submitit's."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._executor(folder)
        except RuntimeError:
            told = "there is no Slurm here (no srun): --on slurm-local starts the same jobs on this machine"
            raise UsageError(told) from None
        except (NameError, ValueError, TypeError, AssertionError) as error:
            raise UsageError(f"--job: {clean(' '.join(str(error).split()))[:_LONGEST_REASON]}") from None

    def known(self, holder: str, folder: Path) -> Submitted | None:
        """The job that has a run, by what the run's folder says; None where none has."""
        cluster, _, job_id = holder.partition(" ")
        is_one = cluster == self.name and re.fullmatch(r"[0-9_]+", job_id)
        return Submitted(cluster, job_id, folder, self._queue) if is_one else None

    def _executor(self, folder: Path) -> AutoExecutor:
        from submitit import AutoExecutor

        executor = AutoExecutor(folder, cluster=self.name, slurm_max_num_timeout=MOST_TIMEOUTS, local_max_num_timeout=MOST_TIMEOUTS)
        executor.update_parameters(**self._parameters)
        return executor

    @contextmanager
    def _apart(self) -> Iterator[None]:
        """With the environment of jobs."""
        from submitit.core.utils import environment_variables

        with environment_variables(**self._environment), _untied() if self.is_local else nullcontext():
            yield


@contextmanager
def _untied() -> Iterator[None]:
    """What is started meanwhile outlives this program: it does not hear this terminal's Ctrl+C, nor its closing, and whoever reads
    this program's output does not wait for it."""
    sys.stdout.flush()
    sys.stderr.flush()
    numbers, streams = (signal.SIGINT, signal.SIGHUP), (0, 1, 2)
    handlers = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    kept = [os.dup(stream) for stream in streams]
    nothing = os.open(os.devnull, os.O_RDWR)
    try:
        for stream in streams:
            os.dup2(nothing, stream)
        yield
    finally:
        for copy, stream in zip(kept, streams, strict=True):
            os.dup2(copy, stream)
            os.close(copy)
        os.close(nothing)
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)


def _parameters(settings: Mapping[str, str], name: str, slurm: Any) -> dict[str, Any]:
    """For submitit's executor. What it does not know goes to sbatch as it is, which knows."""
    known = slurm._valid_parameters()
    given: dict[str, Any] = {"name": name, "timeout_min": minutes(settings.get("time", DEFAULT_TIME))}
    more: dict[str, Any] = {}
    for key, text in settings.items():
        option, value = key.replace("-", "_"), _value(text)
        if option in ("time", *_OF_ONE_PROCESS):
            continue
        if option in ("cpus_per_task", "gpus_per_node", "mem_gb"):
            given[option] = value
        elif option in ("setup", "teardown"):
            given[f"slurm_{option}"] = [text]
        elif option == "srun_args":
            given["slurm_srun_args"] = shlex.split(text)
        elif option in known:
            given[f"slurm_{option}"] = value
        else:
            more[key.replace("_", "-")] = value
    return given | ({"slurm_additional_parameters": more} if more else {})


def _value(text: str) -> int | bool | str:
    return int(text) if text.isdecimal() else {"true": True, "false": False}.get(text.lower(), text)
