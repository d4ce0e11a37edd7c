"""Small products: straight from A and B into C, no copies."""

from __future__ import annotations

from koubai.compile.llvm.builder import Function, Value
from koubai.compile.product.problem import Phase, Problem, Product
from koubai.compile.product.tile import Part, columns_of, sums

__all__ = ["write_direct"]


def write_direct(p: Problem) -> Product:
    """One phase, a unit for each tile of C: down the rows first, so that a tile's part of B stays near."""
    rows, width = 6, p.lanes
    blocks, panels = -(-p.c.rows // rows), -(-p.c.columns // width)
    f = p.phase_function()
    first, last = f.arguments[4:6]
    with f.loop(first, last) as unit:
        block = f.binary("srem", unit, f.integer(max(1, blocks)))
        panel = f.binary("sdiv", unit, f.integer(max(1, blocks)))
        cases = [(blocks - 1, p.c.rows - (blocks - 1) * rows), (None, rows)]
        for which_row, height in cases:
            for which_column, columns in [(panels - 1, p.c.columns - (panels - 1) * width), (None, width)]:
                _tile_if(p, f, (block, which_row, blocks, height, rows), (panel, which_column, panels, columns, width))
    f.ret()
    return Product((Phase(f.name, 0, blocks * panels),))


Axis = tuple[Value, int | None, int, int, int]


def _tile_if(p: Problem, f: Function, row: Axis, column: Axis) -> None:
    conditions = []
    for number, which, count, _, _ in (row, column):
        if which is None and count == 1:
            return
        conditions.append(f.compare("slt" if which is None else "eq", number, f.integer(count - 1)))
    both = f.binary("and", *conditions)
    with f.when(both):
        top = f.mul(row[0], f.integer(row[4]))
        left = f.mul(column[0], f.integer(column[4]))
        write_tile(p, f, top, left, row[3], columns_of(column[3], p.lanes))


def write_tile(p: Problem, f: Function, top: Value, left: Value, rows: int, parts: list[Part]) -> None:
    """Compute and store the tile of C whose corner is at (top, left)."""
    a, b, c = f.arguments[:3]
    a = f.offset(a, f.mul(top, f.integer(p.a.strides[0])), p.element)
    b = f.offset(b, f.mul(left, f.integer(p.b.strides[1])), p.element)
    c = f.offset(f.offset(c, f.mul(top, f.integer(p.c.strides[0])), p.element), left, p.element)
    values = sums(p, f, a, b, rows, parts)
    for i in range(rows):
        for j, part in enumerate(parts):
            place = f.offset(c, i * p.c.strides[0] + part.start, p.element)
            mask = part.mask(f)
            value = values[i][j]
            if p.accumulate:
                type = part.type(p.element)
                value = f.add(f.load(place, type) if mask is None else f.masked_load(place, type, mask), value)
            at = f.add(top, f.integer(i)), f.add(left, f.integer(part.start))
            p.finish(f, value, place, at, mask)
