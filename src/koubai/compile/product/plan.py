"""How a product is cut: the tile that registers hold, the blocks that caches hold, what is copied, what is divided."""

from __future__ import annotations

from dataclasses import dataclass

from koubai.compile.product.problem import Problem

__all__ = ["Plan", "plan_of"]


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
    """Measured: copying A pays only where its rows or columns fall on the same cache lines, or for very many panels."""
    rows, vectors = _tile(p)
    columns = vectors * p.lanes
    panels = -(-p.c.columns // columns)
    b_far = p.c.rows >= 32 * rows or (p.c.rows >= 8 * rows and _aliased(p, p.b.strides[0]))
    strided = p.b.strides[1] != 1 and p.b.columns > 1
    pack_b = strided or (b_far and p.depth * p.b.columns * p.itemsize > p.machine.l1)
    big = p.a.rows * p.depth * p.itemsize > p.machine.l2 // 4
    pack_a = panels >= 6 and big and (panels >= 16 or _aliased(p, max(p.a.strides)))
    if pack_a:
        rows = min(rows, 8 if p.machine.registers >= 32 else 4)
    near = p.machine.l2 // 10 if pack_a or pack_b else p.machine.l2 // 4
    depth = _even(p.depth, max(64, near // (columns * p.itemsize)), p.lanes)
    block = max(1, p.machine.l2 // 2 // (depth * p.itemsize * rows))
    return Plan(rows, columns, depth, block, pack_a, pack_b, p.c.columns > 2 * p.c.rows)


def _aliased(p: Problem, stride: int) -> bool:
    """Whether steps of that many elements use few of the lines of a cache."""
    return stride * p.itemsize % 2048 == 0


def _even(total: int, limit: int, multiple: int) -> int:
    """The size of about equal parts, a multiple unless it is everything, and hardly larger than the limit."""
    count = -(-total // limit)
    if count <= 1:
        return max(1, total)
    return min(total, -(-total // count // multiple) * multiple)


def _tile(p: Problem) -> tuple[int, int]:
    """The (rows, vectors) of the tile with the fewest cycles for the whole product."""
    registers = p.machine.registers
    limit = -(-p.c.columns // p.lanes)
    fits = [
        (rows, vectors)
        for vectors in range(1, min(limit, 8) + 1)
        for rows in range(1, min(p.c.rows, 16) + 1)
        if rows * vectors + min(rows, vectors) + 1 <= registers
    ]
    return min(fits, key=lambda tile: _cycles(p, limit, *tile))


def _cycles(p: Problem, vectors: int, r: int, v: int) -> float:
    """A rough count of cycles with tiles of r rows and v vectors; and some more for each kind of tile to compile."""
    total, kinds = 0.0, 0
    for rows, row_panels in ((r, p.c.rows // r), (p.c.rows % r, 1)):
        for width, panels in ((v, vectors // v), (vectors % v, 1)):
            if rows and width and row_panels and panels:
                kinds += 1
                issued = rows * width + width + 3 + (rows if width > 1 else 0)
                turn = max(rows * width / 2, (rows + width) / 1.9, issued / 6, 3.2 * width if p.c.rows > r else 0, 4)
                total += row_panels * panels * (p.depth * turn + rows * width + 20)
    return total * (1 + 0.01 * kinds) + 250 * kinds
