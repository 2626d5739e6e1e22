"""Train small neural nets, watch them learn and open them up; and do the last two with anybody's own training script.

    import convtui

    run = convtui.init("mine", config=vars(args))
    for images, labels in run.steer(loader, optimizer):
        ...
        run.log({"train/loss": loss})

The folders `engine/`, `tui/` and `assets/` at the top of the repository are linked into this package: `convtui` is the one name
that is imported and installed, since `engine` and `tui` are names that other people's own files have.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from convtui.engine import __version__

if TYPE_CHECKING:
    from convtui.engine.tracking import TrackedRun, init
    from convtui.engine.tracking.loggers.accelerate import AccelerateTracker
    from convtui.engine.tracking.loggers.lightning import LightningLogger
    from convtui.engine.tracking.loggers.transformers import TransformersCallback
    from convtui.tui.python import Looked, look

__all__ = [
    "AccelerateTracker",
    "LightningLogger",
    "Looked",
    "TrackedRun",
    "TransformersCallback",
    "__version__",
    "init",
    "look",
]
_AT = {
    "AccelerateTracker": "engine.tracking.loggers.accelerate",
    "LightningLogger": "engine.tracking.loggers.lightning",
    "Looked": "tui.python",
    "TrackedRun": "engine.tracking",
    "TransformersCallback": "engine.tracking.loggers.transformers",
    "init": "engine.tracking",
    "look": "tui.python",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: the command line, too, goes through this file."""
    if name not in _AT:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_AT[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
