"""The weights of a person's own net in a file: safetensors, with what is needed to find its code again, and no code in it."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from torch import Tensor, nn

from convtui.engine import tensors as files
from convtui.engine.errors import CheckpointError
from convtui.engine.files import written_whole
from convtui.engine.named_code import file_of
from convtui.engine.store import Run

FORMAT = "convtui net 1"


@dataclass(frozen=True, slots=True)
class Code:
    """Where the code of a net is."""

    file: str
    """Its path; empty where the net's class is a library's own, as `nn.Sequential` is."""
    name: str
    """Of its class: `Net`."""
    digest: str
    """SHA-256 of the file as it was, in hexadecimal digits."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What the class was called with, as far as that is known; what JSON can hold."""

    @classmethod
    def of(cls, net: nn.Module, arguments: Mapping[str, Any] | None = None) -> Code:
        """The code of a net's class, as far as it is in a file of the person's own. `arguments` are read off the net where they are
        not told."""
        kind = type(net)
        called = _attributes(net) if arguments is None else {str(name): value for name, value in arguments.items()}
        try:
            file = Path(inspect.getsourcefile(kind) or "")
        except (TypeError, OSError):  # made in a notebook or at the prompt
            return cls("", kind.__qualname__, "", called)
        if not file.is_file() or kind.__module__.startswith("torch."):
            return cls("", kind.__qualname__, "", called)
        return cls(str(file.absolute()), kind.__qualname__, digest(file), called)


def _attributes(net: nn.Module) -> dict[str, Any]:
    """The net's attributes that are named as parameters of its class are, where they are not by default: `self.width = width`."""
    try:
        parameters = inspect.signature(type(net)).parameters.values()
    except (TypeError, ValueError):
        return {}
    kept = {each: vars(net)[each.name] for each in parameters if _is_plain(vars(net).get(each.name))}
    return {each.name: value for each, value in kept.items() if not (_is_plain(each.default) and value == each.default)}


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | str) or (isinstance(value, list | tuple) and all(map(_is_plain, value)))


@dataclass(frozen=True, slots=True)
class NetFile:
    """A file read back."""

    code: Code
    step: int
    epoch: int
    weights: Mapping[str, Tensor]


def digest(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits; empty where it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""


def changed_code(run: Run, module: str) -> str:
    """That the code of the run's net, of this reference, is not what it was when the run began, in words; empty where it is."""
    file, before = file_of(module) if module else None, run.repeatable.get("code")
    if file is None or not isinstance(before, str) or digest(file) == before:
        return ""
    return f"{file.name} has changed since run {run.id} was trained with it"


def bare(net: nn.Module) -> nn.Module:
    """Of a net that DataParallel, DistributedDataParallel or torch.compile wraps, the net itself."""
    inner = getattr(net, "_orig_mod", None) or (net.module if type(net).__name__.endswith("DataParallel") else None)
    return bare(inner) if isinstance(inner, nn.Module) else net


def save(path: Path, net: nn.Module, *, step: int, epoch: int, arguments: Mapping[str, Any] | None = None) -> int:
    """Write the file and return its size in bytes; `arguments` as for `Code.of`. Raises CheckpointError when the disk will not
    take it."""
    net = bare(net)
    try:
        code = json.dumps(asdict(Code.of(net, arguments)), default=str)
        header = {"format": FORMAT, "code": code, "step": str(step), "epoch": str(epoch)}
        # Weights that two layers share are one tensor under two names.
        weights = {name: value for name, value in net.state_dict().items() if isinstance(value, Tensor)}
        path.parent.mkdir(exist_ok=True)  # not the store's, which may have been taken away
        with written_whole(path) as temporary:
            files.write(temporary, weights, header)
        return path.stat().st_size
    except OSError as error:
        raise CheckpointError(f"weights {path} could not be written: {error}; free some disk space or move the store") from None
    except KeyError as error:
        raise CheckpointError(f"weights {path} could not be written: safetensors has no {error}") from None
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:  # of a tensor's kind, or of the net's own code
        told = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise CheckpointError(f"weights {path} could not be written: {told}") from error


def load(path: Path) -> NetFile:
    """Read a file back, on the CPU. Raises CheckpointError where it is missing, damaged or of another format."""
    try:
        header, tensors, checked = files.read(path)
        if header.get("format") != FORMAT or not checked:
            raise ValueError(f"it is not of the format '{FORMAT}'")
        code = TypeAdapter(Code).validate_python(json.loads(header["code"]))
        return NetFile(code, int(header["step"]), int(header["epoch"]), tensors)
    except FileNotFoundError:
        raise CheckpointError(f"weights {path} are missing; the run may have others: 'convtui runs show RUN' lists them") from None
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RecursionError, ValidationError) as error:
        raise CheckpointError(f"weights {path} are damaged: {' '.join(str(error).split())}") from None
