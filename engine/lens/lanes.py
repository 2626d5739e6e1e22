"""Lines from what is computed to what reads it, in box-drawing characters beside rows of text."""

from __future__ import annotations

from collections.abc import Sequence

from convtui.engine.figures.boxes import NODE, SIDES


def lanes(sources: Sequence[Sequence[int]]) -> list[str]:
    """A line of characters for each node, `sources[n]` being the earlier nodes that node n reads; all lines are equally long.

    A node is `●`. A value that is read by the next node and again later goes on in a lane of its own, `●─╮`, and is joined where it
    is read, `●─╯`. A lane that is crossed and not joined is `─│─`.
    """
    drawing = _Lanes(sources)
    lines = [drawing.row(node) for node in range(len(sources))]
    width = max(map(len, lines), default=0)
    return [line.ljust(width) for line in lines]


class _Lanes:
    def __init__(self, sources: Sequence[Sequence[int]]) -> None:
        self._sources = sources
        self._readers: list[list[int]] = [[] for _ in sources]
        for node, read in enumerate(sources):
            for source in read:
                self._readers[source].append(node)
        self._held: list[tuple[int, set[int]] | None] = []
        """Of each lane the node whose output it carries, and who is still to read it there."""
        self._ended: int | None = None
        """Where the last row had a node that nothing reads: one below it would look as if it did."""

    def row(self, node: int) -> str:
        """The line of the next node."""
        before = [lane is not None for lane in self._held]
        read = [self._lane_of(source, node) for source in self._sources[node]]
        for lane in read:
            self._readers_in(lane).discard(node)
        ending = [lane for lane in read if not self._readers_in(lane)]
        for lane in ending:
            self._held[lane] = None
        place = min(ending) if ending else self._free(max(read, default=-1) + 1, before)
        branch = self._put(node, place, before)
        return self._drawn(place, read, ending, branch, before)

    def _lane_of(self, source: int, reader: int) -> int:
        return next(lane for lane, held in enumerate(self._held) if held is not None and held[0] == source and reader in held[1])

    def _readers_in(self, lane: int) -> set[int]:
        held = self._held[lane]
        assert held is not None
        return held[1]

    def _free(self, first: int, before: Sequence[bool]) -> int:
        """A lane from `first` on that nothing is in, and nothing was in when the row began."""
        for lane in range(first, len(self._held)):
            if self._held[lane] is None and lane != self._ended and not (lane < len(before) and before[lane]):
                return lane
        self._held.append(None)
        return max(first, len(self._held) - 1) if first < len(self._held) else self._free(first, before)

    def _put(self, node: int, place: int, before: Sequence[bool]) -> int | None:
        """Let the lane carry the node's output; where it is read at once and later too, a second lane has the later ones."""
        readers = set(self._readers[node])
        self._ended = None if readers else place
        if not readers:
            return None
        if len(readers) == 1 or node + 1 not in readers:
            self._held[place] = (node, readers)
            return None
        self._held[place] = (node, {node + 1})
        branch = self._free(place + 1, before)
        self._held[branch] = (node, readers - {node + 1})
        return branch

    def _drawn(self, place: int, read: Sequence[int], ending: Sequence[int], branch: int | None, before: Sequence[bool]) -> str:
        ends = [place, *read, *([branch] if branch is not None else [])]
        first, last = min(ends), max(ends)
        cells = []
        for lane in range(max(len(self._held), last + 1)):
            up = lane < len(before) and before[lane]
            left, right = first < lane <= last, first <= lane < last
            down = lane == branch or (up and lane not in ending)
            if lane == place:
                cell = NODE
            elif up and lane not in ends:
                cell = "│"  # crossed, and not joined
            else:
                cell = _LINES[up, down, left, right]
            cells.append(cell + ("─" if right else " "))
        return "".join(cells).rstrip()


_LINES = {sides: character for character, sides in SIDES.items()} | {(False, False, False, False): " "}
