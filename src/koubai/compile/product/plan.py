"""How a product is cut: the tile that registers hold, the blocks that caches hold, what is copied, what is divided."""

from __future__ import annotations

from dataclasses import dataclass

from koubai.compile.product.problem import Problem

__all__ = ["Plan", "plan_of", "spare_registers"]


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
    pack_b : bool
        Whether a panel of B is copied so that it is read in order. A is read where it is: a tile reads few rows of it.
    by_columns : bool
        Whether threads divide the panels of columns, or those of rows.
    """

    rows: int
    columns: int
    depth: int
    block: int
    pack_b: bool
    by_columns: bool


def plan_of(p: Problem) -> Plan:
    """Settle everything about a product by its shape and layout."""
    rows, vectors = _tile(p)
    columns = vectors * p.lanes
    tiles = -(-p.c.rows // rows)
    strided = p.b.strides[1] != 1 and p.b.columns > 1
    large = p.depth * p.b.columns * p.itemsize > p.machine.l1
    pack_b = strided or (large and p.c.rows >= (128 if _aliased(p, p.b.strides[0]) else 256))
    # Measured: up to an eighth of the second cache for a panel of B, twice that cache for a block of A, and not more
    # steps than there are pages at hand if each lies in another.
    depth = p.depth
    if tiles > 2 or pack_b:
        depth = _even(p.depth, max(64, min(2048, p.machine.l2 // 8 // columns) // p.itemsize))
    elif p.c.columns > columns and large:
        # B comes from afar and is read once: then best in nearly the order in which it lies.
        depth = _even(p.depth, 32)
    block = max(1, 2 * p.machine.l2 // (max(1, depth) * p.itemsize * rows))
    # A division of rows has each thread copy all of B; a division of few columns is uneven.
    panels = -(-p.c.columns // columns)
    return Plan(rows, columns, depth, block, pack_b, p.c.columns > 2 * p.c.rows and panels >= min(tiles, 16))


def spare_registers(p: Problem) -> int:
    """Vector registers that a loop may hold; one or two stay free for what LLVM moves about."""
    return p.machine.registers * 15 // 16


def _aliased(p: Problem, stride: int) -> bool:
    """Whether steps of that many elements use few of the lines of a cache."""
    return stride * p.itemsize % 2048 == 0


def _even(total: int, limit: int) -> int:
    """The size of equal parts no larger than the limit."""
    return -(-total // -(-total // limit)) if total else 0


def _tile(p: Problem) -> tuple[int, int]:
    """The (rows, vectors) of the tile with the fewest cycles for the whole product."""
    limit = -(-p.c.columns // p.lanes)
    fits = [
        (rows, vectors)
        for vectors in range(1, min(limit, 16) + 1)
        for rows in range(1, min(p.c.rows, 16) + 1)
        if rows * vectors + min(rows, vectors) + 1 <= spare_registers(p)
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
                turn = max(rows * width / 2, (rows + width) / 1.9, issued / 6, 4) + 0.12 * rows + 0.35 * width
                total += row_panels * panels * (p.depth * turn + rows * width + 20)
    return total * (1 + 0.01 * kinds) + kinds * min(1500, 0.1 * total)
