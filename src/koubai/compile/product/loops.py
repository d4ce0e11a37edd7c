"""The loops around the tiles."""

from __future__ import annotations

from koubai.compile.llvm import Value, vector
from koubai.compile.product.cuts import Panel, Span, padded, panels, panels_of, parts_of
from koubai.compile.product.pack import Copy
from koubai.compile.product.plan import Plan, plan_of
from koubai.compile.product.problem import Phase, Problem, Product
from koubai.compile.product.tile import Tile

__all__ = ["write_loops"]


# Instructions of an epilogue in all its places; where there were more it gets a loop, which compiles sooner.
EPILOGUE = 200


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
        self.f = p.phase_function()
        self.row_kinds = panels_of(p.c.rows, plan.rows)
        self.column_kinds = panels_of(p.c.columns, plan.columns)
        self.single = plan.depth >= p.depth
        self.least = p.depth if self.single else p.depth % plan.depth or plan.depth
        kinds = len(self.row_kinds) * len(self.column_kinds)
        self.inline = self.single and (kinds <= 2 or p.depth == 0)
        vectors = plan.rows * len(parts_of(plan.columns, p.lanes))
        self.finish_at_once = self.inline and kinds * vectors * self._epilogue_length() <= EPILOGUE

    def write(self) -> Product:
        p, plan, f = self.p, self.plan, self.f
        rows, columns = (kinds[-1].stop for kinds in (self.row_kinds, self.column_kinds))
        first, last = f.arguments[4:6]
        span = (f.integer(0), f.integer(rows)), (first, last)
        if not plan.by_columns:
            span = (first, last), (f.integer(0), f.integer(columns))
        # A block's part of A is read again for the next panel of columns.
        if rows > plan.block and columns > 1:
            with f.loop(*span[0], plan.block) as start:
                stop = f.intrinsic("smin", f.add(start, f.integer(plan.block)), span[0][1])
                self._rows_block((start, stop), span[1])
        else:
            self._rows_block(*span)
        f.ret()
        scratch = plan.depth * padded(plan.columns, p.lanes) * p.itemsize if plan.pack_b else 0
        return Product((Phase(f.name, 0, columns if plan.by_columns else rows),), scratch)

    def _rows_block(self, rows: Span, columns: Span) -> None:
        p, plan, f = self.p, self.plan, self.f
        if self.single:
            self._depth_block(f.integer(0), f.integer(p.depth), rows, columns)
            return
        with f.loop(0, p.depth, plan.depth) as start:
            depth = f.intrinsic("smin", f.sub(f.integer(p.depth), start), f.integer(plan.depth))
            self._depth_block(start, depth, rows, columns)

    def _depth_block(self, start: Value, depth: Value, rows: Span, columns: Span) -> None:
        plan, f = self.plan, self.f
        for kind in self.column_kinds:
            with panels(f, columns, kind) as panel:
                b = self._b_place(panel, start)
                if plan.pack_b:
                    b = self._packed_b(kind, b, depth)
                self._column(kind, panel, b, start, depth, rows)

    def _packed_b(self, kind: Panel, b: Value, depth: Value) -> Value:
        p, f = self.p, self.f
        copy = Copy(p, *p.b.strides[::-1], kind.size, self.least)
        if self.inline:
            copy.write(f, b, f.arguments[3], depth)
        else:
            f.call(copy.function(), "void", b, f.arguments[3], depth)
        return f.arguments[3]

    def _column(self, column_kind: Panel, column: Value, b: Value, start: Value, depth: Value, rows: Span) -> None:
        p, plan, f = self.p, self.plan, self.f
        left = f.mul(column, f.integer(plan.columns))
        for kind in self.row_kinds:
            tile = self._tile(kind, column_kind)
            with panels(f, rows, kind) as panel:
                a = self._a_place(panel, start)
                top = f.mul(panel, f.integer(plan.rows))
                corner = f.add(f.mul(top, f.integer(p.c.strides[0])), f.mul(left, f.integer(p.c_column)))
                c = f.offset(f.arguments[2], corner, p.element)
                if self.inline:
                    self._inline(tile, a, b, c, depth, (top, left))
                else:
                    add = Value("true", "i1") if p.accumulate else f.compare("sgt", start, f.integer(0))
                    f.call(tile.function(), "void", a, b, c, depth, f.integer(p.c.strides[0]), add)
                if p.epilogue and not self.finish_at_once:
                    with f.when(f.compare("sge", f.add(start, depth), f.integer(p.depth))):
                        self._finish(c, kind, column_kind, (top, left))

    def _tile(self, rows: Panel, columns: Panel) -> Tile:
        p, plan = self.p, self.plan
        b = padded(columns.size, p.lanes) if plan.pack_b else p.b.strides[0]
        return Tile(p, rows.size, parts_of(columns.size, p.lanes), *p.a.strides, b, plan.pack_b)

    def _inline(self, tile: Tile, a: Value, b: Value, c: Value, depth: Value, at: Span) -> None:
        p, f, c_row = self.p, self.f, self.f.integer(self.p.c.strides[0])
        sums = tile.sums(f, a, b, depth)
        if p.accumulate:
            sums = tile.added(f, sums, c, c_row)
        places = [(i, part) for i in range(tile.rows) for part in tile.parts]
        for (i, part), value in zip(places, sums):
            place = tile.place(f, c, c_row, i, part)
            if self.finish_at_once:
                here = f.add(at[0], f.integer(i)), f.add(at[1], f.integer(part.start))
                p.finish(f, value, place, here, part.mask(f))
            else:
                p.store(f, value, place, part.mask(f))

    def _finish(self, c: Value, rows: Panel, columns: Panel, at: Span) -> None:
        """Hand sums that stand in C to the epilogue, row by row."""
        p, f = self.p, self.f
        with f.loop(0, rows.size) as i:
            here = f.offset(c, f.mul(i, f.integer(p.c.strides[0])), p.element)
            for part in parts_of(columns.size, p.lanes):
                place = f.offset(here, part.start * p.c_column, p.element)
                first = f.add(at[0], i), f.add(at[1], f.integer(part.start))
                p.finish(f, p.load(f, place, part), place, first, part.mask(f))

    def _epilogue_length(self) -> int:
        """How many instructions the epilogue has: it is written once into a function that is thrown away."""
        p = self.p
        if not p.epilogue:
            return 1
        trial = p.unlisted_function()
        row, column = trial.arguments[4:6]
        p.epilogue(trial, trial.zero(vector(p.element, p.lanes)), row, column, None)
        return trial.text().count("\n") - 3

    # Where things are

    def _a_place(self, panel: Value, start: Value) -> Value:
        p, f = self.p, self.f
        top = f.mul(panel, f.integer(self.plan.rows * p.a.strides[0]))
        return f.offset(f.arguments[0], f.add(top, f.mul(start, f.integer(p.a.strides[1]))), p.element)

    def _b_place(self, panel: Value, start: Value) -> Value:
        p, f = self.p, self.f
        left = f.mul(panel, f.integer(self.plan.columns * p.b.strides[1]))
        return f.offset(f.arguments[1], f.add(left, f.mul(start, f.integer(p.b.strides[0]))), p.element)
