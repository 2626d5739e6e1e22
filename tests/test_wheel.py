"""What is installed: one name, with all that the program reads, the same from the sdist. .ci/wheel installs and uses it."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]


def built(source: Path, target: Path) -> list[str]:
    """The wheel of a source's folder, and its sdist, in `target`; the wheel's files."""
    words = [sys.executable, "-m", "hatchling", "build", "-d", str(target)]
    done = subprocess.run(words, cwd=source, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = target.glob("*.whl")
    with ZipFile(wheel) as archive:
        return sorted(archive.namelist())


@pytest.mark.long
def test_a_wheel_has_one_name_with_all_that_the_program_reads_and_so_has_the_sdists(tmp_path: Path) -> None:
    files = built(ROOT, tmp_path / "first")
    assert {name.partition("/")[0].partition("-")[0] for name in files} == {"convtui"}
    wanted = [
        file
        for folder in ("engine", "tui")
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    ]
    wanted += [file for kind in ("presets", "studies") for file in (ROOT / "assets" / kind).glob("*.toml")]
    assert {f"convtui/{file.relative_to(ROOT)}" for file in wanted} <= set(files)
    assert not [name for name in files if "pictures/" in name or name.endswith(".pyc")]
    (sdist,) = (tmp_path / "first").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    assert built(source, tmp_path / "second") == files
