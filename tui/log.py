"""The log file: where the full story of an error is, that a person was told in one line."""

from __future__ import annotations

import sys
import time
import traceback

from convtui.engine.store_address import shown_words
from convtui.tui.render.text import clean


def log(error: BaseException) -> str:
    """Append the traceback to the log file, and give the file's name, or why there is none."""
    import platformdirs

    try:
        path = platformdirs.user_log_path("convtui", ensure_exists=True) / "convtui.log"
        with path.open("a", encoding="utf-8") as file:
            print(time.strftime("%Y-%m-%d %H:%M:%S"), *map(clean, shown_words(sys.argv)), file=file)
            traceback.print_exception(error, file=file)
        return str(path)
    except OSError as trouble:
        return f"nowhere: the log cannot be written ({trouble})"
