"""Groups inside groups, and where everything stands in the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from koubai.view.layout.level import Item, Level, Line, Point, Space
from koubai.view.layout.rank import neighbours, topological

__all__ = ["Box", "Diagram", "Path", "draw"]

HEADER = 22.0  # room for a group's name above its content


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle by its upper left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Path:
    """An edge: its points from source to target, and at which point it leaves and enters which group."""

    points: list[Point]
    leaves: list[tuple[int, int]]
    enters: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Diagram:
    """A finished drawing. `groups` holds None for a group that was not drawn (it is empty, or would close a cycle)."""

    nodes: list[Box]
    groups: list[Box | None]
    parents: list[int | None]
    group_parents: list[int | None]
    paths: list[Path]
    width: float
    height: float
    down: bool


def draw(
    sizes: Sequence[tuple[float, float]],
    edges: Sequence[tuple[int, int]],
    parents: Sequence[int | None] | None = None,
    group_parents: Sequence[int | None] = (),
    *,
    down: bool = True,
    space: Space = Space(),  # noqa: B008  (frozen)
) -> Diagram:
    """Draw a directed acyclic graph in ranks.

    Parameters
    ----------
    sizes : (width, height) of each node
    edges : (source, target); several between the same two nodes are allowed
    parents : the group that each node stands in, None for none
    group_parents : the group around each group; a group comes after the one around it
    down : whether edges point down; otherwise to the right
    space : distances

    Examples
    --------
    >>> diagram = draw([(40, 20)] * 3, [(0, 2), (1, 2)])
    >>> [(box.x, box.y) for box in diagram.nodes]
    [(14.0, 14.0), (80.0, 14.0), (47.0, 88.0)]
    """
    parents = [None] * len(sizes) if parents is None else list(parents)
    work = _Work(sizes, edges, parents, list(group_parents), down, space)
    while work.dissolve_a_cycle():
        pass
    work.draw_levels()
    return work.diagram()


@dataclass(slots=True)
class _Drawn:
    """A level, which item each child and each port is, and the lines to ports."""

    level: Level
    item: dict[tuple[str, int], int] = field(default_factory=dict)
    lines: dict[tuple[int, int, int], Line] = field(default_factory=dict)


class _Work:
    """A drawing in the making: levels by the group that they fill, and each edge cut into one line a level."""

    def __init__(
        self,
        sizes: Sequence[tuple[float, float]],
        edges: Sequence[tuple[int, int]],
        parents: list[int | None],
        group_parents: list[int | None],
        down: bool,
        space: Space,
    ) -> None:
        self.sizes, self.edges, self.down, self.space = sizes, edges, down, space
        self.parents, self.group_parents = parents, group_parents
        self.levels: dict[int | None, _Drawn] = {}
        self.pieces: list[list[tuple[int | None, Line]]] = []

    def above(self, node: int) -> list[int | None]:
        """The groups around a node, from the outermost: None, the whole drawing, comes first."""
        return [None, *reversed(self._groups_around(self.parents[node]))]

    def _groups_around(self, group: int | None) -> list[int]:
        """A group and those around it, outwards."""
        chain = []
        while group is not None:
            chain.append(group)
            group = self.group_parents[group]
        return chain

    def children(self) -> dict[int | None, list[tuple[str, int]]]:
        found: dict[int | None, list[tuple[str, int]]] = {}
        used = {group for node in range(len(self.sizes)) for group in self.above(node)} | {None}
        for group in sorted(g for g in used if g is not None):
            found.setdefault(self.group_parents[group], []).append(("group", group))
        for node, parent in enumerate(self.parents):
            found.setdefault(parent, []).append(("node", node))
        return found

    def meeting(self, source: int, target: int) -> tuple[list[int | None], list[int | None], int]:
        """The groups around both ends, and how many of them they share."""
        a, b = self.above(source), self.above(target)
        shared = 0
        while shared < min(len(a), len(b)) and a[shared] == b[shared]:
            shared += 1
        return a, b, shared

    def dissolve_a_cycle(self) -> bool:
        """Groups whose nodes are made in one stretch never close a cycle; take one apart that does."""
        inside: dict[int | None, set[tuple[tuple[str, int], tuple[str, int]]]] = {}
        for source, target in self.edges:
            a, b, shared = self.meeting(source, target)
            ends = self._child(a, shared, source), self._child(b, shared, target)
            inside.setdefault(a[shared - 1], set()).add(ends)
        for links in inside.values():
            names = sorted({end for link in links for end in link})
            number = {name: i for i, name in enumerate(names)}
            sources, users = neighbours(len(names), [(number[a], number[b]) for a, b in sorted(links)])
            free = set(topological(sources, users))
            stuck = [name for i, name in enumerate(names) if i not in free and name[0] == "group"]
            if stuck:
                self._dissolve(stuck[0][1])
                return True
        return False

    def _child(self, chain: list[int | None], depth: int, node: int) -> tuple[str, int]:
        group = chain[depth] if depth < len(chain) else None
        return ("node", node) if group is None else ("group", group)

    def _dissolve(self, group: int) -> None:
        around = self.group_parents[group]
        self.parents = [around if p == group else p for p in self.parents]
        self.group_parents = [around if p == group else p for p in self.group_parents]

    def draw_levels(self) -> None:
        children = self.children()
        leaf = [True] * len(self.sizes)
        for _, target in self.edges:
            leaf[target] = False
        for group, members in children.items():
            drawn = _Drawn(Level([], [], self.space))
            for kind, number in members:
                drawn.item[kind, number] = len(drawn.level.items)
                width, height = self.sizes[number] if kind == "node" else (0.0, 0.0)
                across, along = (width, height) if self.down else (height, width)
                drawn.level.items.append(Item(across, along, leaf=kind == "node" and leaf[number]))
            self.levels[group] = drawn
        for source, target in self.edges:
            self.pieces.append(self._pieces(source, target))
        for group in sorted((g for g in children if g is not None), reverse=True):
            self._finish(group)
        self._finish(None)

    def _pieces(self, source: int, target: int) -> list[tuple[int | None, Line]]:
        """An edge as lines, one a level: out of the groups around its source, across, into those of its target."""
        a, b, shared = self.meeting(source, target)
        found = []
        for depth in range(len(a) - 1, shared - 1, -1):
            ends = self._item(a[depth], self._child(a, depth + 1, source)), self._port(a[depth], source, 1)
            found.append((a[depth], self._line(a[depth], *ends, source)))
        meet = a[shared - 1]
        ends = self._item(meet, self._child(a, shared, source)), self._item(meet, self._child(b, shared, target))
        found.append((meet, self._line(meet, *ends, source)))
        for depth in range(shared, len(b)):
            ends = self._port(b[depth], source, -1), self._item(b[depth], self._child(b, depth + 1, target))
            found.append((b[depth], self._line(b[depth], *ends, source)))
        return found

    def _item(self, group: int | None, child: tuple[str, int]) -> int:
        return self.levels[group].item[child]

    def _port(self, group: int | None, node: int, side: int) -> int:
        drawn = self.levels[group]
        name = ("in" if side < 0 else "out", node)
        if name not in drawn.item:
            drawn.item[name] = len(drawn.level.items)
            drawn.level.items.append(Item(0.0, 0.0, port=side))
        return drawn.item[name]

    def _line(self, group: int | None, source: int, target: int, key: int) -> Line:
        """A new line; pieces that carry the same value from one item to one other, ports included, are one."""
        drawn = self.levels[group]
        line = Line(source, target, key)
        if drawn.level.items[source].port or drawn.level.items[target].port:
            known = drawn.lines.setdefault((source, target, key), line)
            if known is not line:
                return known
        drawn.level.lines.append(line)
        return line

    def _finish(self, group: int | None) -> None:
        drawn = self.levels[group]
        drawn.level.draw()
        if group is None:
            return
        across, along = drawn.level.size
        if self.down:
            along += HEADER
        else:
            across += HEADER
        around = self.levels[self.group_parents[group]]
        item = around.level.items[around.item["group", group]]
        item.across, item.along = across, along
        shift = (0.0 if self.down else HEADER) - across / 2
        sides: tuple[dict[int, float], dict[int, float]] = ({}, {})
        for (kind, node), i in drawn.item.items():
            if kind in ("in", "out"):
                sides[kind == "out"][node] = drawn.level.items[i].at[0] + shift
        item.ports = sides

    def diagram(self) -> Diagram:
        corners: dict[int | None, Point] = {None: (0.0, 0.0)}
        nodes: dict[int, Box] = {}
        groups: dict[int, Box] = {}
        for group in [None, *sorted(g for g in self.levels if g is not None)]:
            drawn, corner = self.levels[group], corners[group]
            if group is not None:
                corner = self._inner(corner)
                corners[group] = corner
            for (kind, number), i in drawn.item.items():
                item = drawn.level.items[i]
                a, b = corner[0] + item.at[0] - item.across / 2, corner[1] + item.at[1] - item.along / 2
                if kind == "node":
                    nodes[number] = self._box(a, b, item)
                elif kind == "group":
                    groups[number] = self._box(a, b, item)
                    corners[number] = (a, b)
        across, along = self.levels[None].level.size
        width, height = (across, along) if self.down else (along, across)
        return Diagram(
            [nodes[i] for i in range(len(self.sizes))],
            [groups.get(g) for g in range(len(self.group_parents))],
            self.parents,
            self.group_parents,
            [self._path(pieces, corners) for pieces in self.pieces],
            width,
            height,
            self.down,
        )

    def _inner(self, corner: Point) -> Point:
        return (corner[0], corner[1] + HEADER) if self.down else (corner[0] + HEADER, corner[1])

    def _box(self, a: float, b: float, item: Item) -> Box:
        return Box(a, b, item.across, item.along) if self.down else Box(b, a, item.along, item.across)

    def _path(self, pieces: list[tuple[int | None, Line]], corners: dict[int | None, Point]) -> Path:
        points: list[Point] = []
        leaves: list[tuple[int, int]] = []
        enters: list[tuple[int, int]] = []
        depth = [len(self._groups_around(group)) for group, _ in pieces]
        meet = depth.index(min(depth))
        for i, (group, line) in enumerate(pieces):
            corner = corners[group]
            if i > meet and group is not None:
                enters.append((group, len(points) - 1))
            for a, b in line.points:
                at = (a + corner[0], b + corner[1])
                point = at if self.down else (at[1], at[0])
                if not points or abs(point[0] - points[-1][0]) + abs(point[1] - points[-1][1]) > 1e-6:
                    points.append(point)
            if i < meet and group is not None:
                leaves.append((group, len(points) - 1))
        return Path(points, leaves, enters)
