"""What modules bring is taken out of the collector's sight, in a process of its own."""

from __future__ import annotations

import gc
import json
import subprocess
import sys

import pytest

from convtui.tui.garbage import Permanent, put_off

PROGRAM = """
import gc, json, sys, types
from convtui.tui.garbage import FEW, Permanent
permanent, told = Permanent(), []
def look():
    permanent.look()
    told.append(gc.get_freeze_count())
def more(count, name):
    for number in range(count):
        sys.modules[f"{name}{number}"] = types.ModuleType(name)
look()                   # the first look knows of no other
look()                   # nothing has come since
more(FEW + 1, "many"); look()   # they may still be coming
look()
more(FEW, "few"); look(); look()
class Cycle: pass
one = Cycle(); one.self = one; one.told = told.append
import weakref
seen = weakref.ref(one); del one
gc.collect()
print(json.dumps([told, seen() is None]))
"""


def test_modules_are_frozen_once_all_are_there_and_garbage_is_still_found() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    (first, second, coming, there, few, still), found = json.loads(done.stdout)
    assert first == 0
    assert second > 1000
    assert coming == second
    assert there > second
    assert few == still == there
    assert found


def test_nothing_is_collected_before_the_first_look() -> None:
    with put_off():
        assert not gc.isenabled()
        Permanent().look()
        assert gc.isenabled()
    with put_off():
        pass
    assert gc.isenabled()


IMPORTS = """
import gc
from convtui.tui.garbage import put_off
with put_off():
    import colorsys
print(gc.get_freeze_count(), gc.isenabled())
with put_off():
    import convtui.engine.store
print(gc.get_freeze_count() > 1000, gc.isenabled())
"""


def test_what_many_modules_brought_is_not_looked_through() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "True", "True", "True"]


COMMAND = """
import sys
from convtui.tui import cli
from convtui.tui.cli import presets
class Theirs:
    def __del__(self): print("theirs is over", flush=True)
def within() -> None:
    theirs = Theirs()
    theirs.itself = theirs
    with cli.put_off():
        import convtui.tui.app.app
    {torch}
presets.presets = within
sys.argv = ["convtui", "presets"]
cli.main()
"""


@pytest.mark.parametrize("torch", [False, True])
def test_at_the_end_a_process_without_torch_takes_nothing_apart(torch: bool) -> None:
    """With torch people's own code runs, which may count on it."""
    program = COMMAND.format(torch="sys.modules['torch'] = sys" if torch else "")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ("theirs is over" in done.stdout) == torch
