"""Which file becomes which image of which class, and what is said of the rest."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convtui.engine.data.folder import FOLDER
from convtui.engine.errors import DataError
from tests.engine.data.making import encoded, giant, plain, tree, zipped


def as_zip(root: Path, below: str = "") -> Path:
    files = {below + str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*.png"), reverse=True)}
    return zipped(root.with_suffix(".zip"), files)


def identities(images: np.ndarray) -> list[tuple[int, int]]:
    """(class, number) of images made by `tree`."""
    return [(int(image[0, 0, 0]), int(image[0, 0, 1])) for image in images]


@pytest.mark.parametrize("kind", ["directory", "zip", "zip with a folder around"])
def test_train_and_test_folders_are_taken_as_they_are(tmp_path: Path, kind: str) -> None:
    root = tree(tmp_path / "set", {"train/bee": 3, "train/ant": 2, "test/bee": 1, "test/ant": 1})
    place = root if kind == "directory" else as_zip(root, "" if kind == "zip" else "photos/all/")
    raw = FOLDER.read(place, 8)
    assert raw.classes == ("ant", "bee")
    # `tree` numbered bee 0 and ant 1 in train, bee 2 and ant 3 in test.
    assert identities(raw.train.images) == [(1, 0), (1, 1), (0, 0), (0, 1), (0, 2)]
    assert raw.train.labels.tolist() == [0, 0, 1, 1, 1]
    assert identities(raw.test.images) == [(3, 0), (2, 0)]
    assert raw.test.labels.tolist() == [0, 1]
    assert raw.notes == ()


def test_classes_alone_are_split_four_to_one_and_always_alike(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", {"a": 10, "b": 5, "c": 2})
    raw = FOLDER.read(root, 8)
    assert np.bincount(raw.test.labels).tolist() == [2, 1, 1]
    assert np.bincount(raw.train.labels).tolist() == [8, 4, 1]
    both = identities(raw.train.images) + identities(raw.test.images)
    assert sorted(both) == [(0, number) for number in range(10)] + [(1, number) for number in range(5)] + [(2, 0), (2, 1)]
    again = FOLDER.read(as_zip(root), 8)
    assert np.array_equal(again.test.images, raw.test.images)
    for image, label in zip(raw.test.images, raw.test.labels, strict=True):
        assert image[0, 0, 0] == label


def test_only_train_is_split_too(tmp_path: Path) -> None:
    raw = FOLDER.read(tree(tmp_path / "set", {"train/a": 5, "train/b": 5}), 8)
    assert raw.classes == ("a", "b")
    assert (len(raw.train.labels), len(raw.test.labels)) == (8, 2)


def test_images_may_lie_deeper_below_their_class(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", {"a/monday": 2, "a/sunday": 2, "b": 3})
    raw = FOLDER.read(root, 8)
    assert raw.classes == ("a", "b")
    assert len(raw.train.labels) + len(raw.test.labels) == 7


def test_unusable_images_are_named_counted_and_skipped(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", {"train/a": 3, "train/b": 3, "test/a": 1, "test/b": 1})
    (root / "train/a/empty.png").write_bytes(b"")
    (root / "train/a/notes.txt").write_text("hello")
    (root / "train/b/\x1b[2Jcut.png").write_bytes(plain((1, 2, 3), side=64)[:-30])
    raw = FOLDER.read(root, 8)
    assert raw.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    (note,) = raw.notes
    assert "3 of 11 files" in note
    for part in ("train/a/empty.png (empty)", "train/a/notes.txt (not an image)", "cut.png (corrupt"):
        assert part in note
    assert "\x1b" not in note


def test_many_skipped_files_are_cut_short(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", {"a": 3, "b": 3})
    for number in range(40):
        (root / "a" / f"bad{number:02}.png").write_bytes(b"")
    (note,) = FOLDER.read(root, 8).notes
    assert "bad04" in note
    assert "bad05" not in note
    assert note.endswith("and 35 more")


def test_images_of_several_sizes_are_brought_to_one(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", {"a": 2, "b": 2})
    (root / "a" / "large.png").write_bytes(plain((9, 8, 7), side=50))
    raw = FOLDER.read(root, 12)
    assert raw.train.images.shape[1:] == (3, 12, 12)


@pytest.mark.parametrize(
    ("counts", "complaint"),
    [
        ({}, "holds no folders of images"),
        ({"only": 4}, r"one class only \(only\)"),
        ({"train/only": 4, "test/only": 4}, r"one class only \(only\)"),
        ({"train/a": 2, "train/b": 2, "test/a": 2, "test/c": 2}, "test lacks b and train lacks c"),
        ({"train/a": 2, "train/b": 2, "val/a": 2, "val/c": 2}, "val lacks b and train lacks c"),
        ({"train": 4}, "train holds 4 images but no class folders: sort them into"),
        ({"train/train": 4}, "train/train holds 4 images but no class folders"),
        ({"train": 4, "test": 2}, "train holds 4 images but no class folders"),
        ({"train": 4, "test/a": 2, "test/b": 2}, "train holds 4 images but no class folders"),
        ({"train/a": 2, "train/b": 2, "extra/a": 2}, r"has train/ with folders in it beside extra: .* name the other one test/"),
        ({"test/a": 2, "test/b": 2, "extra/a": 2}, r"has test/ with folders in it beside extra: .* name the other one train/"),
        ({"train/a": 2, "Train/a": 2, "test/a": 2}, "Train, train may each be a split"),
        ({"a": 4, "b": 4, "empty": 0}, "no image left for train in empty"),
        ({"a": 4, "b": 1}, "no image left for test in b"),
        ({"train/a": 2, "train/b": 2, "test/a": 2, "test/b": 0}, "no image left for test in b"),
    ],
)
def test_layouts_that_no_net_can_learn_from_are_refused(tmp_path: Path, counts: dict[str, int], complaint: str) -> None:
    root = tmp_path / "set"
    root.mkdir()
    with pytest.raises(DataError, match=complaint):
        FOLDER.read(tree(root, counts), 8)


def test_a_class_left_empty_by_bad_images_says_which(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", {"a": 4, "b": 2})
    for path in (root / "b").iterdir():
        path.write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"no image left for train in b \(2 files skipped: b/000.png \(not an image\)"):
        FOLDER.read(root, 8)


@pytest.mark.parametrize("kind", ["directory", "zip"])
@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        ("Train", "Test", "training images from Train/, test images from Test/"),
        ("TRAINING", "testing", "training images from TRAINING/, test images from testing/"),
        ("train/train", "test/test", "training images from train/train/, test images from test/test/"),
        ("seg_train/seg_train", "seg_test/seg_test", "training images from seg_train/seg_train/"),
        ("Training Set", "Test Set", "test images from Test Set/"),
        ("train", "val", "test images from val/, as there is no test/"),
        ("train", "valid", "test images from valid/, as there is no test/"),
        ("train2017", "val2017", "training images from train2017/, test images from val2017/, as there is no test/"),
    ],
)
def test_splits_have_many_names(tmp_path: Path, kind: str, train: str, test: str, said: str) -> None:
    root = tree(tmp_path / "set", {f"{train}/a": 3, f"{train}/b": 2, f"{test}/a": 1, f"{test}/b": 2})
    raw = FOLDER.read(root if kind == "directory" else as_zip(root, "around/"), 8)
    assert raw.classes == ("a", "b")
    assert identities(raw.train.images) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    assert identities(raw.test.images) == [(2, 0), (3, 0), (3, 1)]
    assert raw.validation is None
    (note,) = raw.notes
    assert said in note


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_validation_images_of_their_own_are_the_validation_images(tmp_path: Path, name: str) -> None:
    root = tree(tmp_path / "set", {f"{part}/{label}": 2 for part in ("train", name, "test") for label in "ab"})
    raw = FOLDER.read(root, 8)
    assert raw.validation is not None
    assert identities(raw.validation.images) == [(2, 0), (2, 1), (3, 0), (3, 1)]
    assert identities(raw.test.images) == [(4, 0), (4, 1), (5, 0), (5, 1)]
    assert raw.validation.labels.tolist() == [0, 0, 1, 1]
    (note,) = raw.notes
    assert f"validation images from {name}/" in note


@pytest.mark.parametrize("counts", [{"bus": 5, "car": 5, "train": 5}, {"bus": 5, "test": 5, "train": 5}])
def test_train_and_test_may_be_classes_among_others(tmp_path: Path, counts: dict[str, int]) -> None:
    raw = FOLDER.read(tree(tmp_path / "set", counts), 8)
    assert raw.classes == tuple(counts)
    assert (len(raw.train.labels), len(raw.test.labels)) == (12, 3)
    (note,) = raw.notes
    assert "read as a class, since it has images directly in it" in note


def test_a_test_split_without_classes_is_not_used_and_told(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", {"train/a": 5, "train/b": 5, "test": 3})
    raw = FOLDER.read(root, 8)
    assert (len(raw.train.labels), len(raw.test.labels)) == (8, 2)
    assert "test/ has no class folders: its images are not used" in raw.notes[0]


def test_images_outside_the_class_folders_are_counted(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", {"train/a": 2, "train/b": 2, "test/a": 2, "test/b": 2})
    for name in ("top.png", "train/stray.JPG", "train/readme.txt"):
        (root / name).write_bytes(b"")
    (note,) = FOLDER.read(root, 8).notes
    assert "2 images outside the class folders are not used" in note


def test_linked_classes_are_read(tmp_path: Path) -> None:
    tree(tmp_path / "real", {"a": 5, "b": 5})
    (tmp_path / "set").mkdir()
    for name in "ab":
        (tmp_path / "set" / name).symlink_to(tmp_path / "real" / name)
    raw = FOLDER.read(tmp_path / "set", 8)
    assert (raw.classes, len(raw.train.labels), raw.notes) == (("a", "b"), 8, ())


def grey16(value: int, background: int) -> bytes:
    pixels = np.full((8, 8), background, np.uint16)
    pixels[:4] = value
    return encoded(Image.fromarray(pixels))


@pytest.mark.parametrize(
    ("values", "white"), [((1, 0), 1), ((200, 40), 255), ((4000, 2000), 4095), ((900, 300), 1023), ((60_000, 300), 65_535)]
)
def test_sixteen_bits_have_one_white_by_the_brightest_of_all(tmp_path: Path, values: tuple[int, int], white: int) -> None:
    for name, value in zip("ab", values, strict=True):
        (tmp_path / name).mkdir()
        for number in range(3):
            (tmp_path / name / f"{number}.png").write_bytes(grey16(value, 0))
    raw = FOLDER.read(tmp_path, 8)
    assert raw.white == white
    for image, label in zip(raw.train.images, raw.train.labels.tolist(), strict=True):
        assert image[0, 0, 0] == round(values[label] * 255 / white)
    assert [f"have no value above {white:,}" in note for note in raw.notes] == ([True] if white < 65_535 else [])


def test_white_on_transparent_and_black_on_black_are_told(tmp_path: Path) -> None:
    drawn = Image.new("RGBA", (8, 8), (255, 255, 255, 0))
    drawn.putpixel((3, 3), (255, 255, 255, 255))
    for name in "ab":
        (tmp_path / name).mkdir()
        for number in range(3):
            (tmp_path / name / f"{number}.png").write_bytes(encoded(drawn))
    (note,) = FOLDER.read(tmp_path, 8).notes
    assert "6 images are white on transparent" in note
    for path in tmp_path.rglob("*.png"):
        path.write_bytes(plain(3, "L"))
    (note,) = FOLDER.read(tmp_path, 8).notes
    assert "nearly black: their largest value is 3 of 255" in note


def test_other_folders_beside_train_and_test_are_told(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", {"train/a": 2, "train/b": 2, "test/a": 2, "test/b": 2, "extra/a": 1})
    assert "not read: extra" in FOLDER.read(root, 8).notes[0]


def test_class_names_carry_no_terminal_escapes(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", {"\x1b[31mred": 3, "blue\u202e": 3})
    assert FOLDER.read(root, 8).classes == ("blue\ufffd", "\ufffd[31mred")


def test_two_classes_that_would_be_written_alike_are_refused(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", {"a\x01": 3, "a\x02": 3})
    with pytest.raises(DataError, match="several classes are written"):
        FOLDER.read(root, 8)


def test_pillow_s_warnings_do_not_reach_the_screen(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", {"a": 3, "b": 3})
    # Pillow warns of images of more than 89 million pixels; a warning is an error in these tests.
    (root / "a" / "large.png").write_bytes(giant(10_000))
    assert "a/large.png (huge: 10,000 x 10,000 pixels)" in FOLDER.read(root, 8).notes[0]


def test_progress_is_told_from_start_to_end(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    FOLDER.read(tree(tmp_path / "set", {"a": 3, "b": 3}), 8, lambda *said: seen.append(said))
    assert seen[0] == ("decoding images", 0, 6)
    assert seen[-1] == ("decoding images", 6, 6)


def test_a_zip_read_only_and_alone_is_enough(tmp_path: Path) -> None:
    path = as_zip(tree(tmp_path / "set", {"a": 3, "b": 3}))
    shutil.rmtree(tmp_path / "set")
    path.chmod(0o444)
    assert len(FOLDER.read(path, 8).train.labels) == 4
    assert list(tmp_path.glob("set*")) == [path]
