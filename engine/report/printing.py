"""A page on paper: by a Chromium that the machine has, which is asked to load nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from convtui.engine.errors import UsageError
from convtui.engine.files import PAGE_MAKER

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
"""Names of programs that print a page without a screen, the first one found is taken."""
SECONDS = 120
"""Time that one is given."""


def browser() -> str:
    """The program that prints. Raises UsageError where there is none, with what to install."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        raise UsageError(
            "a PDF is printed by Chromium, and no such program is on the PATH: install it (Debian: apt install chromium), or write "
            "--out report.html and print that from your browser"
        )
    return found


def pdf(html: str) -> bytes:
    """The page as a PDF. Raises UsageError where there is no browser or it fails."""
    program = browser()
    with TemporaryDirectory(prefix="convtui-") as folder:
        source, target = Path(folder) / "report.html", Path(folder) / "report.pdf"
        source.write_text(html, encoding="utf-8")
        words = [
            program, "--headless", "--disable-gpu", "--disable-extensions", "--disable-background-networking", "--disable-sync",
            "--disable-component-update", "--no-first-run", "--no-default-browser-check", "--no-pdf-header-footer",
            "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-agent={PAGE_MAKER}", f"--user-data-dir={folder}/profile",
            f"--print-to-pdf={target}", *_for_root(), source.as_uri(),
        ]  # fmt: skip
        try:
            done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UsageError(
                f"{program} printed no PDF ({error}): write --out report.html and print that from your browser"
            ) from error
        if done.returncode or not target.exists():
            told = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            raise UsageError(f"{program} printed no PDF ({told[0]}): write --out report.html and print that from your browser")
        return target.read_bytes()


def _for_root() -> list[str]:
    """Chromium has no sandbox for root, as in containers; the page is this program's own and runs no script."""
    return ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
