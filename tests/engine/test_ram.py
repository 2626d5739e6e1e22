"""Memory that a process may take, within containers and jobs too."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from convtui.engine import ram

GIB = 1 << 30
VERSIONS = {
    "one": ("4:memory:/job/step", "memory", "memory.limit_in_bytes", "total_rss"),
    "two": ("0::/job/step", "", "memory.max", "anon"),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("limits", "left"),
    [({"job/step": "2"}, 1.5), ({"job": "4", "job/step": "max"}, 3.5), ({"job": "1", "job/step": "8"}, 0.5), ({"": "0"}, 0)],
)
def test_a_limit_of_a_group_or_of_one_around_it_counts(
    version: str, limits: dict[str, str], left: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, controllers, file, used = VERSIONS[version]
    for group, limit in limits.items():
        folder = tmp_path / controllers / group
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("max\n" if limit == "max" else f"{int(limit) * GIB}\n")
        (folder / "memory.stat").write_text(f"file 900\n{used} {GIB // 2}\n")
    (tmp_path / "cgroup").write_text(f"9:cpu:/other\n{told}\n")
    monkeypatch.setattr(ram, "CGROUPS", tmp_path)
    monkeypatch.setattr(ram, "OF_PROCESS", tmp_path / "cgroup")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=100 * GIB))
    assert ram.free_ram() == left * GIB


def test_without_a_limit_it_is_what_is_available(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ram, "OF_PROCESS", tmp_path / "none")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=100 * GIB))
    assert ram.free_ram() == 100 * GIB
