"""`convtui doctor`: what works on this machine, and mending what does not."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from convtui.engine.errors import ConvtuiError, UsageError
from convtui.engine.files import DEFAULT_STORE
from convtui.tui.cli.findings import Mend, findings
from convtui.tui.cli.options import AsJson, DataDir, StorePath
from convtui.tui.render.json_lines import line
from convtui.tui.render.text import clean, told


def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="mend what can be mended; asks before anything is deleted or changed")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="with --fix: do not ask; downloads nothing")] = False,
    as_json: AsJson = False,
    store_path: StorePath = DEFAULT_STORE,
    data_dir: DataDir = None,
) -> None:
    """Check device, terminal, store and data, and say what to do, or do it (--fix). Exit code 1: something is broken."""
    if yes and not fix:
        raise UsageError("--yes goes with --fix: convtui doctor --fix --yes")
    broken = False
    for finding in findings(store_path, data_dir):
        about = {"what": finding.what, "state": finding.state, "detail": finding.detail, "advice": finding.advice}
        if not as_json:
            _print(f"{finding.what:<10} {finding.state:<16} {finding.detail}")
            if finding.advice:
                _print(f"{'':<27} → {finding.advice}")
        done = []
        for mend in finding.mends if fix else ():
            done.append(_mend(mend, yes=yes, may_ask=not as_json and sys.stdin.isatty()))
            if not as_json:
                _print(f"{'':<27} {'✓' if done[-1].is_mended else '✗'} {done[-1].words}")
        is_mended = bool(done) and all(each.is_mended for each in done)
        if as_json:
            print(line(about | ({"mended": is_mended, "done": [each.words for each in done]} if fix else {})), flush=True)
        broken |= finding.state == "broken" and not is_mended
    raise typer.Exit(1 if broken else 0)


@dataclass(frozen=True, slots=True)
class _Done:
    """What came of a mend, in words."""

    is_mended: bool
    words: str


def _mend(mend: Mend, *, yes: bool, may_ask: bool) -> _Done:
    if mend.question and not (yes and mend.goes_without_asking):
        if not may_ask:
            how = "with --yes it is" if mend.goes_without_asking else "at a terminal it is asked"
            return _Done(False, f"{mend.question}: not done without asking; {how}")
        if not typer.confirm(f"{'':<27} {clean(mend.question)}?"):
            return _Done(False, "left as it is")
    try:
        return _Done(True, mend.work())
    except (ConvtuiError, OSError) as error:
        return _Done(False, f"cannot be mended: {told(error)}")


def _print(text: str) -> None:
    print(clean(text), flush=True)
