"""Following what is computed from images through torch's functions, numbered alike in every pass."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from convtui.engine.models import answer, tensors

INPUT = -1
"""Stands for the images where what is given is numbered."""


class _Reached(Exception):
    """All that was wanted is there: no error, the way out of a forward pass that has gone far enough."""


@dataclass(frozen=True, eq=False, slots=True)
class Output:
    """A tensor that was computed from the images."""

    index: int
    """Its number among the calls."""
    place: int
    """Which of the tensors of its function it is."""
    tensor: Tensor
    function: Callable[..., Any]
    """A module's class where what it does cannot be followed."""
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    sources: Sequence[Tensor]
    """What the function was given of what depends on the images; may have been overwritten by it."""


class Tracer(TorchFunctionMode):
    """Follows what is computed from the images, numbering what is given alike in every pass."""

    def __init__(self, until: int | None = None, opaque: Iterable[str] = ()) -> None:
        """`until` is the last call that is wanted, `opaque` a Trace's."""
        super().__init__()
        # By identity, which another tensor may be given once one is gone: hence the reference, which keeps nothing alive.
        self._known: dict[int, tuple[int, weakref.ref[Tensor]]] = {}
        self._until = until
        self.opaque = set(opaque)
        self.count = 0

    def through(self, net: nn.Module, images: Tensor) -> Any:
        """One forward pass of `images` [N, C, H, W], as far as is wanted; what the net returns where it comes to that."""
        own = images.clone()  # a net may overwrite what it is given
        self._know(own, INPUT)
        with self._listening(net), eagerly(), self:
            try:
                return net(own)
            except _Reached:
                return None

    def number(self, tensor: Any) -> int | None:
        """Which call gave `tensor`; None for what does not depend on the images."""
        number, known = self._known.get(id(tensor), (None, None))
        return number if known is not None and known() is tensor else None

    def _know(self, tensor: Tensor, index: int) -> None:
        self._known[id(tensor)] = (index, weakref.ref(tensor))

    def _sources(self, values: Any) -> list[Tensor]:
        """What depends on the images among `values`."""
        return [tensor for tensor in tensors(values) if self.number(tensor) is not None]

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        if not self._sources((*args, *given.values())):
            return function(*args, **given)
        output = self.compute(function, args, given)
        self._gave(function, args, given, list(tensors((output,))))
        return output

    def _gave(self, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], given: list[Tensor]) -> None:
        """Number what `function` gave."""
        sources, first = self._sources((*args, *kwargs.values())), self.count
        outputs = [Output(first + place, place, tensor, function, args, kwargs, sources) for place, tensor in enumerate(given)]
        self.count += len(outputs)
        for output in outputs:
            self.called(output)
        for output in outputs:
            self._know(output.tensor, output.index)
        if function == _DATA:
            self._know(args[0], outputs[0].index)  # what is done to its data shows nowhere
        if self._until is not None and self.count > self._until:
            raise _Reached

    @contextmanager
    def _listening(self, net: nn.Module) -> Iterator[None]:
        """Within the block the modules that are listened to tell what they gave."""
        hooks: list[Any] = []
        try:
            for name, module in net.named_modules():
                if not isinstance(module, torch.jit.ScriptModule):  # which take no hooks
                    hooks += self._listen(name, module)
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _listen(self, name: str, module: nn.Module) -> Sequence[Any]:
        return [module.register_forward_hook(self._heard, with_kwargs=True)] if name in self.opaque else ()

    def _heard(self, module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        """What `module` did that torch's functions do not show, in compiled code or NumPy, is a call itself."""
        found = answer(output)
        if found is not None and self.number(found) is None and self._sources((*args, *kwargs.values())):
            self._gave(type(module), args, kwargs, list(tensors((output,))) or [found])

    def compute(self, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """What the call gives."""
        return function(*args, **kwargs)

    def called(self, output: Output) -> None:
        """`output` is there."""


def eagerly() -> AbstractContextManager[Any]:
    """Within the block nothing is compiled: of what is, torch's functions are not seen."""
    compiling = "torch._dynamo" in sys.modules  # its import takes seconds
    return torch.compiler.set_stance("force_eager") if compiling else nullcontext()


_DATA: Any = vars(torch._C.TensorBase)["data"].__get__
"""What reading `tensor.data` calls: the same memory, whose changes are not counted."""


def version(tensor: Tensor) -> int:
    """How often it was overwritten; always 0 where a net switches to inference mode by itself, in which that is not counted."""
    return 0 if tensor.is_inference() else tensor._version
