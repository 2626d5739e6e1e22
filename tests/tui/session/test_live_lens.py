"""A net that is looked into while it trains: what is seen, what it costs, and that nothing changes by it."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from convtui.engine.errors import ConvtuiError
from convtui.engine.spec import changed
from convtui.engine.store import recorder
from convtui.tui.session.live_lens import LEAST_SECONDS, SHARE, LiveLens, Pace
from convtui.tui.session.session import Session
from tests.tui.session.test_between_pulls import SHORT
from tests.tui.session.test_session import started, status, until

BRIEF = changed(SHORT, {"training.epochs": 2})


def test_a_run_is_the_same_with_and_without_the_lens_beside_it(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "POLL_SECONDS", 0.0)
    plain = started(session, BRIEF)
    until(lambda: status(session, plain) == "finished")
    looked_at = session.start(BRIEF, name="toy").id
    lens, glances = LiveLens(session), []
    until(lambda: session.between_pulls.trains(looked_at) or status(session, looked_at) == "finished")
    while status(session, looked_at) == "running":
        glances.append(lens.look(looked_at, 3, lambda: False))
    in_training = [glance for glance in glances if ", step " in glance.of]
    assert in_training
    assert all(glance.seconds > 0 for glance in in_training)
    assert sum(glance.seconds for glance in in_training) == pytest.approx(session.between_pulls.seconds)
    assert [name for name, _ in in_training[0].views] == ["filters", "activations", "deconvnet"]
    assert all(results for _, results in in_training[0].views)
    after = lens.look(looked_at, 3, lambda: False)
    assert after.of.endswith("epoch 2")
    assert session.between_pulls.seconds == pytest.approx(sum(glance.seconds for glance in in_training))
    files = [session.store.files.folder(run_id) / session.store.files.checkpoints(run_id)[0].file for run_id in (plain, looked_at)]
    without, with_lens = map(load_file, files)
    assert all(torch.equal(tensor, with_lens[name]) for name, tensor in without.items())
    losses = [session.store.series(run_id, "batch_loss").values for run_id in (plain, looked_at)]
    assert losses[0] == losses[1]


def test_an_image_that_there_is_not_is_told(session: Session) -> None:
    run = started(session, changed(BRIEF, {"training.epochs": 1}))
    until(lambda: status(session, run) == "finished")
    with pytest.raises(ConvtuiError, match="image"):
        LiveLens(session).look(run, 1_000_000, lambda: False)


def test_looks_take_two_hundredths_of_the_time_however_long_they_take() -> None:
    now = 100.0
    pace = Pace(lambda: now)
    assert pace.is_due
    looks = 0.0
    while now < 2_100.0:
        if pace.is_due:
            seconds = 0.02 + looks % 0.3
            now, looks = now + seconds, looks + seconds
            assert pace.took(seconds) >= LEAST_SECONDS
        now += 0.05
    assert 0.8 * SHARE < (looks - 0.32) / 2_000.0 <= SHARE
