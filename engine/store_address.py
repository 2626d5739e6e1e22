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
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_SECRET = re.compile(r"://[^/]*:[^/]*@|[?&]")
"""In a URL of files: a password before the host, or any query."""
_FILES = re.compile(r"(?<=[?&])files=([^&]*)(?:&|$)")


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A database of a server, and the place that all hosts share for the files of runs."""

    url: str = field(repr=False)
    """As libpq takes it, its password included where one was given."""
    files: Path | str | None = None
    """Where the address names it: a folder, or a URL of fsspec's."""

    def __str__(self) -> str:
        """As it was typed, without its password."""
        return without_passwords(self.typed())

    def typed(self) -> str:
        if self.files is None:
            return self.url
        return f"{self.url}{'&' if '?' in self.url else '?'}files={quote(str(self.files), safe='/:')}"

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
    place, server = unquote(folder[1]), _FILES.sub("", text).rstrip("?&")
    if is_url(place):
        return ServerAddress(server, _checked_url(place))
    files = Path(place).expanduser()
    if not files.is_absolute():
        raise UsageError(
            f"store {without_passwords(text)}: files={folder[1]} must be a whole path, /shared/runs for example: all hosts read it"
        )
    return ServerAddress(server, files)


def is_url(place: str) -> bool:
    """Whether the files of runs are to be at a URL, not in a folder."""
    return _URL.match(place) is not None


def _checked_url(url: str) -> str:
    if _SECRET.search(url):
        raise UsageError(
            "files= of a store's address has a password or a key in it: keep these where fsspec looks for them (the environment, "
            "~/.config/fsspec, the service's own settings), and leave them out"
        )
    if "::" in url:
        raise UsageError(f"files={url}: name one place: chains of fsspec's URLs are not for files that are written")
    return url.rstrip("/")


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
