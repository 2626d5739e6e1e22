"""Runs as tasks of a Ray cluster, each of which asks and tells the head by way of an actor, the mailbox, on the head's node.

A stream of results would do for what is told outside of the Ray Client only (`ray://`), and would bring no answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from convtui.engine import __version__
from convtui.engine.errors import ConvtuiError, UsageError
from convtui.engine.extras import how_to_install
from convtui.engine.files import scratch_folder

if TYPE_CHECKING:
    from convtui.engine.training.relay import Told

MOST_RETRIES = 3
"""Of a run whose process or node died: what takes them down that often does so each time."""
KNOCK_SECONDS = 10.0


class ClusterLost(ConvtuiError):
    """Nothing more is to be had from the cluster."""


@dataclass(frozen=True, slots=True)
class Node:
    """One machine of the cluster."""

    cpus: int
    gpus: int


@dataclass(frozen=True, slots=True)
class Share:
    """What one run has of its node for itself."""

    cpus: int
    gpus: float

    def fits(self, node: Node) -> int:
        """How many runs have room on the node at once."""
        by_cpus = node.cpus // self.cpus
        return min(by_cpus, int(node.gpus / self.gpus)) if self.gpus else by_cpus


def fair_share(nodes: Sequence[Node], runs: int, *, gpus: bool) -> Share:
    """A GPU for each run where there are some, and `gpus` are wanted; else of the cores so many that all runs find room at once, at
    least one."""
    if gpus and any(node.gpus for node in nodes):
        return Share(1, 1)
    most = max((node.cpus for node in nodes), default=1)
    shares = (Share(cpus, 0) for cpus in range(most, 1, -1))
    return next((share for share in shares if sum(map(share.fits, nodes)) >= runs), Share(1, 0))


class Mailbox:
    """The actor: calls of tasks wait here until the head has taken and answered them."""

    def __init__(self) -> None:
        self._calls: list[tuple[int, str, dict[str, bytes]]] = []
        self._answers: dict[int, asyncio.Future[tuple[str, dict[str, bytes]]]] = {}
        self._came = asyncio.Event()
        self._count = 0

    async def call(self, text: str, files: dict[str, bytes]) -> tuple[str, dict[str, bytes]]:
        """Of a task: the head's answer."""
        self._count += 1
        number = self._count
        answer: asyncio.Future[tuple[str, dict[str, bytes]]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        self._calls.append((number, text, files))
        self._came.set()
        return await answer

    async def take(self, seconds: float) -> list[tuple[int, str, dict[str, bytes]]]:
        """Of the head: what came since, as soon as there is something; nothing after so many seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._came.wait(), seconds)
        self._came.clear()
        calls, self._calls = self._calls, []
        return calls

    async def answer(self, number: int, text: str, files: dict[str, bytes]) -> None:
        """Of the head, to a call."""
        waiting = self._answers.pop(number)
        if not waiting.done():  # it is where the task is gone
            waiting.set_result((text, files))


def _train(mailbox: Any, run_id: int, order: str, version: str) -> None:
    """The task, in a process of the cluster."""
    if version != __version__:
        raise UsageError(f"this node has convtui {__version__}, the head {version}: install the same on all")
    from convtui.engine.training.remote import train

    def send(text: str, files: Mapping[str, bytes]) -> tuple[str, dict[str, bytes]]:
        # Not by ray.get: whoever waits in it counts as idle, and its cores are given to another task.
        answer: tuple[str, dict[str, bytes]] = mailbox.call.remote(text, dict(files)).future().result()
        return answer

    train(run_id, json.loads(order), send)


def _quieten() -> None:
    """What Ray has to say is said here, and so is what its client brings from the cluster: with no handler Python prints it."""
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    for name in ("ray", "ray.util.client.logsclient"):
        logging.getLogger(name).addHandler(logging.NullHandler())


class Cluster:
    """The cluster, as long as it is entered. Raises ClusterLost in every method once it is gone."""

    def __init__(self, address: str | None) -> None:
        """`ray://HOST:PORT` of a cluster elsewhere; None is the one that RAY_ADDRESS names, else one of this machine alone, for as
        long as this program runs. Raises UsageError where Ray, or the cluster, is not there."""
        try:
            import ray
        except ImportError:
            raise UsageError(f"--on ray needs Ray: {how_to_install('ray')}") from None
        self._ray = ray
        self._address = address
        self._stack = contextlib.ExitStack()
        self._tasks: dict[Any, int] = {}

    def __enter__(self) -> Self:
        with self._stack:
            self._connect()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def _connect(self) -> None:
        ray = self._ray
        where = self._address or os.environ.get("RAY_ADDRESS") or "local"
        _knock(where)
        _quieten()
        empty = self._stack.enter_context(scratch_folder("ray"))
        # Ray has its workers import from the working directory, where a person's own files may have any name.
        with _own_signals(), contextlib.chdir(empty), warnings.catch_warnings(action="ignore"):
            try:
                ray.init(address=where, include_dashboard=False, configure_logging=False, log_to_driver=False)
            except Exception as error:
                raise UsageError(f"Ray at {where} cannot be used: {_words(error)}") from error
            finally:
                _quieten()  # it has undone that
        self._stack.callback(ray.shutdown)
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        actor = ray.remote(Mailbox).options(num_cpus=0, max_concurrency=10_000, scheduling_strategy=here)
        self._mailbox = actor.remote()

    @property
    def nodes(self) -> list[Node]:
        """Those that are alive."""
        found = [node["Resources"] for node in self._asked(self._ray.nodes) if node["Alive"]]
        return [Node(int(has.get("CPU", 0)), int(has.get("GPU", 0))) for has in found]

    def submit(self, run_id: int, order: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        """Have a run trained wherever there is room; `options` are those of a Ray task."""
        from convtui.engine.training.remote import Unheard

        task = self._ray.remote(_train).options(
            **{"max_retries": MOST_RETRIES, "scheduling_strategy": "SPREAD", **options},
            retry_exceptions=[Unheard],
            name=f"run {run_id}",
        )
        self._tasks[self._asked(lambda: task.remote(self._mailbox, run_id, json.dumps(order), __version__))] = run_id

    def take(self, seconds: float) -> list[Told]:
        """What was told since, as soon as there is something."""
        from convtui.engine.training.relay import Told

        calls = self._asked(lambda: self._ray.get(self._mailbox.take.remote(seconds)))
        return [Told.of(text, files, _Reply(self._mailbox, number)) for number, text, files in calls]

    def ended(self) -> dict[int, str]:
        """The runs whose task has ended since, and why, where it was not the run's end."""
        if not self._tasks:
            return {}
        tasks = list(self._tasks)
        done, _ = self._asked(lambda: self._ray.wait(tasks, num_returns=len(tasks), timeout=0))
        return {self._tasks.pop(task): self._why(task) for task in done}

    def _why(self, task: Any) -> str:
        from ray.exceptions import RayActorError, RayError

        try:
            self._ray.get(task)
        except RayActorError as error:
            raise ClusterLost(f"the connection to the Ray cluster is lost: {_words(error)}") from error
        except (RayError, ConvtuiError) as error:
            told = _words(error)
            return f"{told}: install convtui {__version__} on every node" if "ModuleNotFoundError" in told else told
        return "its task ended without saying how"

    def _asked(self, ask: Callable[[], Any]) -> Any:
        from ray.exceptions import RayError

        try:
            return ask()
        except (RayError, ConnectionError) as error:
            raise ClusterLost(f"the connection to the Ray cluster is lost: {_words(error)}") from error


@dataclass(frozen=True, slots=True)
class _Reply:
    """The way back to a task."""

    mailbox: Any
    number: int

    def __call__(self, text: str, files: Mapping[str, bytes]) -> None:
        from ray.exceptions import RayError

        with contextlib.suppress(RayError, ConnectionError):  # the cluster is gone, which `take` tells of
            self.mailbox.answer.remote(self.number, text, dict(files))


def _knock(where: str) -> None:
    """Ray itself waits for minutes where nothing answers: raise UsageError at once."""
    host, _, port = where.rpartition("://")[2].rpartition(":")
    if not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UsageError(f"no Ray cluster answers at {where}: {error}; 'ray start --head' on that machine starts one") from None


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Whatever the block does to SIGTERM, its handler is afterwards the one of before."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _words(error: BaseException) -> str:
    """One line; of an error in a task the one that was raised there."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, BaseException):
        return _words(cause)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = lines[0] if lines else ""
    if first.endswith(":"):  # Ray's Client, of its server: a traceback follows
        first = f"{first} {lines[-1]}" if lines[1:] else first
    return first if isinstance(error, ConvtuiError) else f"{type(error).__name__}{f': {first}' if first else ''}"
