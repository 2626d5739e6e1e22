"""Small image files, archives and data directories for the tests of this folder."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def encoded(image: Image.Image, format: str = "PNG", **how: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **how)
    return file.getvalue()


def plain(colour: Any, mode: str = "RGB", side: int = 8) -> bytes:
    return encoded(Image.new(mode, (side, side), colour))


def tree(root: Path, counts: dict[str, int], side: int = 8) -> Path:
    """Folders with so many images each; the first pixel of an image tells its class, the second its number."""
    for label, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        for number in range(count):
            (root / name / f"{number:03}.png").write_bytes(numbered(label, number, side))
    return root


def giant(side: int) -> bytes:
    """A PNG that claims to have side x side pixels, and holds none."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    written = [struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)


def numbered(label: int, number: int, side: int = 8) -> bytes:
    pixels = np.full((side, side, 3), 100, np.uint8)
    pixels[0, 0], pixels[0, 1] = label, number
    return encoded(Image.fromarray(pixels))


def zipped(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, files: dict[str, bytes], **more: tarfile.TarInfo) -> Path:
    """A .tar, gzipped where its name says so; `more` are entries of other kinds, without bytes."""
    with tarfile.open(path, "w:gz" if path.suffix in (".gz", ".tgz") else "w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for entry in more.values():
            archive.addfile(entry)
    return path


def idx(values: np.ndarray[Any, Any]) -> bytes:
    return struct.pack(f">I{values.ndim}I", 0x00000800 | values.ndim, *values.shape) + values.astype(np.uint8).tobytes()


def tiny_mnist(root: Path, *, compress: bool = False) -> dict[str, Path]:
    """Forty training and twenty test images in MNIST's own format; image i is all of value i."""
    root.mkdir(parents=True, exist_ok=True)
    files = {}
    for part, count in (("train", 40), ("t10k", 20)):
        images = np.broadcast_to(np.arange(count)[:, None, None], (count, 28, 28))
        for name, content in (("images-idx3", idx(images)), ("labels-idx1", idx(np.arange(count) % 10))):
            path = root / f"{part}-{name}-ubyte{'.gz' if compress else ''}"
            path.write_bytes(gzip.compress(content) if compress else content)
            files[f"{part}-{name}"] = path
    return files
