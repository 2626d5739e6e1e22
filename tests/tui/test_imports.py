"""No circles: not within functions either, nor for types only."""

from __future__ import annotations

from graphlib import TopologicalSorter

import grimp


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = grimp.build_graph("convtui")
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    order = list(TopologicalSorter(imports).static_order())
    assert order.index("convtui.engine.errors") < order.index("convtui.tui.app.app")
