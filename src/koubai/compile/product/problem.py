"""A matrix product as the generators see it: the columns of C are contiguous if anything is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from koubai.compile.llvm import BITS, Function, Machine, Module, Value, vector
from koubai.compile.product.cuts import Part

__all__ = ["Epilogue", "Matrix", "Phase", "Problem", "Product", "Strides", "lane_axis", "problem_of"]

Strides = tuple[int, int]
Epilogue = Callable[[Function, Value, Value, Value, Value | None], Value | None]


class Phase(NamedTuple):
    """A function that does the work units from first to last (excluded), in any order and by any number of threads."""

    name: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Product:
    """What ``write_product`` made.

    Attributes
    ----------
    phases : tuple of Phase
        To be run one after the other, with a barrier between; one function may stand in several.
    scratch : int
        Bytes of memory, aligned to 64, that each thread needs for itself while the product runs.
    """

    phases: tuple[Phase, ...]
    scratch: int = 0


@dataclass(frozen=True, slots=True)
class Matrix:
    """A matrix in memory; the strides count elements."""

    rows: int
    columns: int
    strides: Strides

    @property
    def transposed(self) -> Matrix:
        return Matrix(self.columns, self.rows, self.strides[::-1])


@dataclass(frozen=True, slots=True)
class Problem:
    """One product to generate.

    Attributes
    ----------
    a, b, c : Matrix
        With C's columns contiguous if anything is; transposed from what was asked for if ``flipped``.
    extra : sequence of (type, name)
        Arguments of the phases for the epilogue.
    """

    module: Module
    machine: Machine
    name: str
    element: str
    a: Matrix
    b: Matrix
    c: Matrix
    flipped: bool
    epilogue: Epilogue | None
    accumulate: bool
    extra: Sequence[tuple[str, str]]

    @property
    def itemsize(self) -> int:
        return BITS[self.element] // 8

    @property
    def c_column(self) -> int:
        """Elements from column to column of C."""
        return self.c.strides[1] if self.c.columns > 1 else 1

    @property
    def lanes(self) -> int:
        """Elements of C in a register: one if C's columns are not neighbours."""
        return self.machine.lanes(self.itemsize) if self.c_column == 1 else 1

    def unlisted_function(self) -> Function:
        """An empty function with a phase's arguments, that the module does not have."""
        first, second = ("%b", "%a") if self.flipped else ("%a", "%b")
        arguments = [
            ("ptr noalias readonly", "a"),
            ("ptr noalias readonly", "b"),
            ("ptr noalias", "c"),
            ("ptr noalias", "scratch"),
            ("i64", "first"),
            ("i64", "last"),
            *self.extra,
        ]
        made = Function(self.module, self.name, arguments, "void", "nounwind")
        made.arguments[:2] = [Value(first, "ptr"), Value(second, "ptr")]
        return made

    def phase_function(self) -> Function:
        """An empty function for a phase."""
        made = self.unlisted_function()
        self.module.functions[made.name] = made
        return made

    @property
    def depth(self) -> int:
        """Terms in each sum."""
        return self.a.columns

    def load(self, f: Function, place: Value, part: Part) -> Value:
        mask = part.mask(f)
        type = vector(self.element, part.lanes)
        return f.load(place, type) if mask is None else f.masked_load(place, type, mask)

    def store(self, f: Function, value: Value, place: Value, mask: Value | None) -> None:
        if mask is None:
            f.store(value, place)
        else:
            f.masked_store(value, place, mask)

    def finish(self, f: Function, value: Value, place: Value, at: tuple[Value, Value], mask: Value | None) -> None:
        """Hand a finished vector of C, its first lane at (row, column), to the epilogue and store what it returns."""
        if self.epilogue:
            row, column = at[::-1] if self.flipped else at
            made = self.epilogue(f, value, row, column, mask)
            if made is None:
                return
            value = made
        self.store(f, value, place, mask)


def lane_axis(n: int, m: int, c_strides: Strides) -> int:
    """Along which axis of C, of shape (n, m), the lanes of the vectors lie that an epilogue receives."""
    return int(c_strides[0] != 1) if m == 1 else int(c_strides[1] == 1)


def problem_of(
    module: Module,
    machine: Machine,
    name: str,
    shape: tuple[int, int, int],
    element: str,
    strides: tuple[Strides, Strides, Strides],
    epilogue: Epilogue | None,
    accumulate: bool,
    extra: Sequence[tuple[str, str]],
) -> Problem:
    """Turn C' = B' A' into C = A B where that makes C's columns contiguous."""
    n, k, m = shape
    a, b, c = Matrix(n, k, strides[0]), Matrix(k, m, strides[1]), Matrix(n, m, strides[2])
    flipped = lane_axis(n, m, strides[2]) == 0
    if flipped:
        a, b, c = b.transposed, a.transposed, c.transposed
    return Problem(module, machine, name, element, a, b, c, flipped, epilogue, accumulate, extra)
