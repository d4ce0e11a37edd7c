"""The layered drawing: nothing overlaps, edges point one way, groups hold what is theirs, always the same way."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koubai.view.layout import Box, Diagram, draw
from koubai.view.layout.order import crossings, ordered

SIZE = (60.0, 30.0)


@st.composite
def graphs(make: st.DrawFn) -> dict[str, Any]:
    """A random directed acyclic graph whose groups are nested stretches, as the calls of layers are."""
    count = make(st.integers(1, 24))
    edges = []
    for target in range(1, count):
        edges += [(s, target) for s in make(st.lists(st.integers(0, target - 1), max_size=3))]
    parents: list[int | None] = [None] * count
    around: list[int | None] = []
    for start, length, inner in make(st.lists(st.tuples(*[st.integers(0, 24)] * 3), max_size=4)):
        stretch = [i for i in range(start, min(start + length, count)) if parents[i] is None]
        if not stretch or stretch != list(range(stretch[0], stretch[-1] + 1)):
            continue
        around.append(None)
        for i in stretch:
            parents[i] = len(around) - 1
        if 1 < inner < len(stretch):
            around.append(len(around) - 1)
            for i in stretch[:inner]:
                parents[i] = len(around) - 1
    return {"edges": edges, "parents": parents, "group_parents": around, "down": make(st.booleans())}


def drawn(graph: dict[str, Any]) -> Diagram:
    return draw([SIZE] * len(graph["parents"]), **graph)


def overlap(a: Box, b: Box) -> bool:
    return a.x < b.x + b.width - 1e-6 and b.x < a.x + a.width - 1e-6 and (
        a.y < b.y + b.height - 1e-6 and b.y < a.y + a.height - 1e-6
    )  # fmt: skip


def inside(a: Box, b: Box) -> bool:
    return b.x <= a.x + 1e-6 and a.x + a.width <= b.x + b.width + 1e-6 and (
        b.y <= a.y + 1e-6 and a.y + a.height <= b.y + b.height + 1e-6
    )  # fmt: skip


def groups_of(diagram: Diagram, node: int) -> list[int]:
    found, group = [], diagram.parents[node]
    while group is not None:
        found.append(group)
        group = diagram.group_parents[group]
    return found


@given(graphs())
def test_nodes_never_overlap_and_stand_in_the_picture(graph: dict[str, Any]) -> None:
    diagram = drawn(graph)
    assert not any(overlap(a, b) for a, b in combinations(diagram.nodes, 2))
    assert all(inside(box, Box(0, 0, diagram.width, diagram.height)) for box in diagram.nodes)


@given(graphs())
def test_a_group_holds_its_nodes_and_no_others(graph: dict[str, Any]) -> None:
    diagram = drawn(graph)
    for node, box in enumerate(diagram.nodes):
        mine = groups_of(diagram, node)
        for number, frame in enumerate(diagram.groups):
            if frame is not None:
                assert inside(box, frame) if number in mine else not overlap(box, frame)


@given(graphs())
def test_edges_run_one_way_from_border_to_border(graph: dict[str, Any]) -> None:
    diagram = drawn(graph)
    along = 1 if diagram.down else 0
    for (source, target), path in zip(graph["edges"], diagram.paths, strict=True):
        steps = [point[along] for point in path.points]
        assert all(a <= b + 1e-6 for a, b in pairwise(steps))
        a, b = diagram.nodes[source], diagram.nodes[target]
        assert steps[0] == pytest.approx(a.y + a.height if diagram.down else a.x + a.width)
        assert steps[-1] == pytest.approx(b.y if diagram.down else b.x)
        for group, at in [*path.leaves, *path.enters]:
            frame = diagram.groups[group]
            assert frame is not None
            low = frame.y if diagram.down else frame.x
            assert steps[at] in (
                pytest.approx(low),
                pytest.approx(low + (frame.height if diagram.down else frame.width)),
            )


@given(graphs())
def test_edges_pass_beside_nodes(graph: dict[str, Any]) -> None:
    diagram = drawn(graph)
    for (source, target), path in zip(graph["edges"], diagram.paths, strict=True):
        for (x, y), (a, b) in pairwise(path.points):
            if (x == a) if diagram.down else (y == b):  # straight pieces run beside nodes, curves between ranks
                line = Box(min(x, a), min(y, b), abs(a - x) + 1e-3, abs(b - y) + 1e-3)
                others = [box for node, box in enumerate(diagram.nodes) if node not in (source, target)]
                assert not any(overlap(line, box) for box in others)


@given(graphs())
def test_the_same_graph_is_drawn_the_same(graph: dict[str, Any]) -> None:
    assert drawn(graph) == drawn(graph)


def test_a_tree_has_no_crossing() -> None:
    up = [[], [], [], [], [0, 3], [1, 2], [5, 4]]
    down = [[i for i, s in enumerate(up) if v in s] for v in range(7)]
    layers = ordered([0, 0, 0, 0, 1, 1, 2], up, down)
    assert crossings(layers, down) == 0


def test_crossings_are_counted() -> None:
    assert crossings([[0, 1], [2, 3]], [[3], [2], [], []]) == 1
    assert crossings([[0, 1], [2, 3]], [[2, 3], [2, 3], [], []]) == 1


def test_a_chain_of_layers_is_straight() -> None:
    """Each of a hundred layers has two weights, which must not draw it out of the line."""
    edges, parents = [], []
    for layer in range(100):
        n = 4 * layer
        edges += [(n, n + 1), (n + 2, n + 3), (n + 1, n + 3)]
        edges += [(n - 1, n + 1)] if layer else []
        parents += [layer] * 4
    diagram = draw([SIZE] * 400, edges, parents, [None] * 100)
    across = [diagram.nodes[4 * layer + 3].x for layer in range(100)]
    assert max(across) - min(across) < 3 * SIZE[0]


def test_weights_stand_just_before_their_layer() -> None:
    edges = [(0, 1), (1, 2), (2, 4), (3, 4)]  # 3 is a weight of the last node
    diagram = draw([SIZE] * 5, edges)
    assert diagram.nodes[3].y == diagram.nodes[2].y


def test_groups_that_would_close_a_cycle_are_taken_apart() -> None:
    diagram = draw([SIZE] * 4, [(0, 1), (1, 2), (2, 3)], [0, 1, 0, 1], [None, None])
    assert [node.y for node in diagram.nodes] == sorted(node.y for node in diagram.nodes)
    assert None in diagram.groups


def test_deep_chains_and_deep_groups_need_no_recursion() -> None:
    diagram = draw([SIZE] * 3000, list(pairwise(range(3000))))
    assert diagram.nodes[-1].y > diagram.nodes[0].y
    nested = draw([SIZE] * 1500, list(pairwise(range(1500))), list(range(1500)), [None, *range(1499)])
    assert all(box is not None for box in nested.groups)
