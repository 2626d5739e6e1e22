"""Nets by the name of their code: a person's own file, torchvision or timm. Code runs here, so only what a person typed gets here.

A reference is `mynet.py:Net` (a class, a function that makes a net, or a net), `torchvision:resnet18` or `timm:resnet50`.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn.modules.module import register_module_buffer_registration_hook, register_module_parameter_registration_hook
from torch.nn.parameter import is_lazy

from convtui.engine import tensors as files
from convtui.engine.errors import CodeError, UsageError
from convtui.engine.files import reading
from convtui.engine.named_code import HOW, LIBRARIES, short
from convtui.engine.own_code import told_as_own
from convtui.engine.spec import nearest

_WRAPPERS = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put in front of every name."""
_INSIDE = ("state_dict", "model_state_dict", "model", "net")
"""Under which names people keep a net's weights beside other things."""
_MOST_NAMES = 3


def imported_net(reference: str, arguments: Mapping[str, Any], *, device: str = "cpu") -> nn.Module:
    """The net of this reference, built with `arguments`, in evaluation mode. Raises CodeError: no such file, name or argument, an
    error of the person's own code, with the lines of theirs that led to it, or more weights than there is memory for.

    On the device `meta` its weights take no memory and are not drawn, as far as its code knows such a device.
    """
    source, colon, name = reference.rpartition(":")
    if not colon or not source or not name:
        raise CodeError(f"--model {reference}: this names no net: {HOW}")
    with _within_memory(f"--model {reference}"):
        if source in LIBRARIES:
            with torch.device(device):
                return _of_library(source, name, arguments).eval()
        return _of_file(source, name, reference, arguments, device).eval()


@dataclass
class _File:
    """A file that was imported."""

    digest: str
    module: ModuleType
    handed_out: list[weakref.ref[nn.Module]] = field(default_factory=list)


_FILES: dict[Path, _File] = {}
"""A file is imported once while its content is the same: a run asks for its net several times."""


def _of_file(source: str, name: str, reference: str, arguments: Mapping[str, Any], device: str) -> nn.Module:
    path = Path(source).absolute()
    known = _FILES.pop(path, None)
    is_kept = known is not None and known.digest == _digest(path)
    file = known if known is not None and is_kept else _File(_digest(path), _imported(source))
    member = _member(file.module, source, name)
    with torch.device(device):
        net = _built(member, reference, arguments)
    if any(net is there() for there in file.handed_out):
        return _of_file(source, name, reference, arguments, device)  # its code makes one net, and each caller wants its own
    if not any(isinstance(value, nn.Module) for value in vars(file.module).values()):  # which it would share with every caller
        _FILES[path] = replace(file, handed_out=[*(there for there in file.handed_out if there() is not None), weakref.ref(net)])
    return net


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


@contextmanager
def _within_memory(what: str) -> Iterator[None]:
    """Refuse a net whose weights do not fit, before they are filled: memory that is only reserved costs nothing, and where it is
    used up the system kills whichever process it likes."""
    free, taken = psutil.virtual_memory().available, 0

    def count(_module: nn.Module, _name: str, values: Tensor | None) -> None:
        nonlocal taken
        if values is not None and not is_lazy(values) and values.device.type == "cpu":
            taken += values.nbytes
        if taken > free:
            raise CodeError(f"{what}: its weights take more than {taken / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free")

    hooks = [register_module_parameter_registration_hook(count), register_module_buffer_registration_hook(count)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _of_library(library: str, name: str, arguments: Mapping[str, Any]) -> nn.Module:
    try:
        models = import_module("torchvision.models" if library == "torchvision" else library)
    except ImportError:
        raise CodeError(f"--model {library}:{name}: {library} is not installed: pip install {library}") from None
    known = models.list_models()
    if name not in known:
        raise CodeError(f"--model {library}:{name}: there is no such net{nearest(name, known)}")
    make = models.get_model if library == "torchvision" else models.create_model
    with told_as_own(f"--model {library}:{name}", f"{library}:{name} was still being built"):
        net: nn.Module = make(name, **_without_download(library, name) | dict(arguments))
    return net


def _without_download(library: str, name: str) -> dict[str, Any]:
    """The arguments by which a net is drawn at random, and the net that it is built around too."""
    if library != "torchvision":
        return {"pretrained": False}
    from torchvision.models import get_model_builder

    has = inspect.signature(get_model_builder(name)).parameters
    return {argument: None for argument in ("weights", "weights_backbone") if argument in has}


def _imported(source: str) -> ModuleType:
    """The file as a module, its folder on the path as if it were the script."""
    path = Path(source).absolute()
    if not path.is_file() or path.suffix != ".py":
        raise CodeError(f"--model {source}: there is no such Python file: {HOW}")
    name, root = _place_in_package(path)
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    folders, known = [str(path.parent), *([str(root)] if root != path.parent else [])], sys.modules.get(name)
    sys.path[:0] = folders
    sys.modules[name] = module  # dataclasses and pickles of the file look for it there
    try:
        # What it draws as it is imported must not shift what its nets draw: it may be imported before.
        with torch.random.fork_rng([]), told_as_own(f"--model {source}", f"{path.name} was still being imported"):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        for folder in folders:
            sys.path.remove(folder)
        if known is not None:
            sys.modules[name] = known
    return module


def _place_in_package(path: Path) -> tuple[str, Path]:
    """What a file is called as a module, and the folder that its packages are in: relative imports mean these."""
    name, folder = path.stem, path.parent
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        name, folder = f"{folder.name}.{name}", folder.parent
    return name, folder


def _member(module: ModuleType, source: str, name: str) -> Any:
    with told_as_own(f"--model {source}:{name}", f"{source} was still being asked for {name}"):
        is_there = hasattr(module, name)  # a module may compute what it has
    if not is_there:
        nets = [key for key, value in vars(module).items() if isinstance(value, type) and issubclass(value, nn.Module)]
        own = [key for key in nets if getattr(module, key).__module__ == module.__name__]
        raise CodeError(
            f"--model {source}:{name}: {source} has no {name}{nearest(name, own)}: its nets are {', '.join(own) or 'none'}"
        )
    return getattr(module, name)


def _built(member: Any, reference: str, arguments: Mapping[str, Any]) -> nn.Module:
    if isinstance(member, nn.Module):
        return member
    if not callable(member):
        raise CodeError(
            f"--model {reference}: this is of type {type(member).__name__}: name a class, a function that makes a net, or a net"
        )
    try:
        inspect.signature(member).bind(**arguments)
    except TypeError as error:
        raise CodeError(f"--model {reference}: {error}: it takes {_signature(member)}: --arg NAME=VALUE") from None
    with told_as_own(f"--model {reference}", f"{short(reference)} was still being built"):
        net = member(**arguments)
    if not isinstance(net, nn.Module):
        raise CodeError(f"--model {reference}: it made a value of type {type(net).__name__}, and not a torch.nn.Module")
    return net


def _signature(member: Callable[..., Any]) -> str:
    return str(inspect.signature(member)).partition(" ->")[0]


def channels_of(net: nn.Module) -> int | None:
    """How many channels its images have, by its first convolution; None where it has none."""
    return next((int(module.in_channels) for module in net.modules() if isinstance(module, nn.Conv2d)), None)


def load_weights(net: nn.Module, path: Path) -> None:
    """Put a file's weights into the net: .safetensors, or .pt/.pth read as weights alone, so that no code of theirs runs.

    Raises UsageError for a file that cannot be read, CodeError for one of another net, with the names that differ.
    """
    what = f"--weights {path}"
    fill(net, read_weights(path, what), what)


def fill(net: nn.Module, found: Mapping[str, Tensor], what: str) -> None:
    """Put weights into the net. Raises CodeError where they are of another one, with the names that differ; `what` they are."""
    has = net.state_dict()
    shapes = [
        f"{name} is {list(found[name].shape)} and not {list(tensor.shape)}"
        for name, tensor in has.items()
        if name in found and not is_lazy(tensor) and found[name].shape != tensor.shape
    ]
    missing, others = [name for name in has if name not in found], [name for name in found if name not in has]
    told = [_few("missing", missing), _few("not in this net", others), _few("", shapes)]
    if missing or others or shapes:
        raise CodeError(f"{what}: these are another net's weights: {'; '.join(text for text in told if text)}")
    net.load_state_dict(found)


def read_weights(path: Path, what: str) -> dict[str, Tensor]:
    """The tensors of a file by the names that the net gives them: .safetensors, or .pt/.pth read as weights alone. Of a checkpoint
    those of its net. Raises UsageError, which begins with `what` they are."""
    return {_bare(name): tensor for name, tensor in _weights(path, what).items()}


def _weights(path: Path, what: str) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            header, tensors, _ = files.read(path)
            return _net_of_checkpoint(tensors) if header.get("format", "").startswith("convtui") and "spec" in header else tensors
        with reading(path) as file:
            found = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UsageError(f"{what}: there is no such file") from None
    except (OSError, SafetensorError, ValueError, RuntimeError, EOFError) as error:
        why = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise UsageError(f"{what} cannot be read: {why}") from None
    except Exception as error:  # torch's unpickler has errors of its own
        story = " ".join(str(error).split()).partition(" WeightsUnpickler error:")[2].strip() or type(error).__name__
        raise UsageError(f"{what} holds more than weights, which convtui does not load ({story[:120]})") from None
    for name in _INSIDE:
        if isinstance(found, dict) and isinstance(found.get(name), dict):
            found = found[name]
    if not (isinstance(found, dict) and found and all(isinstance(value, Tensor) for value in found.values())):
        raise UsageError(f"{what} holds no weights by name: save net.state_dict()")
    return found


def _net_of_checkpoint(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix("net."): tensor for name, tensor in tensors.items() if name.startswith("net.")}


def _bare(name: str) -> str:
    for prefix in _WRAPPERS:
        name = name.removeprefix(prefix)
    return name


def _few(what: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{what} {', '.join(names[:_MOST_NAMES])}{more}".strip()
