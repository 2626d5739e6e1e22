"""No circles: not within functions either, nor for types only. And what the application shows first needs little."""

from __future__ import annotations

import subprocess
import sys
from graphlib import TopologicalSorter

import grimp


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = grimp.build_graph("convtui")
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    order = list(TopologicalSorter(imports).static_order())
    assert order.index("convtui.engine.errors") < order.index("convtui.tui.app.app")


def test_the_first_frame_waits_neither_for_the_store_nor_for_numbers() -> None:
    heavy = "sqlmodel sqlalchemy pydantic numpy torch plotext PIL"
    page = "import convtui.tui.app.app, convtui.tui.app.runs.page, sys"
    code = f"{page}; print([name for name in '{heavy}'.split() if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_application_is_opened_and_a_command_called_without_what_other_commands_need() -> None:
    opening = "from convtui.tui.cli.opening import open_application; import sys; print(*sys.modules)"
    opened = set(subprocess.run([sys.executable, "-c", opening], capture_output=True, text=True, check=True).stdout.split())
    assert "convtui.tui.cli.opening" in opened
    assert not opened & {"typer", "pydantic", "textual"}
    calling = "import sys; sys.argv = ['convtui', 'views']; from convtui.tui.cli.commands import call; call(); print(*sys.modules)"
    called = set(subprocess.run([sys.executable, "-c", calling], capture_output=True, text=True, check=True).stdout.split())
    assert {name for name in called if name.startswith("convtui.tui.cli.")} & {"convtui.tui.cli.views", "convtui.tui.cli.run"} == {
        "convtui.tui.cli.views"
    }
