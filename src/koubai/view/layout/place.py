"""Coordinates along the ranks, for a given order."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Pull", "placed"]

SWEEPS = 10

# A neighbour in the next rank: its vertex, how far to its right this vertex wants to be, and how strongly.
Pull = tuple[int, float, float]


def placed(
    layers: Sequence[Sequence[int]],
    widths: Sequence[float],
    gaps: Sequence[float],
    up: Sequence[Sequence[Pull]],
    down: Sequence[Sequence[Pull]],
) -> list[float]:
    """The centre of every vertex: near its neighbours, and never nearer to the next one than their widths.

    Up and down in turn, each rank is put at the exact least-squares optimum for the rank before it (isotonic
    regression by pooling adjacent violators).

    Parameters
    ----------
    gaps : free room that a vertex wants on either side
    up, down : pulls of the ranks above and below on each vertex
    """
    x = [0.0] * len(widths)
    for layer in layers:
        offset = 0.0
        for before, v in zip([None, *layer], layer):
            offset += 0.0 if before is None else _apart(before, v, widths, gaps)
            x[v] = offset
        for v in layer:
            x[v] -= offset / 2
    for turn in range(SWEEPS):
        last = turn >= SWEEPS - 2
        for layer in layers if turn % 2 == 0 else reversed(layers):
            _settle(layer, x, widths, gaps, [up, down] if last else [up if turn % 2 == 0 else down])
    return x


def _apart(a: int, b: int, widths: Sequence[float], gaps: Sequence[float]) -> float:
    return (widths[a] + widths[b]) / 2 + min(gaps[a], gaps[b])


def _settle(
    layer: Sequence[int],
    x: list[float],
    widths: Sequence[float],
    gaps: Sequence[float],
    sides: list[Sequence[Sequence[Pull]]],
) -> None:
    blocks: list[tuple[float, float, int]] = []  # weighted wishes, weight, how many vertices move together
    offset, offsets = 0.0, []
    for before, v in zip([None, *layer], layer):
        offset += 0.0 if before is None else _apart(before, v, widths, gaps)
        offsets.append(offset)
        weight, total = 1e-3, 1e-3 * x[v]
        for side in sides:
            for n, shift, strength in side[v]:
                weight += strength
                total += strength * (x[n] + shift)
        block = (total - weight * offset, weight, 1)
        while blocks and blocks[-1][0] * block[1] > block[0] * blocks[-1][1]:
            before_block = blocks.pop()
            block = (before_block[0] + block[0], before_block[1] + block[1], before_block[2] + block[2])
        blocks.append(block)
    i = 0
    for total, weight, size in blocks:
        for _ in range(size):
            x[layer[i]] = total / weight + offsets[i]
            i += 1
