"""Scripts as their authors write them: what the library logged is in the store, and a stop ends its loop."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from convtui.engine.store import Run, Store

STOP = """
import threading, time
from convtui.engine.store import Store
def stop():
    while True:
        time.sleep(0.05)
        try:
            with Store.open("store.db", create=False) as store:
                (run,) = store.runs()
                store.request(run.id, "stop")
                return
        except Exception:
            continue
if "stop" in sys.argv:
    threading.Thread(target=stop, daemon=True).start()
"""

LIGHTNING = f"""
import logging, sys, warnings, torch, convtui
warnings.simplefilter("ignore"); logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
import lightning as L
{STOP}
class Module(L.LightningModule):
    def __init__(self, rate=0.5):
        super().__init__(); self.save_hyperparameters(); self.net = torch.nn.Linear(3, 1)
    def training_step(self, batch, index):
        loss = self.net(batch[0]).square().mean(); self.log("train/loss", loss); return loss
    def validation_step(self, batch, index):
        self.log("val/loss", self.net(batch[0]).square().mean())
    def test_step(self, batch, index):
        self.log("test/accuracy", 0.75)
    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), self.hparams.rate)
        falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1e-9, total_iters=6)
        return {{"optimizer": optimizer, "lr_scheduler": {{"scheduler": falling, "interval": "step"}}}}
def loader():
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(12, 3)), batch_size=4)
logger = convtui.LightningLogger("mine")
epochs = 10**6 if "stop" in sys.argv else 2
several = {{"strategy": "ddp", "devices": 2}} if "several" in sys.argv else {{"devices": 1}}
trainer = L.Trainer(max_epochs=epochs, logger=logger, callbacks=[logger.steering], log_every_n_steps=1, accelerator="cpu",
    enable_progress_bar=False, enable_model_summary=False, **several)
trainer.validate(Module(), loader(), verbose=False)
trainer.fit(Module(), loader(), loader())
trainer.test(Module(), loader(), verbose=False)
"""

TRANSFORMERS = f"""
import sys, warnings, torch, convtui
warnings.simplefilter("ignore")
import transformers
transformers.utils.logging.set_verbosity_error()
{STOP}
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__(); self.net = torch.nn.Linear(3, 2)
    def forward(self, x, labels=None):
        logits = self.net(x)
        return {{"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}}
data = [{{"x": torch.randn(3), "labels": i % 2}} for i in range(12)]
epochs = 10**5 if "stop" in sys.argv else 2
args = transformers.TrainingArguments("out", num_train_epochs=epochs, per_device_train_batch_size=4, logging_steps=1,
    eval_strategy="epoch", save_strategy="no", report_to=[], use_cpu=True, disable_tqdm=True, learning_rate=0.25,
    lr_scheduler_type="linear")
transformers.Trainer(Net(), args, train_dataset=data, eval_dataset=data, callbacks=[convtui.TransformersCallback("mine")]).train()
"""

ACCELERATE = f"""
import sys, warnings, torch, convtui
warnings.simplefilter("ignore")
from accelerate import Accelerator
{STOP}
tracker = convtui.AccelerateTracker("mine")
accelerator = Accelerator(log_with=tracker, cpu=True)
accelerator.init_trackers("project", config={{"rate": 0.25}})
net = torch.nn.Linear(3, 1)
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(12, 3)), batch_size=4)
net, optimizer, loader = accelerator.prepare(net, torch.optim.SGD(net.parameters(), 0.25), loader)
for _ in tracker.run.steer(range(10**6 if "stop" in sys.argv else 2)):
    for (x,) in tracker.run.steer(loader, optimizer):
        loss = net(x).square().mean()
        accelerator.backward(loss); optimizer.step(); optimizer.zero_grad()
        accelerator.log({{"train/loss": loss.item()}})
    accelerator.log({{"val/loss": 0.5}})
accelerator.end_training()
"""
SCRIPTS = {"lightning": LIGHTNING, "transformers": TRANSFORMERS, "accelerate": ACCELERATE}
SETTINGS = {"lightning": ("rate", 0.5), "transformers": ("learning_rate", 0.25), "accelerate": ("rate", 0.25)}


def ran(folder: Path, library: str, *arguments: str) -> Run:
    """The run that the library's script made, or this script."""
    script = folder / "train.py"
    script.write_text(SCRIPTS.get(library, library))
    command = [sys.executable, str(script), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    with Store.open(folder / "store.db", create=False) as store:
        (run,) = store.runs()
    return run


@pytest.mark.parametrize(
    "library", ["accelerate", *(pytest.param(name, marks=pytest.mark.long) for name in ("lightning", "transformers"))]
)
def test_what_the_library_logs_is_in_the_store(tmp_path: Path, library: str) -> None:
    run = ran(tmp_path, library)
    name, value = SETTINGS[library]
    assert (run.status, run.step, run.epoch, run.images, run.name) == ("finished", 6, 2, 24, "mine")
    assert run.spec_values[name] == value
    with Store.open(tmp_path / "store.db") as store:
        assert len(store.series(run.id, "train/loss").steps) == 6
        validation = "eval_loss" if library == "transformers" else "val/loss"
        before = 1 if library == "lightning" else 0  # it validated before it trained
        assert len(store.series(run.id, validation).steps) == 2 + before
        rates = [value] * 6 if library == "accelerate" else [value * (1 - done / 6) for done in range(6)]
        assert list(store.series(run.id, "learning_rate").values) == pytest.approx(rates)
        assert run.validation_loss == store.series(run.id, validation).values[-1]
        assert run.train_loss == store.series(run.id, "train/loss").values[-1]
        assert run.test_accuracy == (0.75 if library == "lightning" else None)
        assert not store.messages(run.id)


@pytest.mark.long
@pytest.mark.parametrize("steering", [True, False])
def test_steps_of_another_trainer_follow_those_of_the_one_before(tmp_path: Path, steering: bool) -> None:
    again = (
        LIGHTNING.split("epochs =", maxsplit=1)[0]
        + f"""
for rate in (0.5, 0.25):
    module = Module(rate)
    trainer = L.Trainer(max_epochs=2, logger=logger, callbacks=[logger.steering] if {steering} else [], log_every_n_steps=1,
        accelerator="cpu", enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False, devices=1)
    trainer.fit(module, loader(), loader())
    trainer.test(module, loader(), verbose=False)
"""
    )
    run = ran(tmp_path, again)
    with Store.open(tmp_path / "store.db") as store:
        for name, often in (("train/loss", 12), ("val/loss", 4), ("test/accuracy", 2), ("learning_rate", 12 if steering else 0)):
            assert len(store.series(run.id, name).steps) == often, name
        rates = store.series(run.id, "learning_rate").values
        assert [rate for rate in rates if rate in (0.5, 0.25)] == ([0.5, 0.25] if steering else [])
        assert not store.messages(run.id)
    assert run.images == (48 if steering else 0)


@pytest.mark.long
def test_of_several_processes_that_lightning_starts_one_records(tmp_path: Path) -> None:
    run = ran(tmp_path, "lightning", "several")
    assert (run.status, run.step, run.test_accuracy) == ("finished", 4, 0.75)


@pytest.mark.long
@pytest.mark.parametrize("library", SCRIPTS)
def test_a_stop_from_another_terminal_ends_the_librarys_loop(tmp_path: Path, library: str) -> None:
    assert ran(tmp_path, library, "stop").status == "stopped"
