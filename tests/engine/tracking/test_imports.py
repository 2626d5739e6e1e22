"""Other programs' logs: what their own writers wrote is in the store, number for number."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import pytest

from convtui.engine.errors import UsageError
from convtui.engine.store import Run, Store
from convtui.engine.tracking.imports import Importer, Source, sources
from convtui.engine.tracking.imports.log import Scalar

import torch  # isort: skip

tensorboard = pytest.importorskip("torch.utils.tensorboard")


def import_source(store: Store, source: Source) -> Run | None:
    return Importer(store).add(source)


def scalars(file: Path) -> list[Scalar]:
    (source,) = sources(file)
    return list(source.log.new())


def written(folder: Path, steps: int = 40) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard's writer was told, as float32, which is what it keeps."""
    told: dict[str, list[tuple[int, float]]] = {}
    writer = tensorboard.SummaryWriter(str(folder))
    generator = torch.Generator().manual_seed(3)
    for step in range(steps):
        for name, new_style in (("train/loss", False), ("val/loss", True), ("lr", False)):
            value = torch.randn((), generator=generator).item()
            writer.add_scalar(name, value, step, new_style=new_style)
            told.setdefault(name, []).append((step, value))
        writer.add_histogram("weights", torch.randn(10, generator=generator), step)
        writer.add_text("note", "nothing of this is a number", step)
    writer.add_scalar("odd/nan", math.nan, steps)
    writer.add_scalar("odd/inf", math.inf, 2**40)
    writer.close()
    return told | {"odd/nan": [(steps, math.nan)], "odd/inf": [(2**40, math.inf)]}


def test_every_scalar_of_the_real_writer_is_kept(tmp_path: Path) -> None:
    told = written(tmp_path / "logs" / "first")
    with Store.open(tmp_path / "store.db") as store:
        (source,) = sources(tmp_path / "logs")
        run = import_source(store, source)
        assert run is not None
        assert (run.name, run.kind, run.status, run.step) == ("first", "tensorboard", "finished", 2**40)
        assert set(store.metric_names(run.id)) == {*told, "seconds"}
        for name, expected in told.items():
            series = store.series(run.id, name)
            assert list(series.steps) == [step for step, _ in expected]
            assert torch.equal(
                torch.tensor(list(series.values), dtype=torch.float32).nan_to_num(7.0),
                torch.tensor([value for _, value in expected], dtype=torch.float32).nan_to_num(7.0),
            )
        assert run.train_loss == store.series(run.id, "train/loss").values[-1]
        assert import_source(store, source) is None
        assert len(store.runs()) == 1


def test_each_folder_is_a_run_and_a_restart_goes_on_in_it(tmp_path: Path) -> None:
    for folder, name in (("a", "1"), ("b", "2")):
        writer = tensorboard.SummaryWriter(str(tmp_path / folder), filename_suffix=name)
        writer.add_scalar("loss", 1.0, 1)
        writer.add_scalar("loss", 2.0, 2)
        writer.close()
    (old,) = (tmp_path / "a").iterdir()
    old.rename(old.with_name("events.out.tfevents.0000000001.old"))
    writer = tensorboard.SummaryWriter(str(tmp_path / "a"))
    writer.add_scalar("loss", 5.0, 2)
    writer.add_scalar("loss", 6.0, 3)
    writer.close()
    with Store.open(tmp_path / "store.db") as store:
        runs = [import_source(store, source) for source in sources(tmp_path)]
        assert [run.name for run in runs if run is not None] == ["a", "b"]
        assert list(store.series(1, "loss").values) == [1.0, 5.0, 6.0]
        assert list(store.series(2, "loss").values) == [1.0, 2.0]


def test_a_file_that_is_still_written_is_read_up_to_its_last_whole_record(tmp_path: Path) -> None:
    written(tmp_path / "logs", steps=3)
    (file,) = (tmp_path / "logs").iterdir()
    whole = list(scalars(file))
    content = file.read_bytes()
    ends, end = set(), 0
    while end < len(content):
        end += 16 + struct.unpack_from("<Q", content, end)[0]
        ends.add(end)
    for cut in [*range(0, len(content), 499), *range(len(content) - 60, len(content))]:
        file.write_bytes(content[:cut])
        log = sources(file)[0].log
        found = list(log.new())
        assert repr(found) == repr(whole[: len(found)])
        assert log.is_cut or not found or cut in ends


def test_a_changed_byte_is_told_or_changes_one_record(tmp_path: Path) -> None:
    written(tmp_path / "logs", steps=2)
    (file,) = (tmp_path / "logs").iterdir()
    content = file.read_bytes()
    for place in [*range(0, len(content), 211), *range(60)]:
        file.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        assert len(list(scalars(file))) <= 8


def test_lightnings_metrics_are_kept_by_their_steps(tmp_path: Path) -> None:
    (tmp_path / "version_0").mkdir()
    (tmp_path / "version_0" / "metrics.csv").write_text(
        "epoch,step,train/loss,val/loss\n0,9,0.5,\n0,19,0.25,\n0,19,,0.75\n1,29,nan,\n"
    )
    with Store.open(tmp_path / "store.db") as store:
        (source,) = sources(tmp_path)
        run = import_source(store, source)
        assert run is not None
        assert (run.name, run.kind, run.step) == ("version_0", "csv", 29)
        assert list(store.series(run.id, "train/loss").steps) == [9, 19, 29]
        assert list(store.series(run.id, "train/loss").values)[:2] == [0.5, 0.25]
        assert list(store.series(run.id, "val/loss").values) == [0.75]
        assert store.metric_names(run.id) == ["train/loss", "val/loss"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("events.out.tfevents.1", b"x" * 40, "is damaged at byte 0, or is not TensorBoard's"),
        ("events.out.tfevents.1", b"", "there are no scalars in it"),
        ("metrics.csv", b"a,b\n1,2\n", "line 2: no whole number in a column 'step'"),
        ("run-1.wandb", b"x" * 40, "is not a log of wandb's"),
        ("run-1.wandb", b":W&B\xe1\xbe\x00", "there are no scalars in it"),
        ("metrics.csv", b"step,a\n1,x\n", "is not a table of numbers"),
        ("metrics.csv", b"step,a\n-1,2\n", "has a value at step -1"),
        ("metrics.csv", b"\xff\xfe", "is not a table of numbers"),
        ("other.txt", b"", "there are none of the logs that can be imported in it: event files of TensorBoard, metrics.csv"),
        ("other.db", b"SQLite format 3\0 and then nothing that is", "there are none of the logs that can be imported"),
    ],
)
def test_what_cannot_be_imported_leaves_no_run(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / name).write_bytes(content)
    with Store.open(tmp_path / "store.db") as store:
        with pytest.raises(UsageError, match=message):
            import_source(store, sources(tmp_path / "logs")[0])
        assert store.runs() == []


def test_a_record_of_another_message_is_passed_over(tmp_path: Path) -> None:
    """A double that is told as a tensor, beside a field that is not known, as newer writers may have some."""
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    written(tmp_path / "logs", steps=1)
    (file,) = (tmp_path / "logs").iterdir()
    before = list(scalars(file))
    value = b"\x0a\x01d\x42\x0c\x08\x02\x32\x08" + struct.pack("<d", 0.1)
    summary = b"\x0a" + bytes([len(value)]) + value
    event = b"\x10\x07\xf8\x07\x01\x2a" + bytes([len(summary)]) + summary
    header = struct.pack("<Q", len(event))
    file.write_bytes(file.read_bytes() + header + struct.pack("<I", masked_crc32c(header)) + event + b"0000")
    assert list(scalars(file))[len(before) :] == [("d", 7, 0.1, 0.0)]
