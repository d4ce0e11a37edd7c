"""The order of the nodes in each rank, with few crossings."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence

__all__ = ["crossings", "ordered"]

SMALL, LARGE = 400, 3000  # vertices up to which neighbours are also tried the other way around, and many rounds made

Layers = list[list[int]]
Sides = Sequence[Sequence[int]]


def ordered(rank: Sequence[int], up: Sides, down: Sides) -> Layers:
    """The vertices of each rank from left to right.

    Starts from a depth-first walk from the outputs, which draws trees without a crossing, then goes up and down
    placing each vertex at the mean of its neighbours (barycentre heuristic); the best order seen is kept. Ties keep
    their order, so the same graph always gives the same drawing.
    """
    layers = _first_order(rank, up, down)
    best, fewest = [list(layer) for layer in layers], crossings(layers, down)
    for turn in range(12 if len(rank) <= LARGE else 6):
        if fewest == 0:
            break
        _sweep(layers, up if turn % 2 == 0 else down, downward=turn % 2 == 0)
        if len(rank) <= SMALL:
            _swap(layers, up, down)
        count = crossings(layers, down)
        if count < fewest:
            best, fewest = [list(layer) for layer in layers], count
    return best


def _first_order(rank: Sequence[int], up: Sides, down: Sides) -> Layers:
    layers: Layers = [[] for _ in range(max(rank, default=-1) + 1)]
    seen = [False] * len(rank)
    roots = sorted((v for v in range(len(rank)) if not down[v]), key=lambda v: -rank[v])
    for root in roots:
        stack = [root]
        while stack:
            v = stack.pop()
            if seen[v]:
                continue
            seen[v] = True
            layers[rank[v]].append(v)
            stack.extend(reversed(up[v]))
    return layers


def _sweep(layers: Layers, toward: Sides, *, downward: bool) -> None:
    place = [0.0] * len(toward)
    for layer in layers:
        for i, v in enumerate(layer):
            place[v] = i
    for layer in layers if downward else reversed(layers):
        wish = {v: sum(place[n] for n in toward[v]) / len(toward[v]) for v in layer if toward[v]}
        free = iter(sorted(wish, key=lambda v: wish[v]))
        layer[:] = [next(free) if v in wish else v for v in layer]  # a vertex without a wish keeps its place
        for i, v in enumerate(layer):
            place[v] = i


def _swap(layers: Layers, up: Sides, down: Sides) -> None:
    """Turn two neighbours around wherever that saves crossings."""
    place = [0] * len(up)
    for layer in layers:
        for i, v in enumerate(layer):
            place[v] = i
    near = (
        [sorted(place[n] for n in up[v]) for v in range(len(up))],
        [sorted(place[n] for n in down[v]) for v in range(len(up))],
    )
    for layer in layers:
        for i in range(len(layer) - 1):
            a, b = layer[i], layer[i + 1]
            now = sum(_inversions(side[a], side[b]) for side in near)
            other = sum(_inversions(side[b], side[a]) for side in near)
            if other < now:
                layer[i], layer[i + 1] = b, a
        for i, v in enumerate(layer):
            place[v] = i
        for v in layer:
            for n in down[v]:
                near[0][n] = sorted(place[m] for m in up[n])
            for n in up[v]:
                near[1][n] = sorted(place[m] for m in down[n])


def _inversions(left: list[int], right: list[int]) -> int:
    """How many pairs of edges cross when the vertex with neighbours `left` stands left of the other."""
    return sum(1 for a in left for b in right if a > b)


def crossings(layers: Layers, down: Sides) -> int:
    """How many pairs of edges between neighbouring ranks cross."""
    place = {v: i for layer in layers for i, v in enumerate(layer)}
    count = 0
    for layer in layers:
        ends: list[int] = []
        for v in layer:
            mine = sorted(place[n] for n in down[v])
            count += sum(len(ends) - bisect_right(ends, n) for n in mine)
            for n in mine:
                insort(ends, n)
    return count
