"""Threads that import at the same time do not lock each other out.

Python locks a module before its package: where one thread imports a package and another one of the modules that the package imports
itself, each can wait for the other, and one of the imports raises a deadlock error. It happened in the application to those who
started a run while its net was being drawn. So what a package of torch imports itself is imported from the package alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("package", ["convtui.engine.models", "convtui.engine.training"])
def test_what_a_package_imports_itself_is_imported_from_the_package(package: str) -> None:
    own = imported_by_itself(package)
    assert len(own) > 5
    folder = ROOT / package.removeprefix("convtui.").replace(".", "/")
    others = (file for part in ("engine", "tui") for file in (ROOT / part).rglob("*.py") if folder not in file.parents)
    wrong = [f"{file.relative_to(ROOT)}: {name}" for file in others for name in sorted(own & set(imports(file)))]
    assert not wrong, f"import these from {package}, whose own imports they are"


def imported_by_itself(package: str) -> set[str]:
    """Its modules that are imported when it is."""
    found, waiting = set[str](), [f"{package}.__init__"]
    while waiting:
        for name in imports(ROOT / (waiting.pop().removeprefix("convtui.").replace(".", "/") + ".py"), nested=False):
            if name.startswith(f"{package}.") and name not in found:
                found.add(name)
                waiting.append(name)
    return found


def imports(file: Path, *, nested: bool = True) -> Iterator[str]:
    """Modules from which it imports when it runs, in functions too if `nested`."""
    nodes: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        is_for_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if not is_for_types and (nested or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            nodes += ast.iter_child_nodes(node)
