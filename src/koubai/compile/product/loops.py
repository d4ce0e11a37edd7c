"""The loops around the tiles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from koubai.compile.llvm.builder import Function, Value
from koubai.compile.product.pack import Copy
from koubai.compile.product.plan import Plan, plan_of
from koubai.compile.product.problem import Phase, Problem, Product, parts_of
from koubai.compile.product.tile import Source, Tile

__all__ = ["write_loops"]


Span = tuple[Value, Value]


class Panel(NamedTuple):
    """The panels along one axis of C from number `first` to `stop` (excluded), each of `size` rows or columns."""

    first: int
    stop: int
    size: int


def panels_of(total: int, size: int) -> list[Panel]:
    """The full panels and the narrower last one."""
    whole = total // size
    kinds = [Panel(0, whole, size)] if whole else []
    if total % size:
        kinds.append(Panel(whole, whole + 1, total % size))
    return kinds


def write_loops(p: Problem) -> Product:
    """One phase, whose units are panels of rows or of columns."""
    if p.c.rows == 0 or p.c.columns == 0:
        f = p.phase_function()
        f.ret()
        return Product((Phase(f.name, 0, 0),))
    return Loops(p, plan_of(p)).write()


class Loops:
    """The nest: blocks of rows, blocks of the sum, panels of columns, panels of rows, tiles."""

    def __init__(self, p: Problem, plan: Plan) -> None:
        self.p, self.plan = p, plan
        self.row_kinds = panels_of(p.c.rows, plan.rows)
        self.column_kinds = panels_of(p.c.columns, plan.columns)
        self.blocks = -(-p.depth // plan.depth) if p.depth else 1
        self.single = self.blocks == 1
        # Whole cache lines, so that what comes after is aligned too.
        self.b_size = -(-plan.depth * _padded(p, plan.columns) // 16) * 16 if plan.pack_b else 0
        self.a_panel = plan.depth * _padded(p, plan.rows)
        kinds = [(i, j) for i in range(len(self.row_kinds)) for j in range(len(self.column_kinds))]
        inline = self.single and len(kinds) <= 2 and not plan.pack_a
        self.tiles = {kind: self._tile(*kind, inline) for kind in kinds}
        self.copies_a = [self._copy_a(i) for i in range(len(self.row_kinds))] if plan.pack_a else []
        self.copies_b = [self._copy_b(j, inline) for j in range(len(self.column_kinds))] if plan.pack_b else []
        self.finishes = (
            [self._finish(j) for j in range(len(self.column_kinds))] if p.epilogue and not self.single else []
        )

    def write(self) -> Product:
        p, plan = self.p, self.plan
        f = p.phase_function()
        rows, columns = (kinds[-1].stop for kinds in (self.row_kinds, self.column_kinds))
        first, last = f.arguments[4:6]
        span = (f.integer(0), f.integer(rows)), (first, last)
        if not plan.by_columns:
            span = (first, last), (f.integer(0), f.integer(columns))
        if rows > plan.block and not self._trivial(rows):
            with f.loop(*span[0], plan.block) as start:
                stop = f.intrinsic("smin", f.add(start, f.integer(plan.block)), span[0][1])
                self._block(f, (start, stop), span[1])
        else:
            self._block(f, *span)
        f.ret()
        a_size = min(rows, plan.block) * self.a_panel if plan.pack_a else 0
        scratch = (self.b_size + a_size) * p.itemsize
        return Product((Phase(f.name, 0, columns if plan.by_columns else rows),), scratch)

    def _trivial(self, rows: int) -> bool:
        return not self.plan.pack_a and self.single and self.column_kinds[-1].stop == 1

    def _block(self, f: Function, rows: Span, columns: Span) -> None:
        p, plan = self.p, self.plan
        if self.single:
            self._depth_block(f, f.integer(0), f.integer(p.depth), rows, columns)
            return
        with f.loop(0, p.depth, plan.depth) as start:
            depth = f.intrinsic("smin", f.sub(f.integer(p.depth), start), f.integer(plan.depth))
            self._depth_block(f, start, depth, rows, columns)

    def _depth_block(self, f: Function, start: Value, depth: Value, rows: Span, columns: Span) -> None:
        plan = self.plan
        if plan.pack_a:
            for number, kind in enumerate(self.row_kinds):
                with _panels(f, rows, kind) as panel:
                    source = self._a_place(f, panel, start)
                    self.copies_a[number].call(f, source, self._packed_a(f, panel, rows[0]), depth)
        for number, kind in enumerate(self.column_kinds):
            with _panels(f, columns, kind) as panel:
                b = self._b_place(f, panel, start)
                if plan.pack_b:
                    self.copies_b[number].call(f, b, f.arguments[3], depth)
                    b = f.arguments[3]
                self._column(f, number, panel, b, start, depth, rows)

    def _column(
        self, f: Function, number: int, column: Value, b: Value, start: Value, depth: Value, rows: Span
    ) -> None:
        p, plan = self.p, self.plan
        left = f.mul(column, f.integer(plan.columns))
        add = f.compare("sgt", start, f.integer(0)) if not self.single else Value("false", "i1")
        for which, kind in enumerate(self.row_kinds):
            with _panels(f, rows, kind) as panel:
                a = self._packed_a(f, panel, rows[0]) if plan.pack_a else self._a_place(f, panel, start)
                top = f.mul(panel, f.integer(plan.rows))
                c = f.offset(f.arguments[2], f.mul(top, f.integer(p.c.strides[0])), p.element)
                c = f.offset(c, left, p.element)
                self.tiles[which, number].call(f, a, b, c, depth, add, top, left)
                if self.finishes:
                    with f.when(f.compare("sge", f.add(start, depth), f.integer(p.depth))):
                        height = f.integer(kind.size)
                        f.call(self.finishes[number], "void", c, height, top, left, *p.given(f))

    # Where things are

    def _a_place(self, f: Function, panel: Value, start: Value) -> Value:
        p = self.p
        top = f.offset(f.arguments[0], f.mul(panel, f.integer(self.plan.rows * p.a.strides[0])), p.element)
        return f.offset(top, f.mul(start, f.integer(p.a.strides[1])), p.element)

    def _b_place(self, f: Function, panel: Value, start: Value) -> Value:
        p = self.p
        left = f.offset(f.arguments[1], f.mul(panel, f.integer(self.plan.columns * p.b.strides[1])), p.element)
        return f.offset(left, f.mul(start, f.integer(p.b.strides[0])), p.element)

    def _packed_a(self, f: Function, panel: Value, first: Value) -> Value:
        at = f.mul(f.sub(panel, first), f.integer(self.a_panel))
        return f.offset(f.arguments[3], f.add(at, f.integer(self.b_size)), self.p.element)

    # The functions that the loops call

    def _tile(self, i: int, j: int, inline: bool) -> Tile:
        p, plan = self.p, self.plan
        rows, columns = self.row_kinds[i].size, self.column_kinds[j].size
        parts = parts_of(columns, p.lanes)
        a_row, a_depth = (1, _padded(p, rows)) if plan.pack_a else p.a.strides
        b_depth = _padded(p, columns) if plan.pack_b else p.b.strides[0]
        source = Source(a_row, a_depth, b_depth, plan.pack_b)
        add = p.accumulate if self.single or p.accumulate else None
        depth = p.depth if self.single else None
        return Tile(p, f"{p.name}.tile{i}{j}", rows, parts, source, depth, add, self.single, inline)

    def _finish(self, j: int) -> str:
        """A function that hands sums which stand in C to the epilogue."""
        p = self.p
        arguments = [("ptr noalias", "c"), ("i64", "rows"), ("i64", "row"), ("i64", "column"), *p.extra]
        f = p.module.function(f"{p.name}.finish{j}", arguments, attributes="noinline nounwind", linkage="internal")
        c, rows, row, column = f.arguments[:4]
        with f.loop(0, rows) as i:
            here = f.offset(c, f.mul(i, f.integer(p.c.strides[0])), p.element)
            for part in parts_of(self.column_kinds[j].size, p.lanes):
                place = f.offset(here, part.start, p.element)
                at = f.add(row, i), f.add(column, f.integer(part.start))
                p.finish(f, p.load(f, place, part), place, at, part.mask(f))
        f.ret()
        return f.name

    def _copy_a(self, i: int) -> Copy:
        p, rows = self.p, self.row_kinds[i].size
        parts = parts_of(rows, p.lanes)
        return Copy(p, f"{p.name}.a{i}", *p.a.strides, parts, _padded(p, rows), inline=False)

    def _copy_b(self, j: int, inline: bool) -> Copy:
        p, columns = self.p, self.column_kinds[j].size
        parts = parts_of(columns, p.lanes)
        return Copy(p, f"{p.name}.b{j}", *p.b.strides[::-1], parts, _padded(p, columns), inline)


def _padded(p: Problem, width: int) -> int:
    return sum(part.lanes for part in parts_of(width, p.lanes))


@contextmanager
def _panels(f: Function, span: Span, kind: Panel) -> Iterator[Value]:
    """Go over the panels of a kind within a span; yields the panel's number."""
    first, last = span
    if first.text[0] != "%" and kind.stop == kind.first + 1:
        yield f.integer(kind.first)
        return
    if kind.first:
        first = f.intrinsic("smax", first, f.integer(kind.first))
    last = f.intrinsic("smin", last, f.integer(kind.stop))
    with f.loop(first, last) as panel:
        yield panel
