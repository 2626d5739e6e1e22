"""Accessibility by axe-core's rules. It comes from npm into a temporary folder and is no part of the repository."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.harness.chromium import Browser

PACKAGE = "axe-core@4.14"


@cache
def script() -> str:
    """axe-core's own code. The test is skipped where npm or its registry is not there."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm here")
    with TemporaryDirectory() as folder:
        done = subprocess.run(
            [npm, "pack", "--silent", PACKAGE], cwd=folder, capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode:
            pytest.skip(f"npm has no {PACKAGE}: {done.stderr.strip()[-200:]}")
        with tarfile.open(Path(folder) / done.stdout.split()[-1]) as archive:
            member = archive.extractfile("package/axe.min.js")
            assert member is not None
            return member.read().decode()


async def violations(browser: Browser) -> list[str]:
    """What the page that is open does against axe's rules (WCAG 2 A and AA, and best practice), each with where."""
    await browser.value(f"{script()}; true")
    found: dict[str, Any] = await browser.value(
        "axe.run(document, {resultTypes: ['violations']}).then(r => ({done: r.passes.length, violations: r.violations}))"
    )
    assert found["done"] > 5, "axe found next to nothing to check"
    return [
        f"{each['id']} ({each['impact']}): {node['html'][:160]} {node['failureSummary'].splitlines()[-1].strip()}"
        for each in found["violations"]
        for node in each["nodes"]
    ]
