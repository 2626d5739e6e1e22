"""Where a store is: in a file, or in a database of a PostgreSQL server, whose password is never shown."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from convtui.engine.errors import UsageError
from convtui.engine.files import STORE_VARIABLE

SCHEMES = ("postgresql://", "postgres://")
_HIDDEN = "***"
_OF_USER = re.compile(r"(postgres(?:ql)?://[^\s/:?]*:)[^\s/]*(?=@)")
_AT_BEHIND_HOST = re.compile(r"://[^/?]*/[^?]*@")
_OF_QUERY = re.compile(r"(?<=[?&])((?:ssl)?password=)[^\s&]*")
_AS_PATH = re.compile(r"postgres(?:ql)?:/")
"""What `Path` makes of an address."""
_FILES = re.compile(r"(?<=[?&])files=([^&]*)(?:&|$)")


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A database of a server, and the folder that all hosts share for the files of runs."""

    url: str = field(repr=False)
    """As libpq takes it, its password included where one was given."""
    files: Path | None = None
    """The folder, where the address names it."""

    def __str__(self) -> str:
        """As it was typed, without its password."""
        return without_passwords(self.typed())

    def typed(self) -> str:
        if self.files is None:
            return self.url
        return f"{self.url}{'&' if '?' in self.url else '?'}files={quote(str(self.files))}"

    def hide(self, text: str) -> str:
        """`text`, which a driver wrote, without the password."""
        return without_passwords(text.replace(self.url, without_passwords(self.url)))


StoreAddress = Path | ServerAddress


def store_address(given: str | Path | ServerAddress) -> StoreAddress:
    """What a person means by `--store`: a file, or `postgresql://USER@HOST/DATABASE?files=FOLDER`. Raises UsageError."""
    if isinstance(given, ServerAddress):
        return given
    text = str(given)
    if not text.startswith(SCHEMES):
        if _AS_PATH.match(text):
            raise UsageError(
                f"store {without_passwords(text)}: an address is text, and no Path: write it as postgresql://HOST/DATABASE"
            )
        return Path(given)
    if _AT_BEHIND_HOST.search(text):
        raise UsageError("a store's address with / or @ in its password: write %2F and %40, or keep the password in ~/.pgpass")
    folder = _FILES.search(text)
    if folder is None:
        return ServerAddress(text)
    files = Path(unquote(folder[1])).expanduser()
    if not files.is_absolute():
        raise UsageError(
            f"store {without_passwords(text)}: files={folder[1]} must be a whole path, /shared/runs for example: all hosts read it"
        )
    return ServerAddress(_FILES.sub("", text).rstrip("?&"), files)


def without_passwords(text: str) -> str:
    """`text` with `***` for the password of each server's address in it."""
    return _OF_QUERY.sub(rf"\1{_HIDDEN}", _OF_USER.sub(rf"\1{_HIDDEN}", text)) if "://" in text else text


def for_child(address: StoreAddress) -> tuple[list[str], dict[str, str]]:
    """The words, and the environment, by which a program that this process starts finds the store, in whatever folder it runs. A
    command of convtui needs both.

    A server's address goes by the environment alone: other people of a machine see the words of its processes.
    """
    if isinstance(address, Path):
        path = str(address.absolute())
        return ["--store", path], {**os.environ, STORE_VARIABLE: path}
    return [], {**os.environ, STORE_VARIABLE: address.typed()}


def absolute(address: StoreAddress) -> StoreAddress:
    """The same place from any working directory."""
    return address.absolute() if isinstance(address, Path) else address


def shown_words(words: Sequence[object]) -> list[str]:
    """The words of a command line without passwords."""
    return [without_passwords(str(word)) for word in words]
