"""Which file of a directory or .zip is an image of which class, for training, validation or testing: by names alone.

docs/data.md describes the layouts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from convtui.engine.data.contents import Container, Name
from convtui.engine.data.names import listed, printable, shown
from convtui.engine.data.picture import named_as_image
from convtui.engine.errors import DataError

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = {
    TRAIN: ("train", "training", "trainset"),
    VALIDATION: ("val", "valid", "validation", "valset", "dev"),
    TEST: ("test", "testing", "testset"),
}
"""The words by which a folder is known to hold a split: in any case, alone or with another word (`seg_train`, `Training Set`)
that all folders of splits share. Digits behind them do not count (`train2017`)."""

_SPLIT_OF = {word: split for split, words in SPLITS.items() for word in words}
_IMAGES_OF = {TRAIN: "training images", VALIDATION: "validation images", TEST: "test images"}
_ADVICE = "sort them into <class>/, or into train/<class>/ and test/<class>/"


@dataclass(frozen=True)
class Layout:
    """Which file is an image of which class."""

    classes: tuple[str, ...]
    files: dict[str, tuple[tuple[Name, int], ...]]
    """Of each split that has folders of its own, each file and the number of its class. TRAIN alone is still to be split."""
    notes: tuple[str, ...]
    """How the folders were read, where their names leave a doubt, and what was not read."""


def layout(place: Path, container: Container) -> Layout:
    """The layout of what `place` holds. Raises DataError where there are no classes, or one, or where names have two meanings."""
    around = _innermost(container, ())
    tops = _children(container, around)
    if not tops or (len(tops) == 1 and _split_word(tops[0]) is not None):
        raise DataError(_no_classes(place, container, (*around, *tops)))
    splits = _splits(place, container, around, tops)
    if not splits:
        return _of_classes(place, container, around, tops)
    return _of_splits(place, container, around, tops, splits)


# ---------------------------------------------------------------------------------------------- which folder is what


def _splits(place: Path, container: Container, around: Name, tops: list[str]) -> dict[str, str]:
    """Split -> the folder that holds it, where there are training images and another split; else the folders are classes."""
    known = [(top, *word) for top in tops if (word := _split_word(top)) is not None]
    pairs = {rest: {split for _, split, other in known if other == rest} for _, _, rest in known}
    whole = [rest for rest, found in pairs.items() if TRAIN in found and len(found) > 1]
    if not whole:
        _refuse_half_a_split(place, container, around, tops, [top for top, _, rest in known if not rest])
        return {}
    folders = [(split, top) for top, split, rest in known if rest == whole[0]]
    taken = {top for _, top in folders}
    others = [top for top in tops if top not in taken]
    if others and all(not _class_folders(container, (*around, top)) for _, top in folders):
        # Classes called train and test, beside others.
        return {}
    twice = [split for split, count in Counter(split for split, _ in folders).items() if count > 1]
    if twice or len(whole) > 1:
        which = [top for split, top in folders if split in twice] if twice else [top for top, _, _ in known]
        raise DataError(f"{shown(place)}: {listed(which)} may each be a split of the images: keep one train/ and one test/")
    return dict(folders)


def _refuse_half_a_split(place: Path, container: Container, around: Name, tops: list[str], named: list[str]) -> None:
    """A folder `train` among classes is a class if images are in it; holding folders, it may as well be half of a split."""
    for top in named:
        if _class_folders(container, (*around, top)) and not _loose(container, (*around, top)):
            others = listed([name for name in tops if name != top])
            raise DataError(
                f"{shown(place)} has {shown(top)}/ with folders in it beside {others}: if {shown(top)}/ is a class, put its images "
                f"directly in it; if it is a split, name the other one {TEST if _split_word(top) == (TRAIN, '') else TRAIN}/ or "
                f"remove {others}"
            )


def _split_word(name: str) -> tuple[str, str] | None:
    """The split that a folder of this name holds, and what else its name says; None for other names."""
    words = re.split(r"[\s_.-]+", name.casefold())
    for place in (-1, 0):
        split = _SPLIT_OF.get(words[place].rstrip("0123456789"))
        if split is not None:
            return split, " ".join(words[:-1] if place else words[1:])
    return None


def _children(container: Container, parent: Name) -> list[str]:
    depth = len(parent)
    return sorted({name[depth] for name in container.folders if len(name) > depth and name[:depth] == parent})


def _innermost(container: Container, parent: Name) -> Name:
    """Past each folder that is alone and has folders below, as many archives have one around everything."""
    while len(only := _children(container, parent)) == 1 and _children(container, (*parent, *only)):
        parent = (*parent, *only)
    return parent


def _class_folders(container: Container, split: Name) -> list[str]:
    """The folders of classes within a split's folder; `train/train/*.png` has none."""
    found = _children(container, _innermost(container, split))
    return [] if len(found) == 1 and _split_word(found[0]) is not None else found


def _loose(container: Container, parent: Name) -> int:
    """How many images are directly in a folder."""
    return sum(name[:-1] == parent and named_as_image(name[-1]) for name in container.files)


# ------------------------------------------------------------------------------------------------------ from folders


def _of_classes(place: Path, container: Container, around: Name, tops: list[str]) -> Layout:
    classes = _checked_classes(place, tops)
    named = [top for top in tops if any(_split_word(top) == (split, "") for split in SPLITS)]
    notes = [f"{shown(place)}: read as a class, since it has images directly in it: {listed(named)}"] if named else []
    return Layout(classes, {TRAIN: _files(container, around, classes)}, (*notes, *_outside(place, container, [around])))


def _of_splits(place: Path, container: Container, around: Name, tops: list[str], splits: dict[str, str]) -> Layout:
    within = {split: _innermost(container, (*around, top)) for split, top in splits.items()}
    unsorted = [split for split, top in splits.items() if not _class_folders(container, (*around, top))]
    if TRAIN in unsorted:
        raise DataError(_no_classes(place, container, within[TRAIN]))
    notes = [f"{shown(place)}: {shown(splits[split])}/ has no class folders: its images are not used" for split in unsorted]
    used = {split: within[split] for split in SPLITS if split in within and split not in unsorted}
    if lone := VALIDATION in used and TEST not in used:
        used[TEST] = used.pop(VALIDATION)
    classes = _checked_classes(place, _children(container, used[TRAIN]))
    _refuse_other_classes(place, container, used)
    others = [top for top in tops if top not in splits.values()]
    if others:
        notes.append(f"{shown(place)}: beside {listed(list(splits.values()))}, not read: {listed(others)}")
    if VALIDATION in used or any(folder[len(around) :] != (split,) for split, folder in used.items()):
        read = ", ".join(f"{_IMAGES_OF[split]} from {shown('/'.join(folder[len(around) :]))}/" for split, folder in used.items())
        notes.append(f"{shown(place)}: {read}{', as there is no test/' if lone else ''}")
    files = {split: _files(container, folder, classes) for split, folder in used.items()}
    return Layout(classes, files, (*notes, *_outside(place, container, [around, *used.values()])))


def _no_classes(place: Path, container: Container, folder: Name) -> str:
    where = place / "/".join(folder)
    count = sum(named_as_image(name[-1]) for name in container.files if name[: len(folder)] == folder)
    there = f"holds {count:,} images but no class folders" if count else "holds no folders of images"
    return f"{shown(where)} {there}: {_ADVICE}"


def _outside(place: Path, container: Container, parents: Iterable[Name]) -> list[str]:
    count = sum(_loose(container, parent) for parent in parents)
    return [f"{shown(place)}: {count:,} images outside the class folders are not used"] if count else []


def _refuse_other_classes(place: Path, container: Container, used: dict[str, Name]) -> None:
    names = {folder: {printable(name) for name in _children(container, folder)} for folder in used.values()}
    every = set().union(*names.values())
    lacking = [f"{shown('/'.join(folder))} lacks {listed(sorted(every - has))}" for folder, has in names.items() if every - has]
    if lacking:
        raise DataError(f"{shown(place)}: {' and '.join(reversed(lacking))}: all splits must hold the same classes")


def _checked_classes(place: Path, names: list[str]) -> tuple[str, ...]:
    """The class names as they are shown everywhere: printable, in order."""
    classes = sorted(printable(name) for name in names)
    if len(classes) < 2:
        has = f"one class only ({shown(classes[0])})" if classes else "no classes"
        raise DataError(f"{shown(place)} has {has}: a net needs two or more, each a folder of images")
    twice = [name for name, count in Counter(classes).items() if count > 1]
    if twice:
        raise DataError(f"{shown(place)}: several classes are written {shown(twice[0])}: rename one of the folders")
    return tuple(classes)


def _files(container: Container, parent: Name, classes: tuple[str, ...]) -> tuple[tuple[Name, int], ...]:
    depth, number = len(parent), {name: label for label, name in enumerate(classes)}
    below = [name for name in container.files if len(name) > depth + 1 and name[:depth] == parent]
    return tuple((name, number[printable(name[depth])]) for name in sorted(below, key=lambda name: (printable(name[depth]), name)))
