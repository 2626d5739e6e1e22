"""What the pages do, from the command line: trials, a run begun anew, a checkpoint now, order of runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from convtui.engine.store import Store
from tests.cli.conftest import SMALL, Convtui


def test_trials_say_what_they_found_and_record_nothing(convtui: Convtui, tmp_path: Path) -> None:
    small = [*SMALL, "--set", "data.train_per_class=20"]
    printed = convtui("run", *small, "--try", "overfit", "--json")
    (found,) = printed.lines
    assert printed.code == (0 if found["memorised"] else 1)
    assert 1 < len(found["losses"]) <= 101
    assert found["losses"][-1] < found["losses"][0]
    (rates,) = convtui("run", *small, "--try", "rates", "--json").lines
    points = rates["points"]
    assert points[0][0] == pytest.approx(1e-5)
    assert rates["learning_rate"] in [rate for rate, _ in points]
    assert "the loss falls fastest at" in convtui("run", *small, "--try", "rates").out
    speed = convtui("run", *small, "--try", "speed")
    assert speed.code == 0
    assert "ms/step" in speed.out
    with Store.open(tmp_path / "store.db") as store:
        assert store.count_runs() == 0


def test_the_net_and_the_images_of_settings_are_shown_before_there_is_a_run(convtui: Convtui, tmp_path: Path) -> None:
    settings = ("model.conv_blocks=3 5x5", "data.colour=grey", "data.classes=ring, bar")
    changed = ["--preset", "demo", *(word for each in settings for word in ("--set", each))]
    layers, shares = convtui("run", *changed, "--try", "net", "--json").lines[0]["results"]
    assert [row[0] for row in layers["rows"]][:2] == ["conv1", "act1"]
    assert layers["rows"][0][layers["columns"].index("parameters")] == 3 * 5 * 5 + 3
    assert shares["rows"]
    (sheet,) = convtui("run", *changed, "--try", "images", "--json").lines[0]["results"]
    assert sheet["captions"] == ["ring", "bar"]
    assert "2,000 training and 400 test images in 2 classes" in sheet["title"]
    assert convtui("run", *changed, "--try", "images").code == 0
    assert convtui("run", "--preset", "lenet5", "--try", "images").code == 2  # not on disk
    assert not (tmp_path / "store.db").exists()


def test_a_run_is_begun_anew_with_its_own_settings_and_what_is_changed(convtui: Convtui, tmp_path: Path) -> None:
    assert convtui("run", *SMALL, "--steps", "3", "--name", "one", "--seed", "7").code == 0
    assert convtui("run", "--like", "one", "--name", "two").code == 0
    assert convtui("run", "--like", "one", "--lr", "0.02", "--name", "three").code == 0
    with Store.open(tmp_path / "store.db") as store:
        three, two, one = store.runs()
        assert two.settings == one.settings
        assert two.test_loss == one.test_loss
        assert three.settings.optimiser.learning_rate == 0.02
        assert three.settings.training.seed == 7
    refused = convtui("run", "--like", "one", "--preset", "demo")
    assert refused.code == 2
    assert "choose one of them" in refused.err


def test_runs_are_sorted_by_what_they_have_the_best_first(convtui: Convtui) -> None:
    for name, steps, rate in (("b", 9, "0.03"), ("a", 1, "0.001"), ("c", 4, "0.01")):
        assert convtui("run", *SMALL, "--steps", str(steps), "--lr", rate, "--name", name).code == 0

    def names(*arguments: str) -> list[str]:
        return [line["name"] for line in convtui("runs", "list", "--json", *arguments).lines]

    runs = {line["name"]: line for line in convtui("runs", "list", "--json").lines}
    assert names() == ["c", "a", "b"]
    assert names("--sort", "name") == ["a", "b", "c"]
    assert names("--sort", "loss") == sorted(runs, key=lambda name: runs[name]["test_loss"])
    assert names("--sort", "loss", "--reverse") == sorted(runs, key=lambda name: -runs[name]["test_loss"])
    assert names("--sort", "accuracy") == sorted(runs, key=lambda name: -runs[name]["test_accuracy"])
    assert names("--sort", "lr", "--limit", "2") == ["b", "c"]
    assert names("--sort", "learning_rate", "--filter", "lr<0.02") == ["c", "a"]
    refused = convtui("runs", "list", "--sort", "nonsense")
    assert refused.code == 2
    assert "--sort nonsense" in refused.err
