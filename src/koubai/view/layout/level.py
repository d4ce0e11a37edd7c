"""One level of the drawing: nodes, finished groups as big nodes, and ports on the border."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from koubai.view.layout.order import ordered
from koubai.view.layout.place import Pull, placed
from koubai.view.layout.rank import neighbours, ranked

__all__ = ["Item", "Level", "Line", "Space"]

MOST_LANES = 12_000  # beyond, the longest edges run straight and behind the nodes
LANE = 10.0

Point = tuple[float, float]  # across the ranks' direction of flow, and along it


@dataclass(frozen=True, slots=True)
class Space:
    """Distances: between neighbours of a rank, between ranks, and from a group's border to its content."""

    across: float = 26.0
    along: float = 54.0
    pad: float = 14.0


@dataclass(slots=True)
class Item:
    """What stands in a rank. Its place is its centre."""

    across: float
    along: float
    leaf: bool = False  # follows its user and does not draw it out of its line
    port: int = 0  # -1 on the border where edges come in, 1 where they go out
    ports: tuple[dict[int, float], dict[int, float]] | None = None  # of a group: where edges of a node come in, go out
    at: Point = (0.0, 0.0)


@dataclass(slots=True)
class Line:
    """A piece of an edge, from item to item; `key` is the node whose value it carries."""

    source: int
    target: int
    key: int
    points: list[Point] = field(default_factory=list)


@dataclass(slots=True)
class Level:
    """Items and lines in, places and points out."""

    items: list[Item]
    lines: list[Line]
    space: Space
    size: Point = (0.0, 0.0)

    def draw(self) -> None:
        items, lines = self.items, self.lines
        sources, users = neighbours(len(items), ((line.source, line.target) for line in lines))
        rank = ranked(sources, users, self._ports(-1), self._ports(1))
        chains = self._chains(rank)
        up: list[list[int]] = [[] for _ in rank]
        down: list[list[int]] = [[] for _ in rank]
        for chain in chains:
            for a, b in pairwise(chain):
                if rank[b] == rank[a] + 1:
                    down[a].append(b)
                    up[b].append(a)
        layers = ordered(rank, up, down)
        self._place(rank, layers, chains, self._slots(layers, chains))

    def _ports(self, side: int) -> list[int]:
        return [i for i, item in enumerate(self.items) if item.port == side]

    def _chains(self, rank: list[int]) -> list[list[int]]:
        """For each line the vertices that it passes: its items and the lanes between them, added to `rank`."""
        spans = sorted(rank[line.target] - rank[line.source] for line in self.lines)
        total, longest = 0, 0
        for span in spans:
            total += span - 1
            if total > MOST_LANES:
                break
            longest = span
        shared: dict[tuple[int, int, int], list[int]] = {}  # the same value to the same item shares its lane
        chains = []
        for line in self.lines:
            low, high = rank[line.source], rank[line.target]
            chain = shared.get((line.source, line.target, line.key))
            if chain is None:
                lanes = range(len(rank), len(rank) + high - low - 1) if high - low <= longest else range(0)
                rank.extend(range(low + 1, low + 1 + len(lanes)))
                chain = shared[line.source, line.target, line.key] = [line.source, *lanes, line.target]
            chains.append(chain)
        return chains

    def _slots(self, layers: list[list[int]], chains: list[list[int]]) -> list[tuple[float, float]]:
        """Where each line leaves its source and enters its target, from their centres."""
        place = {v: i for layer in layers for i, v in enumerate(layer)}
        entering: dict[int, list[int]] = {}
        for i, line in enumerate(self.lines):
            if self.items[line.target].ports is None and not self.items[line.target].port:
                entering.setdefault(line.target, []).append(i)
        enters = [0.0] * len(self.lines)
        for target, mine in entering.items():
            mine.sort(key=lambda i: place[chains[i][-2]])
            step = min(16.0, 0.42 * self.items[target].across / max(len(mine) - 1, 1))
            thick = [j for j, i in enumerate(mine) if not self.items[self.lines[i].source].leaf]
            middle = sum(thick) / len(thick) if thick else (len(mine) - 1) / 2  # so that a main line runs straight
            for j, i in enumerate(mine):
                enters[i] = (j - middle) * step
        slots = []
        for i, line in enumerate(self.lines):
            ins, outs = self.items[line.target].ports, self.items[line.source].ports
            slots.append((0.0 if outs is None else outs[1][line.key], enters[i] if ins is None else ins[0][line.key]))
        return slots

    def _place(
        self, rank: list[int], layers: list[list[int]], chains: list[list[int]], slots: list[tuple[float, float]]
    ) -> None:
        items, space = self.items, self.space
        lanes = len(rank) - len(items)
        widths = [item.across for item in items] + [0.0] * lanes
        gaps = [LANE if item.port else space.across for item in items] + [LANE] * lanes
        up: list[list[Pull]] = [[] for _ in rank]
        down: list[list[Pull]] = [[] for _ in rank]
        for chain, (out, into) in zip(chains, slots):
            offsets = [out, *[0.0] * (len(chain) - 2), into]
            weak = chain[0] < len(items) and items[chain[0]].leaf
            for a, b, at_a, at_b in zip(chain, chain[1:], offsets, offsets[1:]):
                lanes_met = (a >= len(items)) + (b >= len(items))
                strength = (1.0, 6.0, 8.0)[lanes_met]
                strength *= 0.02 if weak else 1.0
                up[b].append((a, at_a - at_b, strength))
                down[a].append((b, at_b - at_a, strength))
        x = placed(layers, widths, gaps, up, down)
        left = min((x[i] - item.across / 2 for i, item in enumerate(items)), default=0.0)
        left = min([left, *(x[v] for v in range(len(items), len(rank)))])
        right = max((x[i] + item.across / 2 for i, item in enumerate(items)), default=0.0)
        right = max([right, *(x[v] for v in range(len(items), len(rank)))])
        x = [a - left + space.pad for a in x]
        tops, bottoms, end = self._depths(rank, layers)
        self.size = (right - left + 2 * space.pad, end)
        for i, item in enumerate(items):
            item.at = (x[i], (tops[rank[i]] + bottoms[rank[i]]) / 2)
        for line, chain, (out, into) in zip(self.lines, chains, slots):
            source, target = items[line.source], items[line.target]
            first, last = rank[line.source], rank[line.target]
            points = [(x[line.source] + out, source.at[1] + source.along / 2), (x[line.source] + out, bottoms[first])]
            for v in chain[1:-1]:
                points += [(x[v], tops[rank[v]]), (x[v], bottoms[rank[v]])]
            points += [(x[line.target] + into, tops[last]), (x[line.target] + into, target.at[1] - target.along / 2)]
            line.points = [p for before, p in zip([None, *points], points) if p != before]

    def _depths(self, rank: list[int], layers: list[list[int]]) -> tuple[list[float], list[float], float]:
        """Where each rank begins and ends along the flow, and where the level ends."""
        tops, bottoms, y = [], [], 0.0
        ports_first, ports_last = bool(self._ports(-1)), bool(self._ports(1))
        for r, layer in enumerate(layers):
            thickness = max((self.items[v].along for v in layer if v < len(self.items)), default=0.0)
            if r > 0:
                border = (r == 1 and ports_first) or (r == len(layers) - 1 and ports_last)
                y += self.space.pad if border else self.space.along
            elif not ports_first:
                y += self.space.pad
            tops.append(y)
            y += thickness
            bottoms.append(y)
        return tops, bottoms, y if ports_last else y + self.space.pad
