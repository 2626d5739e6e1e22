"""Tensors in a file that other programs can read too (safetensors: no code in it), with a checksum over every byte of it."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

_TYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip
_OPENING = b'{"__metadata__":{"checksum":"'
_FIRST_DIGIT = 8 + len(_OPENING)
"""Where the checksum is, after the header's length and its opening: always the same place, so that it can be left out of itself."""
_DIGITS = 64
_CHUNK = 1 << 20


def write(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write the tensors, with `metadata` in the header, into a new file whose rights follow the umask. Raises OSError.

    The checksum is the SHA-256 of all bytes of the file but its own hexadecimal digits. Nothing is copied but what is not on the
    CPU or not in one piece.
    """
    # The widest numbers first: each tensor then begins at a multiple of its own width.
    named = sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0]))
    header = _header(named, metadata)
    digest = hashlib.sha256(header[:_FIRST_DIGIT] + header[_FIRST_DIGIT + _DIGITS :])
    with path.open("wb") as file:
        file.write(header)
        for _, tensor in named:
            content = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
            digest.update(content)
            file.write(content)
        file.seek(_FIRST_DIGIT)
        file.write(digest.hexdigest().encode())


def read(path: Path) -> tuple[dict[str, str], dict[str, Tensor], bool]:
    """The metadata, the tensors, on the CPU, and whether the file has a checksum, which is then right.

    Files of before there were checksums have none. Raises OSError, SafetensorError, and ValueError where the checksum is wrong.
    """
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    return metadata, tensors, is_checked(path)


def _header(named: list[tuple[str, Tensor]], metadata: Mapping[str, str]) -> bytes:
    """The file's first bytes: the length of the JSON text, and the text, its checksum in zeros."""
    entries: dict[str, object] = {"__metadata__": {"checksum": "0" * _DIGITS, **metadata}}
    begin = 0
    for name, tensor in named:
        end = begin + tensor.nbytes
        entries[name] = {"dtype": _TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def is_checked(path: Path) -> bool:
    """False where there is no checksum. Raises ValueError where it is not that of the other bytes."""
    with path.open("rb") as file:
        before, written = file.read(_FIRST_DIGIT), file.read(_DIGITS)
        if before[8:] != _OPENING:
            return False
        digest = hashlib.sha256(before)
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    if written != digest.hexdigest().encode():
        raise ValueError("its bytes are not those that were written, by their checksum")
    return True
