"""Sets that Hugging Face's `datasets` reads. It is no development dependency, since it brings pyarrow and pandas: without it only
what is said then is tested here.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convtui.engine.data.catalog import as_recorded, describe, get, load, on_disk
from convtui.engine.data.preview import count, preview
from convtui.engine.data.split import Dataset
from convtui.engine.errors import DataError, DataUnavailable
from convtui.engine.spec import make

needs_library = pytest.mark.skipif(importlib.util.find_spec("datasets") is None, reason="needs datasets: pip install 'convtui[hf]'")


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    import datasets
    import huggingface_hub.constants

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "kept")
    # Whether this machine has a network or not.
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "kept"))
    return datasets


def pictures(first: int, count: int) -> list[Image.Image]:
    return [Image.fromarray(np.full((8, 8, 3), number, np.uint8)) for number in range(first, first + count)]


def part(library: Any, first: int, count: int) -> Any:
    features = library.Features({"img": library.Image(), "label": library.ClassLabel(names=["odd", "even", "none"])})
    labels = [int(number % 2 == 0) for number in range(first, first + count)]
    return library.Dataset.from_dict({"img": pictures(first, count), "label": labels}, features=features)


def loaded(where: object) -> Dataset:
    return load(make({"data": {"source": f"hf:{where}", "size": 8}}).data)


def numbers(dataset: Dataset) -> tuple[list[int], list[int]]:
    return dataset.train.images[:, 0, 0, 0].tolist(), dataset.test.images[:, 0, 0, 0].tolist()


@needs_library
def test_a_saved_set_gives_its_images_labels_and_splits(tmp_path: Path, library: Any) -> None:
    library.DatasetDict({"test": part(library, 10, 4), "train": part(library, 0, 10), "extra": part(library, 0, 2)}).save_to_disk(
        tmp_path / "saved"
    )
    found = loaded(tmp_path / "saved")
    assert numbers(found) == (list(range(10)), [10, 11, 12, 13])
    assert found.train.classes == ("odd", "even")
    assert found.train.labels.tolist() == [1, 0] * 5
    assert "splits that are not read: extra" in found.notes[0]
    spec = make({"data": {"source": f"hf:{tmp_path / 'saved'}", "size": 8}}).data
    assert (count(spec).train, count(spec).test) == (10, 4)
    assert preview(spec, each=1).examples.images[:, 0, 0, 0].tolist() == [1, 0]


@needs_library
@pytest.mark.parametrize("as_folder", [False, True])
def test_parquet_files_are_read(tmp_path: Path, library: Any, as_folder: bool) -> None:
    (tmp_path / "set").mkdir()
    part(library, 0, 10).to_parquet(tmp_path / "set/train-00000-of-00002.parquet")
    part(library, 10, 10).to_parquet(tmp_path / "set/train-00001-of-00002.parquet")
    part(library, 20, 4).to_parquet(tmp_path / "set/test.parquet")
    if as_folder:
        assert numbers(loaded(tmp_path / "set")) == (list(range(20)), [20, 21, 22, 23])
    else:
        one = loaded(tmp_path / "set/train-00000-of-00002.parquet")
        assert (len(one.train), len(one.test)) == (8, 2)


@needs_library
def test_whole_numbers_are_labels_where_no_column_has_classes(tmp_path: Path, library: Any) -> None:
    features = library.Features({"id": library.Value("int32"), "label": library.Value("int64"), "picture": library.Image()})
    rows = {"id": list(range(10)), "label": [7, 12] * 4 + [-1, None], "picture": pictures(0, 10)}
    library.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "saved")
    found = loaded(tmp_path / "saved")
    assert found.train.classes == ("7", "12")
    assert len(found.train) + len(found.test) == 8
    assert "2 of 10 train images have no label" in found.notes[0]


@needs_library
def test_a_set_without_images_or_labels_is_refused_with_its_columns(tmp_path: Path, library: Any) -> None:
    library.Dataset.from_dict({"text": ["a"], "label": [1]}).save_to_disk(tmp_path / "texts")
    with pytest.raises(DataError, match="no column of images: its columns are text, label"):
        loaded(tmp_path / "texts")
    features = library.Features({"image": library.Image(), "size": library.Value("int64")})
    library.Dataset.from_dict({"image": pictures(0, 2), "size": [1, 2]}, features=features).save_to_disk(tmp_path / "plain")
    with pytest.raises(DataError, match="no column of labels: its columns are image, size"):
        loaded(tmp_path / "plain")


@needs_library
def test_each_split_numbers_its_classes_for_itself(tmp_path: Path, library: Any) -> None:
    def of(names: list[str], labels: list[str], first: int) -> Any:
        features = library.Features({"img": library.Image(), "label": library.ClassLabel(names=names)})
        found = {"img": pictures(first, len(labels)), "label": [names.index(label) for label in labels]}
        return library.Dataset.from_dict(found, features=features)

    train, test = of(["ant", "bee", "cat"], ["ant", "bee", "cat"] * 5, 0), of(["cat", "bee", "ant"], ["cat", "ant", "bee"] * 3, 100)
    library.DatasetDict(train=train, test=test).save_to_disk(tmp_path / "saved")
    found = loaded(tmp_path / "saved")
    assert found.test.classes == ("ant", "bee", "cat")
    assert [found.test.classes[label] for label in found.test.labels] == ["cat", "ant", "bee"] * 3
    plain = test.cast_column("label", library.Value("int64"))
    library.DatasetDict(train=train, test=plain).save_to_disk(tmp_path / "mixed")
    with pytest.raises(DataError, match="names classes in some splits and not in others"):
        loaded(tmp_path / "mixed")


@needs_library
def test_a_path_that_a_set_names_is_not_followed(tmp_path: Path, library: Any) -> None:
    secret = tmp_path / "secret.png"
    pictures(0, 1)[0].save(secret)
    features = library.Features({"image": library.Image(), "label": library.ClassLabel(names=["a", "b"])})
    rows = {"image": [*pictures(0, 8), str(secret)], "label": [0, 1] * 4 + [0]}
    library.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "set.parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    written = pq.read_table(tmp_path / "set.parquet")
    images = written.column("image").to_pylist()
    images[-1] = {"bytes": None, "path": str(secret)}
    position = written.schema.get_field_index("image")
    field = written.schema.field("image")

    pq.write_table(written.set_column(position, field, pa.array(images, field.type)), tmp_path / "set.parquet")
    found = loaded(tmp_path / "set.parquet")
    assert len(found.train) + len(found.test) == 8
    assert any("only a path, which is not followed" in note for note in found.notes)


@needs_library
def test_what_is_not_there_is_said_in_one_line(tmp_path: Path, library: Any) -> None:
    assert not on_disk("hf:someone/nothing")
    for ask in (lambda: loaded("someone/nothing"), lambda: get("hf:someone/nothing")):
        with pytest.raises(DataUnavailable, match="cannot be had from the Hugging Face Hub") as caught:
            ask()
        assert "\n" not in str(caught.value)
    with pytest.raises(DataUnavailable, match="'convtui data get hf:someone/nothing' downloads it"):
        count(make({"data": {"source": "hf:someone/nothing"}}).data)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="neither a folder that save_to_disk wrote nor parquet"):
        loaded(tmp_path / "empty")
    (tmp_path / "x.parquet").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be read by datasets"):
        loaded(tmp_path / "x.parquet")


@needs_library
def test_a_set_of_the_hub_that_was_kept_is_read_without_a_network(tmp_path: Path, library: Any) -> None:
    (tmp_path / "digits").mkdir()
    part(library, 0, 10).to_parquet(tmp_path / "digits/train.parquet")
    library.load_dataset(str(tmp_path / "digits"))
    # As the library keeps what it has downloaded for one who is called so.
    (tmp_path / "kept/digits").rename(tmp_path / "kept/someone___digits")
    assert on_disk("hf:someone/digits")
    found = loaded("someone/digits")
    assert (len(found.train), len(found.test)) == (8, 2)
    assert found.source == "hf:someone/digits"


@needs_library
def test_code_that_comes_with_a_set_is_not_run(tmp_path: Path, library: Any) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/set.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    part(library, 0, 10).to_parquet(tmp_path / "set/train.parquet")
    assert len(loaded(tmp_path / "set").train) == 8
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(importlib.util.find_spec("datasets") is not None, reason="datasets is installed")
def test_without_the_library_it_is_named(tmp_path: Path) -> None:
    for source in ("hf:someone/digits", f"hf:{tmp_path}"):
        with pytest.raises(DataUnavailable, match=r"hf: needs the library datasets: pip install 'convtui\[hf\]'"):
            load(make({"data": {"source": source}}).data)


def test_a_name_is_the_hub_s_unless_there_is_such_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert as_recorded("hf:someone/digits:main") == "hf:someone/digits:main"
    assert describe("hf:someone/digits").fetched
    (tmp_path / "someone/digits").mkdir(parents=True)
    assert as_recorded("hf:someone/digits") == f"hf:{tmp_path}/someone/digits"
    assert not describe("hf:./nowhere").fetched
    with pytest.raises(DataError, match="write hf:NAME or hf:NAME:CONFIG"):
        describe("hf:two words")
