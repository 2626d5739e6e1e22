"""Scripts as their authors write them, each with at most four lines for convtui: watched, paused, looked into, killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from convtui.engine.lens.loading import subject_from_module, weights_from_run
from convtui.engine.lens.registry import view
from convtui.engine.models.importing import fill, imported_net
from convtui.engine.store import Store

import torch  # isort: skip

pytestmark = pytest.mark.long
PATIENCE_SECONDS = 120.0

MNIST = """
import torch, convtui
from torch import nn
import torch.nn.functional as F

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.fc = nn.Conv2d(1, 8, 3), nn.Conv2d(8, 16, 3), nn.Linear(16 * 2 * 2, 10)
    def forward(self, x):
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        return F.log_softmax(self.fc(torch.flatten(F.max_pool2d(x, 2), 1)), dim=1)

def main():
    from sklearn.datasets import load_digits
    digits = load_digits()
    x = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, torch.tensor(digits.target)), 64, shuffle=True)
    model = Net()
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    run = convtui.init("mnist")
    run.watch(model)
    for epoch in run.steer(range(10**6)):
        for data, target in run.steer(loader, optimizer):
            optimizer.zero_grad()
            loss = F.nll_loss(model(data), target)
            loss.backward()
            optimizer.step()
            run.log({"train/loss": loss})
        scheduler.step()

if __name__ == "__main__":
    main()
"""
GAN = """
import torch, convtui
from torch import nn

class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.ConvTranspose2d(8, 16, 4), nn.ReLU(), nn.ConvTranspose2d(16, 1, 5), nn.Sigmoid())
    def forward(self, z):
        return self.layers(z)

class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 16, 3, 2, 1), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(256, 1))
    def forward(self, x):
        return self.layers(x)

if __name__ == "__main__":
    real = torch.rand(512, 1, 8, 8)
    g, d = Generator(), Discriminator()
    of_g, of_d = torch.optim.Adam(g.parameters(), 2e-4), torch.optim.Adam(d.parameters(), 2e-4)
    loss = nn.BCEWithLogitsLoss()
    run = convtui.init("gan")
    run.watch(d, every=50)
    for batch in run.steer(iter(lambda: real[torch.randint(0, 512, (32,))], None), [of_g, of_d]):
        fake = g(torch.randn(32, 8, 1, 1))
        of_d.zero_grad()
        d_loss = loss(d(batch), torch.ones(32, 1)) + loss(d(fake.detach()), torch.zeros(32, 1))
        d_loss.backward()
        of_d.step()
        of_g.zero_grad()
        g_loss = loss(d(fake), torch.ones(32, 1))
        g_loss.backward()
        of_g.step()
        run.log({"gan/d_loss": d_loss, "gan/g_loss": g_loss})
"""
REGRESSION = """
import torch, convtui

class Line(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(64, 1)
    def forward(self, x):
        return self.fc(x.flatten(1))

if __name__ == "__main__":
    x = torch.randn(256, 1, 8, 8)
    y = x.mean((1, 2, 3), keepdim=True).flatten(1)
    model = Line()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    run = convtui.init("line")
    run.watch(model, every=20)
    for _ in run.steer(range(10**9), optimizer):
        loss = (model(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.log({"train_loss": loss})
"""
VIT = """
import torch, convtui
from torchvision.models.vision_transformer import VisionTransformer

def small():
    return VisionTransformer(image_size=8, patch_size=4, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=10)

if __name__ == "__main__":
    model = small()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    data = torch.utils.data.TensorDataset(torch.randn(128, 3, 8, 8), torch.randint(0, 10, (128,)))
    loader = torch.utils.data.DataLoader(data, batch_size=16)
    run = convtui.init("vit")
    run.watch(model)
    for epoch in run.steer(range(10**6)):
        for images, labels in run.steer(loader, optimizer):
            loss = torch.nn.functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.log({"train/loss": loss})
"""
SCRIPTS = {"mnist": (MNIST, "Net", 1), "gan": (GAN, "Discriminator", 1), "line": (REGRESSION, "Line", 1), "vit": (VIT, "small", 3)}


def waited_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not what():
        assert time.monotonic() < until, "it never came to be"
        time.sleep(0.05)


@pytest.fixture(params=SCRIPTS)
def script(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes], Store]]:
    """A script that trains until it is ended, and the store that it writes to."""
    name = request.param
    (tmp_path / f"{name}_net.py").write_text(SCRIPTS[name][0])
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, f"{name}_net.py"], cwd=tmp_path, env=environment)
    try:
        waited_for((tmp_path / "store.db").exists)
        time.sleep(0.5)
        with Store.open(tmp_path / "store.db", create=False) as store:
            waited_for(lambda: bool(store.runs()) and store.runs()[0].step > 60)
            yield name, process, store
    finally:
        process.kill()
        process.wait()


def test_it_has_at_most_four_lines_for_convtui(script: tuple[str, subprocess.Popen[bytes], Store]) -> None:
    lines = [line for line in SCRIPTS[script[0]][0].splitlines() if "run." in line or "convtui.init" in line]
    added = [line for line in lines if "steer" not in line]  # a loop that is steered is a line that was there
    assert len(added) + 1 <= 4


def test_it_is_watched_paused_let_go_on_looked_into_and_survives_kills(
    script: tuple[str, subprocess.Popen[bytes], Store],
) -> None:
    name, process, store = script
    run = store.runs()[0]
    command = [sys.executable, "-P", "-m", "convtui.tui.cli", "runs", "watch", name, "--store", str(store.address)]
    viewer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    store.request(run.id, "pause")
    waited_for(lambda: store.run(run.id).status == "paused")
    paused = store.run(run.id).step
    time.sleep(1.0)
    assert store.run(run.id).step == paused
    store.request(run.id, "continue")
    waited_for(lambda: store.run(run.id).step > paused + 20)

    viewer.kill()
    viewer.communicate()
    at = store.run(run.id).step
    waited_for(lambda: store.run(run.id).step > at + 20)

    waited_for(lambda: bool(store.files.checkpoints(run.id)))
    _, code, channels = SCRIPTS[name]
    saved = weights_from_run(store, store.run(run.id))
    net = imported_net(f"{store.address.parent / f'{name}_net.py'}:{code}", {})
    fill(net, saved.weights, code)
    subject = subject_from_module(net, (channels, 8, 8))
    (table, _) = view("summary")(subject, view("summary").make({}))
    assert sum(parameter.numel() for parameter in net.parameters()) == table.rows[-1][table.columns.index("parameters")]

    before = store.run(run.id)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    after = store.run(run.id)
    assert after.status == "crashed"
    assert after.step >= before.step
    assert all(value == value for value in store.series(run.id, store.metric_names(run.id)[0]).values)
    torch.testing.assert_close(len(store.series(run.id, "learning_rate").steps), after.step, rtol=0, atol=2000)
