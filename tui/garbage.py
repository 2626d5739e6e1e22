"""The garbage collector, kept from looking through what stays for good."""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

FEW = 50
"""Modules, for whose sake alone it is not worth while."""


@contextmanager
def put_off() -> Iterator[None]:
    """For an import of many modules: until its end, or until `Permanent.look`, nothing is collected, and what they brought is never
    looked through; with it stays what is garbage by then, which is little.

    To look again and again through what is just being imported is a tenth of the start, and more than that at its end.
    """
    before = len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > before + FEW:
            gc.freeze()
        gc.enable()


def leave_quickly() -> None:
    """At its end the process will not take apart all that was ever imported: a sixth of a short command's time.

    Our own files and connections are closed by who opened them. Where torch was imported people's own code may have run, which
    may rely on a last collection (to write the rest of a file, say): there all is looked through, also what was put out of sight.
    """
    atexit.register(lambda: gc.unfreeze() if "torch" in sys.modules else gc.freeze())


class Permanent:
    """Takes what modules have brought, once they are all there, out of the collector's sight.

    It would else go through all of it every quarter of a minute: 140,000 objects in 40 ms, with torch 470,000 in 150, in which
    no key is answered.
    """

    def __init__(self) -> None:
        self._seen = self._kept = 0

    def look(self) -> None:
        """To be called now and then; does something after an import of many modules, when none has come since the last call."""
        gc.enable()  # the start is over
        modules = len(sys.modules)
        settled, self._seen = modules == self._seen, modules
        if settled and modules > self._kept + FEW:
            self._kept = modules
            gc.collect()  # else what is garbage by now would stay
            gc.freeze()
