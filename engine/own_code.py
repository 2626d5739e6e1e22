"""Running a person's own code: its errors in one line each, with the place in their files, and where it was interrupted."""

from __future__ import annotations

import sys
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from traceback import FrameSummary
from types import FrameType

from convtui.engine.errors import CodeError, ConvtuiError

_MOST_LINES = 3
_NO_MEMORY = "can't allocate memory"
"""What torch says where the system gives it none."""
_ENGINE = str(Path(__file__).resolve().parent)
_NOT_OWN = (_ENGINE, str(Path(_ENGINE).with_name("tui")), sysconfig.get_path("stdlib"))


@contextmanager
def told_as_own(what: str, doing: str) -> Iterator[None]:
    """Tell an error of a person's own code in the block as one line, CodeError, with the place in their files where it came from.

    What interrupts it, Ctrl+C or a signal, goes on with a note: `doing` is what was still going on, as in "mynet.py was still being
    imported".
    """
    try:
        with redirect_stdout(sys.stderr):  # what convtui prints may be read by a program
            yield
    except ConvtuiError:
        raise
    except BaseException as error:
        if is_interrupt(error):
            error.add_note(f"{doing}: interrupted{own_place(error)}")
            raise
        if _NO_MEMORY in str(error):
            raise CodeError(f"{what}: there is not the memory for it{own_place(error)}") from error
        advice = ": put its script part under a main guard" if isinstance(error, SystemExit) else ""
        raise CodeError(f"{what}: {own_error(error)}{advice}") from error


def is_interrupt(error: BaseException) -> bool:
    """Whether it was raised to end the program, and not by code that fails, which may raise anything: `sys.exit` too."""
    return isinstance(error, KeyboardInterrupt | GeneratorExit) or (isinstance(error, SystemExit) and type(error) is not SystemExit)


def own_error(error: BaseException) -> str:
    """`ValueError: 3 != 4 (mynet.py, line 12, in forward)`: an error and the lines of a person's own code that led to it."""
    if isinstance(error, SystemExit):
        return f"it ends the program (exit status {error.code or 0}){own_place(error)}"
    return f"{': '.join(filter(None, (type(error).__name__, ' '.join(str(error).split()))))}{own_place(error)}"


def own_place(error: BaseException) -> str:
    """` (mynet.py, line 12, in forward)`, of several lines the last, from the outermost on; empty where no file of a person's own
    led to the error."""
    if isinstance(error, SyntaxError):
        return f" ({Path(error.filename).name}, line {error.lineno})" if error.filename and error.lineno else ""
    return _place(traceback.extract_tb(error.__traceback__))


def place_at(frame: FrameType | None) -> str:
    """As `own_place`, of the code that is running in a frame; empty where the engine runs none of a person's own."""
    frames = traceback.extract_stack(frame)
    engine = [number for number, each in enumerate(frames) if str(Path(each.filename).resolve()).startswith(_ENGINE)]
    return _place(frames[engine[-1] :]) if engine else ""


def _place(frames: Iterable[FrameSummary]) -> str:
    own = [frame for frame in frames if _is_own(frame.filename)]
    lines = [f"{Path(frame.filename).name}, line {frame.lineno}, in {frame.name}" for frame in own[-_MOST_LINES:]]
    return f" ({'; '.join(lines)})" if lines else ""


def _is_own(filename: str) -> bool:
    """Whether a file is none of Python's, of an installed package, or of convtui."""
    path = Path(filename).resolve()
    is_installed = {"site-packages", "dist-packages"} & set(path.parts)
    return path.is_file() and not is_installed and not str(path).startswith(_NOT_OWN)
