"""How a product is cut: the tile that registers hold, the blocks that caches hold, what is copied, what is divided."""

from __future__ import annotations

from dataclasses import dataclass

from koubai.compile.product.problem import Problem

__all__ = ["Plan", "plan_of"]

# Two multiply-adds start in each cycle and finish four cycles later, on all that we know.
CHAINS = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """The static decisions for a product.

    Attributes
    ----------
    rows, columns : int
        Of a tile: C is cut into panels of that many rows and panels of that many columns.
    depth : int
        How much of a sum is added up at a time.
    block : int
        Row panels whose part of A stays in the second cache.
    pack_a, pack_b : bool
        Whether a block of A, a panel of B is copied so that it is read in order.
    by_columns : bool
        Whether threads divide the panels of columns, or those of rows.
    """

    rows: int
    columns: int
    depth: int
    block: int
    pack_a: bool
    pack_b: bool
    by_columns: bool


def plan_of(p: Problem) -> Plan:
    rows, vectors = _tile(p)
    columns = vectors * p.lanes
    depth = _even(p.depth, max(64, 1024 // p.itemsize))
    panels = -(-p.c.columns // columns)
    pack_a = panels >= 4 and p.c.rows >= 2 * rows
    pack_b = (p.b.strides[1] != 1 and p.b.columns > 1) or (p.c.rows >= 8 * rows and p.depth * p.b.columns > 4096)
    if pack_a:
        rows = min(rows, 8 if p.machine.registers >= 32 else 4)
    block = max(1, p.machine.l2 // 2 // (depth * p.itemsize * rows))
    return Plan(rows, columns, depth, block, pack_a, pack_b, p.c.columns > 2 * p.c.rows)


def _even(total: int, limit: int) -> int:
    """The size of equal parts no larger than the limit."""
    count = max(1, -(-total // limit))
    return max(1, -(-total // count))


def _tile(p: Problem) -> tuple[int, int]:
    """The (rows, vectors) of the tile with the fewest cycles for the whole product."""
    registers = p.machine.registers
    limit = max(1, -(-p.c.columns // p.lanes))
    best = None
    for vectors in range(1, min(limit, 8) + 1):
        for rows in range(1, min(max(1, p.c.rows), 16) + 1):
            if rows * vectors + min(rows, vectors) + 1 > registers:
                continue
            cost = _cost(p.c.rows, limit, rows, vectors, max(1, p.depth))
            if best is None or cost < best[0]:
                best = cost, rows, vectors
    assert best
    return best[1:]


def _cost(rows: int, vectors: int, r: int, v: int, depth: int) -> float:
    total, variants = 0.0, 0
    for i, count_i in ((r, rows // r), (rows % r, 1)):
        for j, count_j in ((v, vectors // v), (vectors % v, 1)):
            if i and j and count_i and count_j:
                variants += 1
                uops = i * j + (i if j > 1 else 0) + j + 3
                turn = max(i * j / 2, (i + j) / 2, uops / 6, min(4, 4 * 8 / (i * j)) if i * j < 8 else 0)
                total += count_i * count_j * (depth * turn + i * j + 20)
    return total * (1 + 0.03 * variants)
