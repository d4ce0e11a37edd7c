"""A recorded computation run again in float64, with one value moved: numerical differentiation of every node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from koubai.check.slope import Slope, slope_of
from koubai.explain.record import Record, RecordNode
from koubai.graph import Node, is_cut

__all__ = ["Agreement", "Replay", "agreement_with"]

LARGEST_STEP = 2.0**-7
MOST_ELEMENTS = 12
DOUBLED = {"f": np.float64, "c": np.complex128}


@dataclass(frozen=True, slots=True)
class Agreement:
    """A gradient beside numerical differentiation.

    Attributes
    ----------
    elements : tuple of (index, gradient, numerical slope)
        Those that were compared; of a small array all.
    of : int
        How many elements there are.
    tolerance : float
        How far the two may be apart: what rounding in the gradient's dtype and the slope's own error explain.
    kink : bool
        Whether the output has no derivative at one of them, only slopes on both sides.
    """

    elements: tuple[tuple[tuple[int, ...], float, float], ...]
    of: int
    tolerance: float
    kink: bool

    @property
    def largest(self) -> float:
        """The largest difference."""
        return max((abs(g - s) for _, g, s in self.elements), default=0.0)

    @property
    def ok(self) -> bool:
        """Whether all differences are within the tolerance, or a kink explains them."""
        return self.kink or self.unsure or self.largest <= self.tolerance

    @property
    def unsure(self) -> bool:
        """Whether differences cannot tell: where something is not finite, or is lost in rounding."""
        sizes = [max(abs(g), abs(s)) for _, g, s in self.elements]
        finite = all(np.isfinite(size) for size in sizes)
        return not finite or (not self.kink and self.tolerance > 0.05 * max(sizes, default=0.0) > 0.0)


class Replay:
    """The computation of a record as a function of any of its values.

    Everything is computed in float64: differences of float32 numbers have three digits.

    Parameters
    ----------
    record : Record
        Of real numbers.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._values: list[Any] = []
        self._constant: list[bool] = []
        for node in record.nodes:
            made = node._made
            fixed = made.op is None or is_cut(made)
            self._constant.append(fixed)
            self._values.append(_double(made.value) if fixed else self._computed(node, {}))

    def _computed(self, node: RecordNode, moved: dict[int, Any]) -> Any:
        made = node._made
        assert made.op is not None
        inputs = [
            moved.get(x.index, self._values[x.index]) if isinstance(x, RecordNode) else _double(x) for x in node.inputs
        ]
        params = {key: _double_type(p) if key == "dtype" else p for key, p in made.params.items()}
        with np.errstate(all="ignore"):
            return made.op.forward(*inputs, **params)

    def output(self, node: RecordNode, value: Any) -> Any:
        """The output when `node` has another value."""
        moved = {node.index: value}
        for later in self._record.nodes[node.index + 1 :]:
            if not self._constant[later.index] and any(
                isinstance(x, RecordNode) and x.index in moved for x in later.inputs
            ):
                moved[later.index] = self._computed(later, moved)
        return moved.get(self._record.output.index, self._values[self._record.output.index])

    def agreement(
        self, node: RecordNode, indices: Sequence[tuple[int, ...]] | None = None, most: int = MOST_ELEMENTS
    ) -> Agreement | None:
        """The node's gradient beside numerical differentiation; None where there is nothing to compare.

        Parameters
        ----------
        indices : sequence of indices, optional
            By default all elements of a small array; of a larger one those with the largest gradients.
        most : int
            How many these are.
        """
        base = self._values[node.index]
        if node.grad is None or type(base) is tuple or base.dtype.kind != "f":
            return None
        chosen = _largest(node.grad, most) if indices is None else [tuple(i) for i in indices]
        elements, tolerance, kink = [], 0.0, False
        eps = float(np.finfo(node.dtype).eps)
        # What was summed may be larger than the sum, and was rounded at its own size.
        summed = [node.grad, *(e.upstream for e in node.messages if type(e.upstream) is not tuple)]
        scale = max(float(np.max(np.abs(g), initial=0.0)) for g in summed)
        for index in chosen:
            size = max(1.0, abs(float(np.asarray(base)[index])))
            slope = slope_of(partial(self._scaled, node, index, size), LARGEST_STEP)
            gradient, value, error = float(np.asarray(node.grad)[index]), float(slope.value[0]), float(slope.error[0])
            elements.append((index, gradient, value))
            tolerance = max(tolerance, 1e3 * eps * max(scale, abs(value)) + 10.0 * error)
            kink = kink or _jumps(slope)
        return Agreement(tuple(elements), int(np.size(node.grad)), tolerance, kink)

    def _scaled(self, node: RecordNode, index: tuple[int, ...], size: float, h: float) -> Any:
        return np.array([self.moved(node, index, h * size) / size])

    def moved(self, node: RecordNode, index: tuple[int, ...], h: float) -> float:
        """The output (times its own gradient, summed) when one element of a node is moved by h."""
        value = np.array(self._values[node.index])
        value[index] += h
        return float(np.sum(np.asarray(self.output(node, value[()])) * self._record.output.grad))


def agreement_with(slope: Slope, gradient: float) -> Agreement:
    """One gradient beside a slope, both of what is computed in float32 or better."""
    value = float(slope.value[0])
    tolerance = 2e-4 * max(abs(value), abs(gradient)) + 10.0 * float(slope.error[0])
    return Agreement((((), gradient, value),), 1, tolerance, _jumps(slope))


def _jumps(slope: Slope) -> bool:
    """Whether the slopes on both sides differ by more than rounding explains."""
    return bool(abs(slope.jump[0]) > 1e-6 * max(abs(float(slope.value[0])), 1e-30))


def _largest(gradient: Any, most: int) -> list[tuple[int, ...]]:
    """All indices of a small array; of a larger one those of the largest elements, in their order."""
    sizes = np.abs(np.asarray(gradient, float)).ravel()
    if sizes.size > most:
        chosen = np.sort(np.argsort(-sizes, kind="stable")[:most])
    else:
        chosen = np.arange(sizes.size)
    return [tuple(int(i) for i in np.unravel_index(k, np.shape(gradient))) for k in chosen]


def _double(value: Any) -> Any:
    if type(value) is tuple:
        return tuple(map(_double, value))
    if isinstance(value, Node):
        return _double(value.value)
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in DOUBLED:
        return value.astype(DOUBLED[value.dtype.kind])
    return value


def _double_type(dtype: Any) -> Any:
    return DOUBLED.get(np.dtype(dtype).kind, dtype)
