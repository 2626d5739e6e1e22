"""What an error says to do next, in the application's own terms.

The engine writes its errors for the command line, where most of them are met: they name commands and options. On a page the same is
done by a key, or in a field of a form; what only a command does is said to be for a shell.
"""

from __future__ import annotations

import re

from textual.message_pump import MessagePump

from convtui.tui.app.keys import Keymap, keymap_of
from convtui.tui.render.text import told

_TERMS = (
    # Commands that are keys of a page.
    (r"'convtui resume [^']*'", "{resume} on Runs ({page_1})"),
    (r"'convtui stop [^']*'", "{stop} on Runs ({page_1})"),
    (r"'convtui runs( list)?'", "Runs ({page_1})"),
    (r"'convtui runs (watch|show) \d+'", "Live ({page_3})"),
    (r"the run may have others: 'convtui runs show RUN' lists them", "{earlier} and {later} on Look ({page_4}) show others"),
    (r"with 'convtui run'", "by {new} on Runs ({page_1})"),
    (r"'convtui run'", "{new} on Runs ({page_1})"),
    (r"'convtui study run [^']*' trains them", "{start} on Studies ({page_6}) trains them"),
    (r"'convtui look summary'", "the view summary"),
    # Options that are fields, menus or keys.
    (r"add --model .*$", "open one of its runs in Look ({page_4}), or press {open} in the field module of New ({page_2})"),
    (r"^--model ", ""),
    (r"--arg ", "arguments "),
    (r"--device (\S+): no such device here; use", r"device \1: no such device here; {device} on New ({page_2}) chooses"),
    (r"with --data (\S+)=folder:PATH", r"write folder:PATH beside \1"),
    (r"--data (folder:|shapes)", r"\1"),
    (r", as in --(?:opt|name) \S+", ""),
    (r"--(layer|map|image|class|epoch|split|scale)\b", r"\1"),
    (r"write --out report.html and print that", "write the page (.html) instead and print it"),
    # What is said when the application is started.
    (r"with --data-dir or CONVTUI_DATA", "by starting convtui with --data-dir or CONVTUI_DATA"),
    (r", --data-dir or CONVTUI_DATA says", ", starting convtui with --data-dir or CONVTUI_DATA says"),
    (r"choose another( place)? with --store", "start convtui with another --store"),
    # Everything else.
    (r"(?<!in a shell )'convtui ", "in a shell 'convtui "),
)
"""What an error says, as a pattern, and what is said instead, keys by their ids. They are gone through in this order."""


def advised(error: object, keymap: Keymap) -> str:
    """An error in one line, with keys and fields in place of commands and options."""
    why = told(error)
    for pattern, words in _TERMS:
        in_keys = re.sub(r"\{(\w+)\}", lambda found: keymap.named(found[1]).replace("\\", r"\\"), words)
        why = re.sub(pattern, in_keys, why)
    return why


def on_page(node: MessagePump, error: object) -> str:
    """The same, as a page, or anything on one, shows it."""
    return advised(error, keymap_of(node))
