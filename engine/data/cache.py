"""Decoded sets on disk: written once, mapped into memory at the next start. Never trusted, never needed."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from torch import Tensor

from convtui.engine import tensors as files
from convtui.engine.data.names import shown
from convtui.engine.data.room import folder
from convtui.engine.files import written_whole

VERSION = 3
"""Part of every key: raised when decoding changes, so that what an older decoder made is not read."""

_SECONDS_TO_WRITE = 3600


@dataclass(frozen=True)
class Key:
    """What a cache file was made from. Only `content` and the variant have to agree; `identity` names what it replaces."""

    identity: str
    """The source and where it is."""
    content: str
    """The source's fingerprint."""
    variant: str
    """Colour and size."""


def load(key: Key) -> tuple[dict[str, Tensor], dict[str, object]] | None:
    """Tensors mapped from the file and what was said about them, or None where there is no sound file for `key`."""
    try:
        with safe_open(_file(key), framework="pt") as file:
            about = json.loads(file.metadata()["about"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is not a dict
        sound = about["content"] == key.content and about["checksum"] == checksum(tensors)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None
    return (tensors, about["notes"]) if sound else None


def save(key: Key, tensors: Mapping[str, Tensor], notes: dict[str, object]) -> str:
    """Write the file whole. Returns what there is to say where that failed, else nothing."""
    about = {"content": key.content, "checksum": checksum(tensors), "notes": notes}
    target = _file(key)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(target) as temporary:
            files.write(temporary, tensors, {"about": json.dumps(about)})
    except OSError as error:
        return f"decoded images could not be cached in {shown(folder())} ({shown(error)}): they will be decoded again next time"
    _remove_outdated(key, target)
    return ""


def _file(key: Key) -> Path:
    content = hashlib.sha256(f"{VERSION}\0{key.content}".encode("utf-8", "surrogateescape")).hexdigest()
    return folder() / f"{_stem(key)}-{content[:16]}.safetensors"


def _stem(key: Key) -> str:
    readable = re.sub(r"[^A-Za-z0-9]+", "-", key.identity)[:60].strip("-")
    identity = hashlib.sha256(key.identity.encode("utf-8", "surrogateescape")).hexdigest()
    return f"{readable}-{identity[:12]}-{key.variant}"


def checksum(tensors: Mapping[str, Tensor]) -> str:
    """Sum of all bytes' 64-bit words: as quick as memory, and any damaged byte changes it."""
    total = 0
    for name in sorted(tensors):
        flat = tensors[name].numpy().reshape(-1).view(np.uint8)
        whole = len(flat) // 8 * 8
        total += int(flat[:whole].view(np.uint64).sum(dtype=np.uint64)) + int(flat[whole:].sum(dtype=np.uint64))
    return f"{total:x}"


def _remove_outdated(key: Key, newest: Path) -> None:
    """Remove what the same source left when its files were others, and what a killed process left half-written."""
    long_ago = time.time() - _SECONDS_TO_WRITE
    for path in newest.parent.glob(f"*{_stem(key)}-*"):
        half_written = path.suffix == ".partial"
        try:
            if path != newest and (not half_written or path.stat().st_mtime < long_ago):
                path.unlink()
        except OSError:
            # Another process was quicker, or keeps it open: it costs only space.
            continue
