"""Report 004's net trained image by image: a tutorial's loop, ours by autograd, by hand, and by hand in the application.

    python -m benchmarks.one_image [--rounds 6] [--steps 4000]

16 filters of 7x7 on grey 28x28 digits, ReLU, ten outputs, plain SGD; all arms begin with the same weights and see the same images
in the same order. `headless` keeps every step in a store, as `convtui run` does; so does `application`, whose training runs in
the thread of `tui.session` while the page Live shows it on a screen of 120x36 cells, and whose event loop is asked every 20 ms how
late it is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.arms import machine, measure, report
from convtui.engine.data.catalog import load
from convtui.engine.data.split import Dataset
from convtui.engine.spec import RunSpec, changed

import torch  # isort: skip

ARMS: dict[str, dict[str, str]] = {
    arm: {} for arm in ("tutorial", "by autograd", "by hand", "by hand again", "headless", "application")
}
SPEC = changed(
    RunSpec(),
    {
        "model.conv_blocks": "16 7x7",
        "data.source": "digits",
        "data.colour": "grey",
        "data.size": 28,
        "data.batch_size": 1,
        "optimiser.name": "sgd",
        "optimiser.learning_rate": 0.001,
        "training.epochs": 1000,
        "training.evaluate_every": 1000,
    },
)
WARM_UP = 500
QUICK = 10
"""How many times as many steps the quick arms are timed over: theirs come in bursts of a tenth of a second."""


def tutorial(dataset: Dataset) -> Iterator[float]:
    """A Dataset of PIL images with transforms, a DataLoader, SGD, `.item()` every step; gives the losses."""
    from PIL import Image
    from torch import nn
    from torch.utils.data import DataLoader
    from torchvision import transforms

    from convtui.engine import models
    from convtui.engine.data.batches import epoch_order

    split = dataset.train
    mean, std = dataset.mean.tolist(), dataset.std.tolist()

    class Pictures(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
        def __init__(self) -> None:
            self.pictures = [Image.fromarray(image[0].numpy()) for image in split.images]
            self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(mean, std)])

        def __len__(self) -> int:
            return len(self.pictures)

        def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
            return self.transform(self.pictures[index]), int(split.labels[index])

    model = models.build(SPEC.model, channels=1, size=28, classes=10, seed=0)
    criterion = nn.CrossEntropyLoss()
    optimiser = torch.optim.SGD(model.parameters(), lr=SPEC.optimiser.learning_rate)
    pictures = Pictures()
    epoch, correct = 0, 0
    while True:
        epoch += 1
        order = epoch_order(len(split), how="shuffle", seed=0, epoch=epoch).tolist()
        for picture, label in DataLoader(pictures, batch_size=1, sampler=order):
            optimiser.zero_grad()
            outputs = model(picture)
            loss = criterion(outputs, label)
            loss.backward()
            optimiser.step()
            correct += (outputs.argmax(1) == label).sum().item()
            yield loss.item()


def convtui(dataset: Dataset, *, hand: bool = True, store: Path | None = None) -> Iterator[float]:
    """Ours, pulled event by event; gives the losses."""
    from convtui.engine import events
    from convtui.engine.store import Store
    from convtui.engine.training import EagerStep, Training, training
    from convtui.engine.training.recording import recorded

    if not hand:
        training.make_step = lambda spec, net, optimiser, device, *_: EagerStep(spec, net, optimiser, device)
    if store is None:
        with Training(SPEC, dataset) as pulled:
            for event in pulled:
                yield from event.values["batch_loss"] if isinstance(event, events.Progress) else ()
    else:
        with Store.open(store) as opened:
            run = opened.create_run(name="benchmark", preset="", spec=SPEC, dataset="digits")
            with recorded(opened, opened.claim(run.id), SPEC, dataset, torch.device("cpu")) as (_, said):
                for event in said:
                    yield from event.values["batch_loss"] if isinstance(event, events.Progress) else ()


def timed(losses: Iterator[float], steps: int, times: int) -> dict[str, float]:
    """Of `times` x `steps` steps after a warm-up, the mean loss that of the first `steps` of them."""
    for _ in range(WARM_UP):
        next(losses)
    began, cpu = time.perf_counter(), time.process_time()
    seen = [next(losses) for _ in range(times * steps)]
    seconds = time.perf_counter() - began
    return {
        "microseconds a step": 1e6 * seconds / len(seen),
        "CPU microseconds a step": 1e6 * (time.process_time() - cpu) / len(seen),
        "mean loss": statistics.fmean(seen[:steps]),
        "milliseconds late, median": 0.0,
        "milliseconds late, 95 %": 0.0,
    }


async def in_application(path: Path, steps: int) -> dict[str, float]:
    """The same in the application: started by its session, shown by its page Live."""
    from convtui.tui.app.app import ConvtuiApp
    from convtui.tui.session.session import Session

    app = ConvtuiApp(Session(path, device="cpu"))
    async with app.run_test(size=(120, 36)) as pilot:
        while not app.session.is_open:
            await pilot.pause(0.05)
        run = app.session.start(SPEC, name="benchmark")
        app.session.run_id = run.id
        app.action_page("live")

        def step() -> int:
            training = app.session._training
            return training.step if training is not None else 0

        while step() < WARM_UP + 2000:  # until the page is there and has drawn
            await asyncio.sleep(0.05)
        first, began, cpu = step(), time.perf_counter(), time.process_time()
        late = []
        while step() < first + QUICK * steps:
            asked = time.perf_counter()
            await asyncio.sleep(0.02)
            late.append(1000 * (time.perf_counter() - asked - 0.02))
        done, seconds = step() - first, time.perf_counter() - began
        spent = time.process_time() - cpu
        losses = app.session.store.series(run.id, "batch_loss").values
        app.exit()
    app.session.close()
    return {
        "microseconds a step": 1e6 * seconds / done,
        "CPU microseconds a step": 1e6 * spent / done,
        "mean loss": statistics.fmean(losses[WARM_UP : WARM_UP + steps]),
        "milliseconds late, median": statistics.median(late),
        "milliseconds late, 95 %": sorted(late)[int(0.95 * len(late))],
    }


def run_arm(arm: str, steps: int) -> None:
    """Time one arm and print its figures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        if arm == "application":
            figures = asyncio.run(in_application(path, steps))
        else:
            dataset = load(SPEC.data, None)
            losses = {
                "tutorial": lambda: tutorial(dataset),
                "by autograd": lambda: convtui(dataset, hand=False),
                "headless": lambda: convtui(dataset, store=path),
            }.get(arm, lambda: convtui(dataset))()
            figures = timed(losses, steps, 1 if arm in ("tutorial", "by autograd") else QUICK)
    print(json.dumps(figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--arm", choices=ARMS)
    options = parser.parse_args()
    if options.arm:
        run_arm(options.arm, options.steps)
        return
    machine()
    found = measure("benchmarks.one_image", ARMS, options.rounds, ["--steps", str(options.steps)])
    report(found, "microseconds a step", "us", "tutorial")
    report(found, "microseconds a step", "us", "headless")
    report(found, "CPU microseconds a step", "us", "tutorial")
    for figure in ("mean loss", "milliseconds late, median", "milliseconds late, 95 %"):
        report(found, figure, "", "application")


if __name__ == "__main__":
    main()
