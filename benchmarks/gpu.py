"""The first quarter of an hour on a GPU: whether everything is right there, and then how fast it is, beside what people would use.

    python -m benchmarks.gpu --device cuda --out FOLDER [--minutes 8]

No network. Each part runs in a process of its own; after each, `results.json` and `results.md` in FOLDER have all that was found so
far, so that a crash or a cut-off leaves the rest. With `--device cpu` it goes through the same parts on smaller sizes. Of the parts
of a repeat only those that are named: `--only paths lenet5`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.arms import Row, markdown, rows

CHECKS = ("doctor", "paths", "views", "resume", "images elsewhere", "divergence", "two at once", "memory")
SPEEDS = ("lenet5", "cs7015", "gru-128", "one image", "cifar10-94", "evaluation")
SHARES = {"paths": 2.0, "lenet5": 4.0, "cs7015": 3.0, "gru-128": 2.0}
"""Of the time that is left, beside 1 for any other part."""
LEAST_SECONDS = 10.0
"""A part is not begun with less."""


@dataclass(slots=True)
class Part:
    """What one part found."""

    name: str
    seconds: float = 0.0
    ended: str = ""
    """Why it ended early; empty where it did not."""
    lines: list[dict[str, Any]] = field(default_factory=list)
    """What its process said: checks (`check`, `good`, `detail`), figures of arms (`arm`, `figures`), notes (`note`)."""

    @property
    def good(self) -> bool:
        return not self.ended and all(line.get("good", True) for line in self.lines)


def run(part: Part, arguments: Sequence[str], seconds: float) -> None:
    """Run `python -m ARGUMENTS` for so long at most, and note its lines of JSON."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen([sys.executable, "-m", *arguments], stdout=said, stderr=errors, start_new_session=True)
        try:
            code = child.wait(seconds)
            part.ended = "" if code == 0 else f"exit code {code}"
        except subprocess.TimeoutExpired:
            part.ended = f"cut off after {seconds:.0f} s"
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        said.seek(0)
        part.lines = [json.loads(line) for line in said if line.startswith("{") and line.endswith("}\n")]
        errors.seek(0)
        told = [line.strip() for line in errors if line.strip()]
    if part.ended and told:
        part.ended += f": {told[-1]}"
    part.seconds = time.monotonic() - began


def tables(part: Part) -> dict[str, list[Row]]:
    """Of the part's arms: images/s beside each arm that they are held against."""
    found: dict[str, list[dict[str, float]]] = {}
    for line in part.lines:
        if "arm" in line:
            found.setdefault(line["arm"], []).append(line["figures"])
    against = [arm for arm in ("tutorial", "strong loop", "plain loop") if arm in found]
    return {arm: rows(found, "images/s", arm, rate=True) for arm in against}


def written(parts: Sequence[Part], title: str) -> str:
    """All of it in Markdown."""
    text = [f"# {title}", ""]
    for part in parts:
        text += [f"## {part.name} ({part.seconds:.0f} s)", ""]
        text += [f"**Ended early:** {part.ended}", ""] if part.ended else []
        for line in part.lines:
            if "check" in line:
                text.append(f"- {'good' if line['good'] else '**BAD**'}: {line['check']}{_detail(line)}")
            elif "note" in line:
                text.append(f"- {line['note']}")
        for against, made in tables(part).items():
            text += ["", markdown(made, "images/s", against)]
        text.append("")
    return "\n".join(text)


def _detail(line: dict[str, Any]) -> str:
    return f" ({line['detail']})" if line.get("detail") else ""


def save(out: Path, parts: Sequence[Part], title: str) -> None:
    (out / "results.json").write_text(json.dumps({"title": title, "parts": [asdict(part) for part in parts]}, indent=1))
    (out / "results.md").write_text(written(parts, title))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), required=True)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--only", nargs="+", choices=(*CHECKS, *SPEEDS), default=(*CHECKS, *SPEEDS), metavar="PART")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * options.minutes - 5
    title = f"convtui on {options.device}, {time.strftime('%Y-%m-%d %H:%M')}"
    parts: list[Part] = []
    for number, name in enumerate(options.only):
        part = Part(name)
        left = end - time.monotonic()
        share = left * SHARES.get(name, 1.0) / sum(SHARES.get(each, 1.0) for each in options.only[number:])
        if left < LEAST_SECONDS:
            part.ended = "not begun: no time was left"
        else:
            module = "benchmarks.gpu_checks" if name in CHECKS else "benchmarks.gpu_speed"
            run(part, [module, name, "--device", options.device, "--seconds", f"{share:.0f}"], min(left, max(4 * share, 120)))
        parts.append(part)
        save(options.out, parts, title)
        print(f"{part.name}: {'good' if part.good else 'BAD'}, {part.seconds:.0f} s {part.ended}", flush=True)
    sys.exit(0 if all(part.good for part in parts) else 1)


if __name__ == "__main__":
    main()
