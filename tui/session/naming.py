"""Nets of a person's own code, as they have named it: imported in a thread that can be given up, and kept for the session.

What a store says of the code only fills in the question: nothing is imported by itself.
"""

from __future__ import annotations

import json
import shlex
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convtui.engine.errors import ConvtuiError, UsageError
from convtui.engine.named_code import is_named, name_code, require_named
from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from torch import nn

    from convtui.engine.net_file import Code
    from convtui.engine.store import Run, Store


ASKED_TO_END_SECONDS = 0.1


@dataclass(frozen=True, eq=False, slots=True)
class Named:
    """What was named for a run, imported once, and found to be the net of its weights."""

    run: Run
    reference: str
    code: Code
    """What the run says of it."""
    net: nn.Module
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What was typed for a script's net; the settings of a run that convtui trained have their own."""

    @property
    def words(self) -> list[str]:
        """The same on the command line."""
        return ["--model", self.reference, *(f"--arg={name}={json.dumps(value)}" for name, value in self.arguments.items())]


def code_of(run: Run) -> Code:
    """Of a run that was trained with a person's own code: where that is, as its settings say."""
    from convtui.engine.named_code import class_of, file_of
    from convtui.engine.net_file import Code

    module = run.settings.model.module
    file = file_of(module)
    source = module.partition(":")[0] if file is None else str(file)
    return Code(source, class_of(module), str(run.repeatable.get("code", "")), run.settings.model.keywords)


def reference_of(code: Code) -> str:
    """`/home/me/train.py:Net`, to begin with; a name of which a terminal could not show every letter is left out."""
    told = f"{code.file or 'FILE.py'}:{code.name.rpartition('.')[2]}"
    return told if clean(told) == told else ""


def arguments_of(code: Code) -> str:
    """`width=64 pool=max`, as it is typed."""
    pairs = ((name, value if _is_bare(value) else json.dumps(value)) for name, value in code.arguments.items())
    told = shlex.join(f"{name}={value}" for name, value in pairs)
    return told if clean(told) == told else ""


def _is_bare(value: Any) -> bool:
    """Whether a text can be typed without quotes, and is a text still."""
    return isinstance(value, str) and json_or_text(value) == value


def parsed_arguments(text: str) -> dict[str, Any]:
    """Raises UsageError for what is not NAME=VALUE, separated by spaces."""
    try:
        parts = [part.partition("=") for part in shlex.split(text)]
    except ValueError as error:
        raise UsageError(f"arguments: {error}") from None
    for name, equals, value in parts:
        if not (name and equals):
            raise UsageError(f"arguments: {name}{equals}{value}: write NAME=VALUE, as in width=64")
    return {name: json_or_text(value) for name, _, value in parts}


def json_or_text(value: str) -> Any:
    """The value of an argument: JSON where it is, else the text itself."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def standing(reference: str, code: Code) -> str:
    """Whether the file that is named is there, and is the one of the run, in words. Imports nothing."""
    from convtui.engine.named_code import LIBRARIES
    from convtui.engine.net_file import digest

    source = reference.rpartition(":")[0]
    if source in LIBRARIES:
        return f"{source} is imported"
    path = Path(source)
    if path.suffix != ".py" or "\0" in source or not path.is_file():
        return "there is no such file: write FILE.py:CLASS"
    if not code.digest:
        return "the file is there; the run does not tell whether it is the same"
    is_same = digest(path) == code.digest
    return "the file is as it was in the run" if is_same else "the file is not as it was when the weights were saved"


class NamedNets:
    """The nets of scripts whose code was named in this session."""

    def __init__(self) -> None:
        self._of_code: dict[tuple[Any, ...], Named] = {}
        self._of_runs: dict[int, Named] = {}

    def net(self, run: Run, code: Code) -> nn.Module | None:
        """One to be filled with weights; None where its code was not named yet."""
        known = self._of_code.get(_key(run, code))
        if known is None:
            return None
        self._of_runs[run.id] = known
        return deepcopy(known.net)  # a new one would be drawn from torch's generator, in a training's way

    def words(self, run: Run) -> list[str]:
        """What names the run's net to a command; nothing where it was not named here, or needs no name."""
        if run.is_training:
            module = run.settings.model.module
            return ["--model", require_named(module)] if module and is_named(module) else []
        return self._of_runs[run.id].words if run.id in self._of_runs else []

    def keep(self, named: Named) -> None:
        """From now on this is the net of that code: of this run, and of others of the same file, class and arguments. Of a run that
        convtui trained it is the code, which a resume uses too."""
        if named.run.is_training:
            name_code(named.reference, instead_of=named.run.settings.model.module)
        else:
            self._of_code[_key(named.run, named.code)] = self._of_runs[named.run.id] = named


def _key(run: Run, code: Code) -> tuple[Any, ...]:
    called = json.dumps(code.arguments, sort_keys=True, default=str)
    return (code.file, code.digest, code.name, called, None if code.digest else run.id)


class Importing:
    """One try to import what was typed for a run, in a thread of its own, which may never come to an end."""

    def __init__(
        self,
        store: Store,
        run_id: int,
        reference: str,
        arguments: Mapping[str, Any],
        generators: threading.Lock,
        tell: Callable[[Named | str], object],
    ) -> None:
        """`tell` is called in the thread with what was found, a net into which the run's weights fit, or with what is wrong.
        `generators` is held meanwhile: code may seed torch's, or draw from them."""
        self._store, self._run_id = store, run_id
        self._reference, self._arguments = reference, arguments
        self._generators, self._holds = generators, False
        self._guard = threading.Lock()
        self._tell = tell
        self._wanted = True
        self._in_their_code = False
        self._thread = threading.Thread(target=self._work, name="importing", daemon=True)
        self._thread.start()

    def give_up(self) -> None:
        """Tell nothing more. The file ends at one of its next lines; where it waits outside Python, it is left behind."""
        if self._wanted:
            self._wanted = False
            self._let_go()
            threading.Thread(target=self._end, name="giving up", daemon=True).start()

    def _end(self) -> None:
        """One exception may be lost: Python drops those raised within flush, __del__ and callbacks."""
        import ctypes

        while self._thread.is_alive():
            if self._in_their_code:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread.ident or 0), ctypes.py_object(_GivenUp))
            self._thread.join(ASKED_TO_END_SECONDS)

    def _work(self) -> None:
        try:
            while self._wanted and not self._hold():
                pass
            if self._wanted:
                self._say(self._found())
        except ConvtuiError as error:
            self._say(str(error))
        except BaseException as error:  # of their code, whatever it raises; _GivenUp too, which is told to no one
            self._say(f"{type(error).__name__}: {error}".splitlines()[0])
        finally:
            self._let_go()

    def _found(self) -> Named:
        run = self._store.run(self._run_id)
        return self._of_settings(run) if run.is_training else self._of_script(run)

    def _of_settings(self, run: Run) -> Named:
        from convtui.engine.models import build_to_fill, fill
        from convtui.engine.spec import changed
        from convtui.engine.training import starting_weights

        name_code(self._reference)
        spec = changed(run.settings, {"model.module": self._reference})
        with self._their_code():
            net = build_to_fill(spec.model, channels=spec.data.channels, size=spec.data.sides, classes=0)
        fill(net, starting_weights(f"run:{run.id}", self._store).tensors, self._reference)
        return Named(run, self._reference, code_of(run), net)

    def _of_script(self, run: Run) -> Named:
        from convtui.engine.lens.loading import weights_from_run
        from convtui.engine.models import fill, imported_net

        with self._their_code():
            net = imported_net(self._reference, self._arguments)
        saved = weights_from_run(self._store, run)
        fill(net, saved.weights, self._reference)
        try:
            deepcopy(net)
        except Exception as error:
            why = f"such a net cannot be copied ({error}): 'convtui look --model' opens it"
            raise UsageError(f"{self._reference}: {why}") from error
        return Named(run, self._reference, saved.code, net, self._arguments)

    @contextmanager
    def _their_code(self) -> Iterator[None]:
        self._in_their_code = True
        try:
            yield
        finally:
            self._in_their_code = False

    def _say(self, told: Named | str) -> None:
        if self._wanted:
            self._tell(told)

    def _hold(self) -> bool:
        """A training of this process may have it for long."""
        if self._generators.acquire(timeout=0.1):
            with self._guard:
                self._holds = True
        return self._holds

    def _let_go(self) -> None:
        with self._guard:
            if self._holds:
                self._holds = False
                self._generators.release()


class _GivenUp(BaseException):
    """Raised in the middle of a person's own code, which may catch Exception."""
