"""How a cluster is shared among runs."""

from __future__ import annotations

import pytest

from convtui.engine.training.ray_cluster import Node, Share, fair_share


@pytest.mark.parametrize(
    ("nodes", "runs", "gpus", "share"),
    [
        ([Node(16, 0), Node(16, 0)], 24, True, Share(1, 0)),  # with 2 cores each only 16 would find room
        ([Node(16, 0), Node(16, 0)], 16, True, Share(2, 0)),
        ([Node(16, 0), Node(16, 0)], 3, True, Share(8, 0)),
        ([Node(16, 0), Node(4, 0)], 2, True, Share(8, 0)),  # both on the large one
        ([Node(16, 0)], 1, True, Share(16, 0)),
        ([Node(2, 0)], 100, True, Share(1, 0)),
        ([Node(8, 2), Node(8, 0)], 4, True, Share(1, 1)),
        ([Node(8, 2), Node(8, 0)], 4, False, Share(4, 0)),
        ([], 4, True, Share(1, 0)),
    ],
)
def test_each_run_gets_a_gpu_or_so_many_cores_that_all_find_room(nodes: list[Node], runs: int, gpus: bool, share: Share) -> None:
    assert fair_share(nodes, runs, gpus=gpus) == share


def test_what_has_room_on_a_node_is_told_by_what_is_scarcer() -> None:
    assert [Share(2, 1).fits(node) for node in (Node(8, 2), Node(2, 4), Node(8, 0))] == [2, 1, 0]
    assert Share(1, 0.5).fits(Node(8, 1)) == 2
