"""What convtui needs only now and then, and how it is installed where convtui is."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path


def how_to_install(extra: str) -> str:
    """The command that adds an extra of convtui to the environment that this program runs in. One of uv's or pipx's own has no pip,
    and knows convtui by the file that it was installed from."""
    packages = shlex.join(_packages(extra))
    if packages and (Path(sys.prefix) / "uv-receipt.toml").exists():
        return f"uv pip install --python {shlex.quote(sys.prefix)} {packages}"
    if packages and (Path(sys.prefix) / "pipx_metadata.json").exists():
        return f"pipx inject convtui {packages}"
    return f"pip install 'convtui[{extra}]'"


def _packages(extra: str) -> list[str]:
    """`optuna>=5`, by what the installed convtui says."""
    from importlib.metadata import PackageNotFoundError, requires  # it takes a while, and is rarely needed

    try:
        needed = requires("convtui") or []
    except PackageNotFoundError:
        return []
    return [line.partition(";")[0].strip() for line in needed if re.search(rf"extra == ['\"]{re.escape(extra)}['\"]", line)]
