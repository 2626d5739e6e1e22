"""Runs in one file: what comes out is what went in, and nothing else ever does."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from convtui.engine.errors import UsageError
from convtui.engine.files import BUNDLE_MARK, WATCHED_IMAGES
from convtui.engine.store import Store
from convtui.engine.store.bundle import is_bundle, pack, unpacked
from convtui.engine.store.merging import merge
from tests.engine.store.conftest import SQLITE
from tests.engine.store.test_store_merging import content, trained

if TYPE_CHECKING:
    from tests.engine.store.conftest import Hands


@pytest.fixture
def bundle(store: Store, hands: Hands, tmp_path: Path) -> Path:
    """Of the second and third of three runs."""
    for name in ("one", "two", "three"):
        trained(store, hands, hands.new_run(store, name), 0, (2.0, 1.5))
    path = tmp_path / "mine.convtui"
    pack(store, [2, 3], path)
    return path


@SQLITE
def test_images_that_a_script_was_watched_over_stay_at_home(store: Store, hands: Hands, tmp_path: Path) -> None:
    run_id = hands.new_run(store)
    trained(store, hands, run_id, 0, (2.0, 1.5))
    (store.files.folder(run_id) / WATCHED_IMAGES).write_bytes(b"of people")
    pack(store, [run_id], tmp_path / "mine.convtui")
    with zipfile.ZipFile(tmp_path / "mine.convtui") as archive:
        assert not [name for name in archive.namelist() if name.endswith(WATCHED_IMAGES)]
    assert b"of people" not in (tmp_path / "mine.convtui").read_bytes()


def test_what_comes_out_is_what_went_in(store: Store, bundle: Path, tmp_path: Path) -> None:
    expected = [content(store, run_id) for run_id in (2, 3)]
    assert is_bundle(bundle)
    with unpacked(bundle) as path, Store.open(path) as opened:
        assert [run.name for run in opened.runs()] == ["three", "two"]
        assert [content(opened, run_id) for run_id in (1, 2)] == expected
        place = path.parent
        with Store.open(tmp_path / "mine.db") as mine:
            assert [(merged.outcome, merged.id) for merged in merge(mine, opened)] == [("added", 1), ("added", 2)]
            assert [content(mine, run_id) for run_id in (1, 2)] == expected
            assert [merged.outcome for merged in merge(mine, store)] == ["added", "here", "here"]
    assert not place.exists()


def test_a_run_in_training_is_not_bundled_and_no_file_is_left(store: Store, hands: Hands, tmp_path: Path) -> None:
    run = hands.claimed(store)
    with pytest.raises(UsageError, match=f"'convtui stop {run.id}' first"):
        pack(store, [run.id], tmp_path / "x.convtui")
    assert not (tmp_path / "x.convtui").exists()


def test_a_bundle_takes_the_place_of_a_bundle_and_of_nothing_else(store: Store, bundle: Path, tmp_path: Path) -> None:
    pack(store, [1], bundle)
    with unpacked(bundle) as path, Store.open(path) as opened:
        assert [run.name for run in opened.runs()] == ["one"]
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as photos:
        photos.writestr("a.jpg", bytes(range(256)))
    before = archive.read_bytes()
    with pytest.raises(UsageError, match="cannot be written"):
        pack(store, [1], archive)
    assert archive.read_bytes() == before


@pytest.mark.parametrize(
    "name",
    ["../up.txt", "/etc/passwd", "runs/1/../../up", "runs/1/code.py", "runs/letter.txt", "runs/1/a/best-1.safetensors", "x.db"],
)
def test_anything_that_is_of_no_run_has_it_refused_as_a_whole(bundle: Path, name: str) -> None:
    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr(name, "harm")
    with pytest.raises(UsageError, match="which is of no run: nothing was read"), unpacked(bundle):
        pytest.fail("it was opened")


def test_what_unpacks_to_far_more_than_it_has_is_refused(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convtui.engine.store.bundle.RATIO_MATTERS_FROM", 1 << 20)
    with zipfile.ZipFile(bundle, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("runs/9/checkpoint-000000001.safetensors", bytes(20 << 20))
    with pytest.raises(UsageError, match="decompression bomb"), unpacked(bundle):
        pytest.fail("it was opened")


REFUSED = r"was it copied whole\?|is no bundle"


@pytest.mark.parametrize("share", [1, 30, 70, 99])
def test_one_that_was_cut_is_refused_in_one_line(share: int, bundle: Path, tmp_path: Path) -> None:
    whole, cut = bundle.read_bytes(), tmp_path / "cut.convtui"
    cut.write_bytes(whole[: share * len(whole) // 100])
    with pytest.raises(UsageError, match=REFUSED), unpacked(cut):
        pytest.fail("it was opened")


def test_one_with_a_byte_changed_is_refused_in_one_line_or_it_does_not_matter(bundle: Path, tmp_path: Path) -> None:
    whole, damaged, said = bundle.read_bytes(), tmp_path / "damaged.convtui", []
    for share in range(2, 98, 4):
        place = share * len(whole) // 100
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            with unpacked(damaged):  # as where the archive tells of a file's time
                pass
        except UsageError as error:
            said.append(str(error))
    assert len(said) > 12, "nearly all of it is data with checksums"
    assert all(text.startswith(str(damaged)) and "\n" not in text for text in said)


def test_a_newer_one_and_what_is_none_are_told_apart(tmp_path: Path) -> None:
    newer, other = tmp_path / "newer.convtui", tmp_path / "notes.txt"
    with zipfile.ZipFile(newer, "w") as archive:
        archive.writestr(BUNDLE_MARK, json.dumps({"version": 2}))
    other.write_text("notes")
    with pytest.raises(UsageError, match="written by a newer convtui"), unpacked(newer):
        pytest.fail("it was opened")
    with (
        pytest.raises(UsageError, match=r"is no bundle of runs: 'convtui bundle RUN --out notes\.convtui' writes one"),
        unpacked(other),
    ):
        pytest.fail("it was opened")
