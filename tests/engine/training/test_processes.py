"""Several processes that train one net: each comes to the same scores, weights and end, those of one process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.engine.training import ranks
from tests.engine.training.ranks import Found

ROOT = Path(__file__).parents[3]
pytestmark = [pytest.mark.long, pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without distributed")]


@pytest.fixture(scope="module", params=[2, 3])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Found]:
    """What each of so many processes came to, by rank."""
    folder, count = tmp_path_factory.mktemp("ranks"), request.param
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}", f"--log-dir={folder}"]
    done = subprocess.run(
        [*torchrun, "-m", "tests.engine.training.ranks", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(count)]


def test_scores_of_the_same_weights_are_those_of_one_process_to_the_last_bit(told: list[Found]) -> None:
    alone = json.loads(json.dumps(ranks.scores(None)))
    assert sum(map(sum, alone["1300 class_accuracy confusion"]["confusion"])) == 1300
    for found in told:
        assert found["scores"] == alone


@pytest.mark.parametrize("size", ["32", "66"])
def test_losses_are_those_of_one_process_to_rounding_and_weights_of_all_processes_the_same(told: list[Found], size: str) -> None:
    alone = ranks.followed(None)[size]
    tolerance = 50 * alone["step"] * torch.finfo(torch.float32).eps
    for found in told:
        mine = found["followed"][size]
        assert mine["losses"] == pytest.approx(alone["losses"], rel=tolerance)
        assert mine["norm"] == pytest.approx(alone["norm"], rel=tolerance)
        assert mine == told[0]["followed"][size]


@pytest.mark.parametrize("ending", ["Stopped", "evaluation", "Diverged", "early", "budget"])
def test_all_processes_end_at_the_same_step_with_the_same_weights(told: list[Found], ending: str) -> None:
    ended = [found[{"Stopped": "stopped", "Diverged": "diverged"}.get(ending, ending)] for found in told]
    assert all(each == ended[0] for each in ended)
    assert ended[0]["step"] == ended[0]["reached"]
    match ending:
        case "Stopped":
            assert (ended[0]["ending"], ended[0]["step"], ended[0]["changes"]) == ("Stopped", 9, [[5, 0.5]])
        case "evaluation":
            assert (ended[0]["ending"], ended[0]["step"]) == ("Stopped", 8)
        case "Diverged":
            assert (ended[0]["ending"], ended[0]["step"]) == ("Diverged", 5)
        case "early":
            assert (ended[0]["ending"], ended[0]["early"]) == ("Finished", True)
            assert ended[0]["step"] < 30 * 7
        case "budget":
            assert (ended[0]["ending"], ended[0]["step"]) == ("Finished", 10)
            assert ended[0]["losses"] == pytest.approx(ranks.followed(None)["32"]["losses"][:10], rel=1e-4)


def test_steps_that_are_not_compiled_say_so_and_are_recorded_as_eager(told: list[Found]) -> None:
    for found in told:
        assert found["compiled"]["step_path"] == "eager"
        assert "several processes do not compile theirs" in found["compiled"]["messages"][0]
