"""Folders and zips of images from strangers: any names, any contents."""

from __future__ import annotations

import io
import os
import shutil
import warnings
import zipfile
from pathlib import Path

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from PIL import Image

from tests.soak.fuzz import HOSTILE, apart, command, fuzzed, mutated
from tests.soak.trial import Trial

PARTS = (
    "train", "test", "Train", "val", "seg_train", "a", "b", "cats", "dogs", "__MACOSX", ".DS_Store", "@eaDir", "..", ".",
    "", "C:", "con", "Thumbs.db", "x" * 300, "👩‍🚀", "می‌خواهم", "\x1b[2J", "\u202egnp", "a\nb", "a\\b", "\udcff",
)  # fmt: skip
ENDINGS = (".png", ".jpg", ".PNG", ".gif", ".txt", ".npy", "", ".zip")
REGULAR, LINK, DEVICE = 0o100644, 0o120777, 0o020666


def zips(trial: Trial) -> None:
    """A zip: nothing of it is written anywhere, whatever its entries are called."""
    _own_cache(trial)
    path = trial.folder / "images.zip"
    (trial.folder / "outside").mkdir()

    def case(trial: Trial, data: st.DataObject) -> None:
        archive = data.draw(_archives(), "archive")
        path.write_bytes(data.draw(mutated(archive), "damaged") if data.draw(st.integers(0, 3), "damage") == 0 else archive)
        with apart(trial.folder / "outside"):
            command("data", "show", f"folder:{path}", "--json")

    fuzzed(trial, case)


def folders(trial: Trial) -> None:
    """A folder, with links, pipes and devices in it."""
    _own_cache(trial)
    place = trial.folder / "images"

    def case(_trial: Trial, data: st.DataObject) -> None:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for parts, ending, content in data.draw(st.lists(_files, max_size=8), "files"):
            _make(place, f"{'/'.join(parts)}{ending}", content, data)
        command("data", "show", f"folder:{place}", "--json")

    fuzzed(trial, case)


def _own_cache(trial: Trial) -> None:
    os.environ["CONVTUI_CACHE"] = str(trial.folder / "cache")


def _make(place: Path, name: str, content: bytes, data: st.DataObject) -> None:
    """A file, link or pipe of this name below `place`, and nowhere else. Impossible names are skipped."""
    path = place / name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        return
    try:
        if os.path.lexists(path) or any(folder.is_symlink() for folder in path.parents):
            return  # what is there already may be a pipe, or a link that leads out
        path.parent.mkdir(parents=True, exist_ok=True)
        match data.draw(st.integers(0, 12), "kind"):
            case 0:
                path.symlink_to(data.draw(st.sampled_from(["..", ".", "/dev/zero", "nowhere", path.name]), "link"))
            case 1:
                os.mkfifo(path)
            case _:
                path.write_bytes(content)
    except (OSError, ValueError):
        return


# ----------------------------------------------------------------------------------------------------------- contents


def _picture(shape: tuple[int, ...], form: str, dtype: str = "uint8") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(np.prod(shape)).reshape(shape).astype(dtype)).save(buffer, form)
    return buffer.getvalue()


_REAL = (
    _picture((8, 8, 3), "PNG"), _picture((5, 9), "PNG"), _picture((8, 8), "PNG", "uint16"), _picture((8, 8, 4), "PNG"),
    _picture((8, 8, 3), "JPEG"), _picture((8, 8), "GIF"), _picture((1, 1), "PNG"), _picture((8, 8), "TIFF", "float32"),
)  # fmt: skip
_HUGE = _REAL[0][:16] + b"\x7f\xff\xff\xff\x7f\xff\xff\xff" + _REAL[0][24:]
"""Says that it has 2^31 times 2^31 pixels."""
_contents = st.one_of(
    st.sampled_from(_REAL),
    st.sampled_from(_REAL),
    st.sampled_from((b"", _HUGE)),
    st.binary(max_size=60),
    st.sampled_from(_REAL).flatmap(mutated),
)
_names = st.one_of(st.sampled_from(PARTS), st.sampled_from(PARTS), st.sampled_from(HOSTILE), st.text(max_size=6))
_files = st.tuples(st.lists(_names, min_size=1, max_size=4), st.sampled_from(ENDINGS), _contents)


@st.composite
def _archives(draw: st.DrawFn) -> bytes:
    buffer = io.BytesIO()
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            zipfile.ZipFile(buffer, "w", draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))) as archive,
        ):
            for parts, ending, content in draw(st.lists(_files, max_size=8)):
                entry = zipfile.ZipInfo("/".join(parts) + ending)
                entry.filename = draw(st.sampled_from(["", "", "/", "../../outside/", "\\"])) + entry.filename
                entry.external_attr = draw(st.sampled_from([REGULAR, REGULAR, REGULAR, LINK, DEVICE, 0])) << 16
                archive.writestr(entry, content)
    except (ValueError, UnicodeEncodeError, zipfile.LargeZipFile):
        assume(False)  # no such archive can be made
    return buffer.getvalue()
