"""Checkpoints that are not what was written: cut off, overwritten, one bit flipped, or gone."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from tests.soak.program import Ended
from tests.soak.states import check_at_rest, check_finished
from tests.soak.trial import Trial


def flipped(data: bytes, draw: random.Random) -> bytes:
    """One bit is wrong."""
    place = draw.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << draw.randrange(8))]) + data[place + 1 :]


def cut(data: bytes, draw: random.Random) -> bytes:
    """Truncated."""
    return data[: draw.randrange(len(data))]


def zeroed(data: bytes, draw: random.Random) -> bytes:
    """A block reads as zeros: a lost extent."""
    begin = draw.randrange(len(data) - 1)
    end = draw.randrange(begin + 1, len(data))
    return data[:begin] + bytes(end - begin) + data[end:]


def overwritten(data: bytes, draw: random.Random) -> bytes:
    """A few bytes are random."""
    begin = draw.randrange(len(data))
    return data[:begin] + draw.randbytes(min(draw.randint(1, 64), len(data) - begin)) + data[begin + 64 :]


DAMAGE: tuple[Callable[[bytes, random.Random], bytes], ...] = (flipped, flipped, cut, zeroed, overwritten)


def resume_from_damaged(trial: Trial) -> None:
    """A resume passes a damaged checkpoint over and says so, or refuses; it never uses it."""
    program = trial.site.begun()
    files = sorted((program.store.with_suffix("") / "1").glob("checkpoint-*.safetensors"), reverse=True)
    chosen = files if trial.draw.random() < 0.25 else files[:1]
    for file in chosen:
        _damage(trial, file)
    ended = program.run("resume", "1", "--json")
    trial.check("Traceback" not in ended.err, f"a traceback: {ended}")
    if ended.code:
        _check_refused(trial, ended)
        check_at_rest(trial, program.store)
        return
    trial.count("damaged checkpoints passed over", len(chosen))
    trial.check(
        all(file.name in ended.err for file in chosen), f"the damaged {chosen[0].name} is passed over, and not said: {ended}"
    )
    check_finished(trial, program)


def _damage(trial: Trial, file: Path) -> None:
    data = file.read_bytes()
    if trial.draw.random() < 0.1:
        file.unlink()
        return
    damaged = trial.draw.choice(DAMAGE)(data, trial.draw)
    # Zeros over zeros change nothing: flip a bit instead.
    file.write_bytes(damaged if damaged != data else flipped(data, trial.draw))


def _check_refused(trial: Trial, ended: Ended) -> None:
    told = [line for line in ended.err.splitlines() if line.startswith("convtui: ") and "the full story" not in line]
    trial.check(ended.code in (1, 2) and len(told) == 1, f"not refused in one line: {ended}")
    trial.count("damaged checkpoints refused")
