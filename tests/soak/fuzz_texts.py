"""Presets, studies and settings from strangers: invalid TOML, TOML without meaning, real files with edits."""

from __future__ import annotations

import json
import os
from pathlib import Path

from hypothesis import assume
from hypothesis import strategies as st

from convtui.engine.presets import assets
from convtui.engine.spec import hyperparameters
from convtui.tui.app.app import settings
from tests.soak.fuzz import HOSTILE, apart, called, command, fuzzed, mutated, numbers, texts
from tests.soak.trial import Trial

KEYS = (
    "model", "data", "optimiser", "training", "summary", "report", "title", "question", "seeds", "notes", "setting", "grid",
    "claim", "name", "preset", "set", "over", "published", "source", "says", "measure", "order", "of", "low", "high", "settings",
    "statistics", "theme", "about", "highest_first", "lowest_first",
    *(field.path.split(".")[1] for field in hyperparameters()), *(field.path for field in hyperparameters()),
)  # fmt: skip


def presets(trial: Trial) -> None:
    """A person's own preset."""
    _settings_folder(trial)
    file = trial.folder / "convtui" / "presets" / "mine.toml"
    commands = (("presets", "mine"), ("presets", "mine", "--json"), ("run", "--preset", "mine", "--data", "folder:nowhere"))

    def case(trial: Trial, data: st.DataObject) -> None:
        _write(file, data.draw(_files("presets"), "file"))
        with apart(trial.folder / "outside"):
            command(*data.draw(st.sampled_from(commands), "command"), "--json")

    fuzzed(trial, case)


def studies(trial: Trial) -> None:
    """A study's file."""
    from convtui.engine.study.parsing import read

    file = trial.folder / "study.toml"
    store = trial.folder / "none.db"

    def case(trial: Trial, data: st.DataObject) -> None:
        _write(file, data.draw(_files("studies"), "file"))
        if called(lambda: read(file)) is not None or data.draw(st.integers(0, 9), "as a command") == 0:
            command("study", "show", str(file), "--store", str(store))

    fuzzed(trial, case)


def own_settings(trial: Trial) -> None:
    """The application's settings."""
    _settings_folder(trial)

    def case(_trial: Trial, data: st.DataObject) -> None:
        _write(settings.file(), data.draw(_files("settings"), "file"))
        found = called(settings.load)
        assert found is None or isinstance(found.theme, str)

    fuzzed(trial, case)


def _settings_folder(trial: Trial) -> None:
    os.environ["XDG_CONFIG_HOME"] = str(trial.folder)
    (trial.folder / "convtui" / "presets").mkdir(parents=True)
    (trial.folder / "outside").mkdir()


def _write(file: Path, content: bytes) -> None:
    file.write_bytes(content)


# ---------------------------------------------------------------------------------------------------------- the files

_keys = st.one_of(st.sampled_from(KEYS), texts)
_leaves = st.one_of(texts, numbers, st.sampled_from(["demo", "lenet5", "shapes", "adam", "test_accuracy", "8 3x3 pad 1 pool 2"]))
_trees = st.recursive(
    _leaves, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_keys, inner, max_size=4)), max_leaves=12
)


def _files(kind: str) -> st.SearchStrategy[bytes]:
    """Contents of a file of this kind."""
    shipped = [path.read_bytes() for path in sorted((assets() / kind).glob("*.toml"))] or [b'theme = "nord"\n']
    made_up = st.dictionaries(_keys, _trees, max_size=5).map(_toml)
    real = st.sampled_from(shipped)
    return st.one_of(st.binary(max_size=200), texts.map(_encoded), made_up, real.flatmap(mutated), real.flatmap(_edited))


@st.composite
def _edited(draw: st.DrawFn, data: bytes) -> bytes:
    """A real file with values replaced, lines doubled, moved or gone."""
    lines = data.decode().splitlines()
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(lines) - 1))
        match draw(st.integers(0, 3)):
            case 0:
                lines.insert(place, lines[place])
            case 1 if len(lines) > 1:
                del lines[place]
            case _:
                key, equals, _ = lines[place].partition("=")
                lines[place] = f"{key}{equals} {_value(draw(_trees))}" if equals else draw(st.sampled_from(HOSTILE))
    return _encoded("\n".join(lines))


def _toml(tree: dict[str, object]) -> bytes:
    return _encoded("".join(f"{_value(name)} = {_value(value)}\n" for name, value in tree.items()))


def _value(value: object) -> str:
    """As TOML writes it: JSON's texts and numbers are TOML's, its tables are not."""
    match value:
        case dict():
            return "{" + ", ".join(f"{_value(name)} = {_value(inner)}" for name, inner in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_value, value)) + "]"
        case float():
            return repr(value)
        case _:
            return json.dumps(value)


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        assume(False)
        raise
