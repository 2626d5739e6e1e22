"""Fuzzing: hypothesis makes up what strangers might send, the program takes it in this process, for speed, and is judged."""

from __future__ import annotations

import io
import os
import signal
import sys
import traceback
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

import hypothesis
from hypothesis import strategies as st

from convtui.engine.errors import ConvtuiError
from convtui.tui import cli
from tests.soak.trial import Broken, Trial

CASES = 100
"""In one trial, which has a folder of its own."""
SECONDS = 30.0
"""For one case; most take milliseconds, but the machine may be busy."""
LONGEST_LINE = 2_000
"""Letters of what a person is told; a stranger's text is cut."""
LONGEST_NOTE = 300
"""Letters of an example that a report repeats; its seed brings all of it back."""
_TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Marks that turn the direction of what follows them."""

Case = Callable[[Trial, st.DataObject], None]


def fuzzed(trial: Trial, case: Case) -> None:
    """CASES cases, drawn by hypothesis. Raises what the first one raises that fails, with the example."""
    phases = [hypothesis.Phase.generate] + ([hypothesis.Phase.shrink] if trial.shrink else [])

    @hypothesis.seed(trial.draw.getrandbits(64))
    @hypothesis.settings(
        max_examples=CASES,
        deadline=None,
        database=None,
        phases=phases,
        suppress_health_check=list(hypothesis.HealthCheck),
        report_multiple_bugs=False,
    )
    @hypothesis.given(st.data())
    def all_cases(data: st.DataObject) -> None:
        trial.count("fuzzed cases")
        case(trial, data)

    try:
        all_cases()
    except (Broken, Hung) as error:
        drawn = [note[:LONGEST_NOTE] for note in getattr(error, "__notes__", ())]
        raise Broken("\n".join([str(error), *drawn])) from None


# ------------------------------------------------------------------------------------------------------ one command


class Hung(BaseException):
    """A case took longer than SECONDS. Not an Exception: nothing that a case runs may swallow it."""


@dataclass(frozen=True)
class Printed:
    """What a command in this process came to."""

    code: int
    out: str
    err: str


def command(*arguments: str) -> Printed:
    """A command in this process: it ends in a result or one line, in time, and prints no escape. Raises Broken, Hung."""

    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", errors="replace", write_through=True) for _ in range(2))
    logged: list[BaseException] = []
    code = 0
    said = patch.object(sys, "argv", ["convtui", *arguments])
    with said, patch.object(cli, "log", logged.append), redirect_stdout(out), redirect_stderr(err), _in_time():
        try:
            cli.main()
        except SystemExit as left:
            code = int(left.code or 0)
    texts = [stream.buffer.getvalue().decode(errors="replace") for stream in (out, err)]
    printed = Printed(code, *texts)
    _judge(arguments, printed, logged)
    return printed


def called(call: Callable[[], Any]) -> Any:
    """What a function returns; None where it raises a ConvtuiError of one line. Raises Broken for other errors, and Hung."""
    with _in_time():
        try:
            return call()
        except ConvtuiError as error:
            _judge_told("", str(error))
        except Exception as error:
            raise Broken(f"{type(error).__name__} in place of a ConvtuiError:\n{_story(error)}") from error
    return None


def _judge(arguments: tuple[str, ...], printed: Printed, logged: list[BaseException]) -> None:
    said = f"'convtui {' '.join(arguments)}'"
    for error in logged:
        if not isinstance(error, ConvtuiError):
            raise Broken(f"{said} ended in an error that nothing explains:\n{_story(error)}")
    if printed.code not in (0, 1, 2, 3):
        raise Broken(f"{said} ended with {printed.code}: {printed.err!r}")
    told = [line for line in printed.err.splitlines() if line.startswith("convtui: ") and "the full story is in" not in line]
    damage_listed = arguments[:2] == ("store", "check") and printed.code == 1 and printed.out
    if printed.code in (1, 2) and len(told) != 1 and not damage_listed:
        raise Broken(f"{said} ended with {printed.code} and {len(told)} lines: {printed.err!r}")
    for text in told:
        _judge_told(said, text)
    for text in (printed.out, printed.err):
        if raw := {letter for letter in text.replace("\r\n", "\n") if letter not in "\n\t" and _is_raw(letter)}:
            at = min(map(text.index, raw))
            raise Broken(f"{said} printed {sorted(raw)!r}: ...{text[max(0, at - 100) : at + 100]!r}")


def _judge_told(said: str, text: str) -> None:
    if "\n" in text.strip() or len(text) > LONGEST_LINE:
        raise Broken(f"{said} told {len(text)} letters in {text.count(chr(10)) + 1} lines: {text[:500]!r}")


def _is_raw(letter: str) -> bool:
    """Whether a terminal would obey it: a control character, or a mark that turns the direction of what follows."""
    return unicodedata.category(letter) == "Cc" or letter in _TURNING


def _story(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)[-6:])


@contextmanager
def _in_time() -> Iterator[None]:
    def hung(_number: int, frame: FrameType | None) -> None:
        where = "".join(traceback.format_stack(frame)[-3:])
        raise Hung(f"it was not over after {SECONDS:g} s, in\n{where}")

    before = signal.signal(signal.SIGALRM, hung)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# ----------------------------------------------------------------------------------------------------- what is apart

_watched: list[str] = []
"""The folder that must not be touched just now."""
_touched: list[str] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _watched and event.startswith(("open", "os.", "shutil.")):
        paths = [argument for argument in arguments[:2] if isinstance(argument, str | os.PathLike)]
        _touched.extend(f"{event} {path}" for path in paths if os.path.realpath(path).startswith(_watched[-1]))


@contextmanager
def apart(folder: Path) -> Iterator[None]:
    """While the block runs, nothing in `folder` may be opened or changed. Raises Broken."""
    if _watch not in _hooked:
        sys.addaudithook(_watch)
        _hooked.append(_watch)
    before = _listing(folder)
    _touched.clear()
    _watched.append(os.path.realpath(folder))
    try:
        yield
    finally:
        _watched.pop()
    if _touched:
        raise Broken(f"what is outside of the store's folder was touched: {_touched[:3]}")
    if _listing(folder) != before:
        raise Broken(f"what is outside of the store's folder has changed: {before.keys() ^ _listing(folder).keys()}")


_hooked: list[Any] = []


def _listing(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in folder.rglob("*")}


# -------------------------------------------------------------------------------------------------- what strangers send

HOSTILE = (
    "\x1b[2J\x1b[31mred", "\x9b31m", "\x07", "\u202egnp.exe", "a\nb\r\nc", "\x00", "", " ", "x" * 5_000, "9" * 5_000, "nan", "-inf",
    "../../outside/secret", "../outside/secret", "/etc/passwd", "/dev/zero", "..", ".", "~", "C:\\x", "[[[[" * 500, '{"a":' * 400,
    "'; DROP TABLE run; --", "%s%n", "[red]x[/red]", "[/]", "{0}", "\ufeff", "۱۲", "👩‍🚀", "می‌خواهم", "null", "true", "{}", "[]",
)  # fmt: skip
texts = st.one_of(
    st.sampled_from(HOSTILE), st.text(max_size=40), st.text(st.characters(categories=["Cc", "Cf", "Zl", "Lo"]), max_size=8)
)
numbers = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.sampled_from([0, 1, -1, 2**31, 2**53, 2**62]), st.floats(), st.floats(-2, 2), st.booleans()
)
values = st.one_of(texts, numbers, st.none(), st.binary(max_size=40))


@st.composite
def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    """`data` with a few places overwritten, cut out, doubled, or its end missing."""
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, max(0, len(data) - 1)))
        end = min(len(data), begin + draw(st.sampled_from([1, 1, 1, 2, 8, 64, 512])))
        match draw(st.integers(0, 5)):
            case 0:
                data = data[:begin]
            case 1:
                data = data[:begin] + data[end:]
            case 2:
                data = data[:end] + data[begin:]
            case _:
                data = data[:begin] + draw(st.binary(min_size=end - begin, max_size=end - begin)) + data[end:]
    return data
