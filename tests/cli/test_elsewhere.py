"""`convtui study run --on`: what cannot be is refused in one line, before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Convtui


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--on", "moon"), "--on moon: there is no such place; write slurm, slurm-local, ray or ray://HOST:PORT"),
        (("--job", "time=60"), "--job is for runs that are made elsewhere: add --on"),
        (("--jobs", "there"), "--jobs is for runs that are made elsewhere: add --on"),
        (("--on", "slurm", "--job", "time"), "--job time: write NAME=VALUE, as in --job time=60"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_started(
    arguments: tuple[str, ...], told: str, convtui: Convtui, tmp_path: Path
) -> None:
    printed = convtui("study", "run", "demo", *arguments)
    assert printed.code == 2
    assert told in printed.err
    assert list(tmp_path.iterdir()) == []


def test_a_study_is_not_run_by_each_process_of_torchrun(convtui: Convtui, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "a")
    monkeypatch.setenv("WORLD_SIZE", "2")
    printed = convtui("study", "run", "demo")
    assert printed.code == 2
    assert "a study is run by one process: leave torchrun out" in printed.err
    assert list(tmp_path.iterdir()) == []
