"""Look asks for the code of a script's net, and imports nothing that a person has not named."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

import convtui
from convtui.engine.data.catalog import load
from convtui.engine.errors import UsageError
from convtui.engine.models.importing import imported_net
from convtui.engine.named_code import name_code
from convtui.engine.spec import changed, make
from convtui.engine.store import Store
from convtui.engine.training.recording import recorded
from convtui.tui.app.look.code_dialog import CodeDialog
from convtui.tui.app.look.page import LookPage
from tests.harness.screen import piloted, screen_text, until
from tests.tui.test_look_page import Alone, settled

import torch  # isort: skip

NET = """
from torch import nn
print("imported")

class Net(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.width = width
        self.conv, self.act, self.last = nn.Conv2d(1, width, 3), nn.ReLU(), nn.Linear(16 * width, 2)

    def forward(self, x):
        return self.last(self.act(self.conv(x)).flatten(1))
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with a script's run in it, two snapshots of a net of width 4, and the net's file beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mynet.py").write_text(NET)
    monkeypatch.delitem(sys.modules, "mynet", raising=False)  # of another test, in another folder
    net = imported_net("mynet.py:Net", {"width": 4})
    with convtui.init("mine", store=tmp_path / "store.db") as run:
        run.watch(net, torch.rand(6, 1, 6, 6), torch.tensor([0, 1] * 3), ["cat", "dog"])
        for _ in run.steer(range(2)):
            for _batch in run.steer(range(3)):
                ...
            run.save(net)
            with torch.no_grad():
                net.conv.bias += 1
    return tmp_path


def words(pilot: Pilot[None], line: str) -> str:
    return str(pilot.app.screen.query_one(f"#{line}", Static).render())


async def asked(pilot: Pilot[None]) -> CodeDialog:
    await until(pilot, lambda: isinstance(pilot.app.screen, CodeDialog) and pilot.app.screen.is_mounted)
    assert isinstance(pilot.app.screen, CodeDialog)
    return pilot.app.screen


def typed(dialog: CodeDialog, field: str) -> Input:
    return dialog.query_one(f"#{field}", Input)


@piloted
async def test_it_asks_once_and_then_opens_all_weights_of_the_run(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    async with Alone(place / "store.db").run_test(size=(120, 36)) as pilot:
        dialog = await asked(pilot)
        assert (typed(dialog, "code").value, typed(dialog, "arguments").value) == (str(place / "mynet.py") + ":Net", "width=4")
        await until(pilot, lambda: words(pilot, "standing") == "the file is as it was in the run")
        assert "imported" not in capfd.readouterr().out
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, LookPage))
        app = await settled(pilot, view="filters")
        assert app.line("about").startswith("run 1 mine · epoch ◂ 2 of 2")
        (sheet,) = app.results
        assert len(sheet.tiles) == 4
        named = app.session.named_nets.words(app.session.store.run(1))  # for what other processes make of the run
        assert named == ["--model", f"{place / 'mynet.py'}:Net", "--arg=width=4"]
        await pilot.press("[")
        app = await settled(pilot, epoch="1")
        app.controller.choose_view("confusion")
        await settled(pilot, view="confusion")
        (place / "mynet.py").unlink()
        app.controller.choose_view("summary")
        app = await settled(pilot, view="summary")
        assert app.results


@piloted
async def test_what_is_wrong_is_told_in_the_dialog_and_can_be_mended(place: Path) -> None:
    (place / "bad.py").write_text("import argparse\nx = 1 / 0\n")
    (place / "mynet.py").write_text(NET + "# changed\n")
    async with Alone(place / "store.db").run_test(size=(120, 36)) as pilot:
        dialog = await asked(pilot)
        await until(pilot, lambda: words(pilot, "standing") == "the file is not as it was when the weights were saved")
        for code, arguments, wrong in (
            ("bad.py:Net", "", "bad.py: ZeroDivisionError: division by zero (bad.py, line 2, in <module>)"),
            ("mynet.py:Nett", "", "mynet.py has no Nett"),
            ("mynet.py:Net", "width", "arguments: width: write NAME=VALUE, as in width=64"),
            ("mynet.py:Net", "wide=4", "got an unexpected keyword argument 'wide'"),
            ("mynet.py:Net", "width=5", "these are another net's weights"),
        ):
            typed(dialog, "code").value, typed(dialog, "arguments").value = code, arguments
            await pilot.pause()
            await pilot.press("enter")
            await until(pilot, lambda: not typed(dialog, "code").disabled and words(pilot, "wrong"))
            assert wrong in words(pilot, "wrong")
        typed(dialog, "code").value = "gone.py:Net"
        await until(pilot, lambda: words(pilot, "standing") == "there is no such file: write FILE.py:CLASS")
        typed(dialog, "code").value, typed(dialog, "arguments").value = "mynet.py:Net", "width=4"
        await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, LookPage))
        app = await settled(pilot, view="filters")
        assert app.results


DEAF = """
lost = 0
while True:
    try:
        input()
    except Exception:
        pass
    except BaseException:  # as Python itself does within flush and __del__
        lost += 1
        if lost > 2:
            raise
"""


@piloted
async def test_a_file_that_never_comes_to_an_end_is_given_up(place: Path) -> None:
    (place / "long.py").write_text(DEAF)
    async with Alone(place / "store.db").run_test(size=(120, 36)) as pilot:
        dialog = await asked(pilot)
        typed(dialog, "code").value = "long.py:Net"
        await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda: "importing long.py:Net … · Esc gives up" in words(pilot, "keys"))
        await pilot.press("escape")
        await until(pilot, lambda: words(pilot, "wrong") == "given up")
        await until(pilot, lambda: "importing" not in [thread.name for thread in threading.enumerate()])
        app = pilot.app
        assert isinstance(app, Alone)
        assert not app.session.generators.locked()
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, CodeDialog))
        assert "R names its code" in screen_text(pilot)
        app.page.store_changed()
        await pilot.pause()
        assert not isinstance(app.screen, CodeDialog), "it asks by itself once"
        await pilot.press("R")
        await asked(pilot)


@piloted
async def test_a_run_in_training_elsewhere_is_asked_for_its_weights(place: Path) -> None:
    stop = threading.Event()
    net = imported_net("mynet.py:Net", {"width": 4})

    def train() -> None:
        with convtui.init("other", store=place / "store.db") as run:
            run.watch(net, every=10**9)
            run.save(net)
            for _ in run.steer(range(10**9)):
                if stop.wait(0.01):
                    return

    other = threading.Thread(target=train)
    other.start()
    try:
        with Store.open(place / "store.db") as store:
            while not (len(store.runs()) == 2 and store.files.checkpoints(2)):
                await_a_moment()
        async with Alone(place / "store.db", 2).run_test(size=(120, 36)) as pilot:
            await asked(pilot)
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(pilot.app.screen, LookPage))
            app = await settled(pilot, view="filters")
            assert app.line("about").startswith("run 2 other · step 0 ")
            assert "still training · R shows the current weights" in app.line("about")
            await pilot.press("R")
            await until(pilot, lambda: "run 2 other · step" in app.line("about") and "step ◂ 0" not in app.line("about")[:24])
            app = await settled(pilot, view="filters")
            assert app.controller.info is not None
            assert (app.controller.info.epoch or 0) > 0
    finally:
        stop.set()
        other.join()


def await_a_moment() -> None:
    threading.Event().wait(0.02)


OWN = make(
    {
        "model": {"module": "mynet.py:Own", "arguments": "width=3"},
        "data": {"source": "shapes", "size": 8, "colour": "grey", "train_per_class": 2, "test_per_class": 1},
        "training": {"epochs": 1, "threads": 1},
    }
)


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with a run that trained a net of a person's own code, in a process that named it."""
    monkeypatch.chdir(tmp_path)
    named: dict[str, str] = {}
    monkeypatch.setattr("convtui.engine.named_code._named", named)
    (tmp_path / "mynet.py").write_text(NET.replace("class Net", "class Own").replace("16 * width, 2", "36 * width, 10"))
    spec = changed(OWN, {"model.module": str(tmp_path / "mynet.py") + ":Own"})
    name_code(spec.model.module)
    with Store.open(tmp_path / "store.db") as store:
        run = store.create_run(name="own", preset="", spec=spec, dataset="shapes")
        with recorded(store, store.claim(run.id), spec, load(spec.data), torch.device("cpu")) as (_, pulled):
            for _ in pulled:
                ...
    named.clear()
    return tmp_path


@piloted
async def test_the_code_of_a_run_trained_here_is_asked_for_too_and_then_resumes_it(
    trained: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (trained / "mynet.py").rename(trained / "moved.py")
    (trained / "wide.py").write_text(NET)
    capfd.readouterr()
    async with Alone(trained / "store.db").run_test(size=(120, 36)) as pilot:
        dialog = await asked(pilot)
        assert isinstance(pilot.app, Alone)
        session = pilot.app.session
        with pytest.raises(UsageError, match="only imported where you name it"):
            session.resume(1)
        assert session.named_nets.words(session.store.run(1)) == []
        assert (typed(dialog, "code").value, typed(dialog, "arguments").value) == (f"{trained / 'mynet.py'}:Own", "width=3")
        assert typed(dialog, "arguments").disabled
        await until(pilot, lambda: words(pilot, "standing").startswith("there is no such file"))
        typed(dialog, "code").value = "wide.py:Net"
        await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda: "these are another net's weights" in words(pilot, "wrong"))
        typed(dialog, "code").value = "moved.py:Own"
        await until(pilot, lambda: words(pilot, "standing") == "the file is as it was in the run")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, LookPage))
        app = await settled(pilot, view="filters")
        assert len(app.results[0].tiles) == 3
        assert session.named_nets.words(session.store.run(1)) == ["--model", f"{trained / 'moved.py'}:Own"]
        longer = changed(session.store.run(1).settings, {"training.epochs": 2})
        session.resume(1, longer)
        await until(pilot, lambda: session.store.run(1).epoch == 2 and session.store.run(1).status == "finished")
        assert session.store.run(1).settings.model.module == f"{trained / 'moved.py'}:Own"
        await pilot.press("R")
        await until(pilot, lambda: "epoch ◂ 2 of 2" in app.line("about"))
