"""Few rows times columns that are contiguous: lanes along the sum, so that every element is read once, in order."""

from __future__ import annotations

from koubai.compile.llvm import Function, Value, lanes_of, vector
from koubai.compile.product.cuts import Part, panels, panels_of, parts_of
from koubai.compile.product.plan import spare_registers
from koubai.compile.product.problem import Phase, Problem, Product

__all__ = ["dots_suit", "write_dots"]

ROWS = 3


def dots_suit(p: Problem) -> bool:
    """Whether both factors lie along the sum, and too few rows use B to make it worth turning."""
    contiguous = p.b.strides[0] == 1 and p.b.strides[1] != 1 and p.a.strides[1] == 1
    return contiguous and p.c.rows <= ROWS and p.depth >= p.lanes > 1


def write_dots(p: Problem) -> Product:
    """One phase, a unit for a few columns."""
    f, rows = p.phase_function(), p.c.rows
    count = min(8, p.lanes)
    while count > 1 and (rows * count + rows + 1 > spare_registers(p) or count >= 2 * p.c.columns):
        count //= 2
    kinds = panels_of(p.c.columns, count)
    for kind in kinds:
        with panels(f, (f.arguments[4], f.arguments[5]), kind) as panel:
            _panel(p, f, f.mul(panel, f.integer(count)), kind.size)
    f.ret()
    return Product((Phase(f.name, 0, kinds[-1].stop),))


def _panel(p: Problem, f: Function, left: Value, columns: int) -> None:
    """All rows times some columns."""
    a, b, c = f.arguments[:3]
    b = f.offset(b, f.mul(left, f.integer(p.b.strides[1])), p.element)
    type = vector(p.element, p.lanes)
    whole = p.depth // p.lanes * p.lanes

    def turn(at: Value, sums: list[Value], mask: Value | None = None) -> list[Value]:
        def load(x: Value, steps: int) -> Value:
            place = f.offset(x, f.add(at, f.integer(steps)), p.element)
            return f.load(place, type) if mask is None else f.masked_load(place, type, mask)

        lefts = [load(a, i * p.a.strides[0]) for i in range(p.c.rows)]
        made = []
        for j in range(columns):
            right = load(b, j * p.b.strides[1])
            made += [f.muladd(x, right, sums[j * p.c.rows + i]) for i, x in enumerate(lefts)]
        return made

    sums = f.fold(0, whole, p.lanes, [f.zero(type)] * (columns * p.c.rows), turn)
    if whole < p.depth:
        sums = turn(f.integer(whole), sums, f.first_lanes(p.depth - whole, p.lanes))
    (part,) = parts_of(columns, p.lanes)
    for i in range(p.c.rows):
        padding = [f.zero(type)] * (part.lanes - columns)
        _store(p, f, _totals(f, sums[i :: p.c.rows] + padding), part, (i, left), c)


def _store(p: Problem, f: Function, value: Value, part: Part, at: tuple[int, Value], c: Value) -> None:
    row, left = at
    place = f.offset(c, f.add(left, f.integer(row * p.c.strides[0])), p.element)
    if p.accumulate:
        value = f.add(p.load(f, place, part), value)
    p.finish(f, value, place, (f.integer(row), left), part.mask(f))


def _totals(f: Function, vectors: list[Value]) -> Value:
    """The sum over the lanes of each of a power of two of vectors, as the lanes of one: halves are added to halves."""
    run = lanes_of(vectors[0].type) // 2
    while run:
        both, lanes = len(vectors) > 1, lanes_of(vectors[0].type)
        if lanes == 2 and not both:
            return f.add(f.extract(vectors[0], 0), f.extract(vectors[0], 1))
        pairs = list(zip(vectors[::2], vectors[1::2])) if both else [(vectors[0], vectors[0])]
        low = [side + k for side in range(0, lanes << both, 2 * run) for k in range(run)]
        vectors = [f.add(f.shuffle(x, z, low), f.shuffle(x, z, [k + run for k in low])) for x, z in pairs]
        run //= 2
    return vectors[0]
