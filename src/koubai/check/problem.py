"""What is being checked: a function at a point, in float64, with every number laid out flat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from koubai.check.numerical import as_vector, double, length
from koubai.check.slope import Slope, slope_of
from koubai.errors import GradientError, UsageError
from koubai.graph import Node, constant
from koubai.tensor import Tensor, jvp, vjp
from koubai.tensor.trees import flatten, leaf_names

__all__ = ["Problem", "random_direction"]

LARGEST_STEP = 2.0**-6
Arrays = list[Any]


class Problem:
    """A function at a point.

    Attributes
    ----------
    leaves : list of arrays
        The point: every array of the arguments, in float64 or complex128.
    names : list of str
        What to call each leaf in a message.
    outputs : list of arrays
        The function's floating-point and complex outputs there.
    subject : str
        What the function is, for messages.
    """

    def __init__(
        self, f: Callable[..., Any], xs: Sequence[Any], *, subject: str = "the function", names: Any = None
    ):
        flat, rebuild = flatten(list(xs))
        self._f, self._rebuild, self._owners = f, rebuild, _owners(xs)
        self.leaves = [double("check_grads", n, leaf) for n, leaf in zip(self._owners, flat)]
        self.names: list[str] = names or [name for n, x in enumerate(xs) for name in leaf_names(f"argument {n}", x)]
        self.subject = subject
        self._kept: list[int] | None = None
        self.outputs = self._first_run()

    def _first_run(self) -> Arrays:
        first, again = self.run(self.leaves), self.run(self.leaves)
        if any(not np.array_equal(a, b, equal_nan=True) for a, b in zip(first, again)):
            raise GradientError(
                f"check_grads: {self.subject} gives different results for the same input, so that nothing can be "
                f"compared; pass its random numbers in from outside, or fix their seed"
            )
        for i, y in enumerate(first):
            if not np.all(np.isfinite(y)):
                raise GradientError(
                    f"check_grads: output {i} of {self.subject} holds NaN or infinity at this point; "
                    f"choose inputs at which it is finite"
                )
            if y.dtype.itemsize < (16 if y.dtype.kind == "c" else 8):
                raise GradientError(
                    f"check_grads: {self.subject} returns {y.dtype} although its inputs are float64; in that precision "
                    f"a difference quotient cannot decide. Let it compute in the precision of its inputs "
                    f"(no astype, no fixed dtype), and check it there"
                )
        return first

    def __call__(self, *leaves: Any) -> Any:
        return self._differentiable(self._f(*self._rebuild(list(leaves))))

    def _differentiable(self, y: Any) -> tuple[Any, ...]:
        found = [leaf if isinstance(leaf, Node) else np.asarray(leaf)[()] for leaf in flatten(y)[0]]
        if self._kept is None:
            self._kept = [i for i, leaf in enumerate(found) if leaf.dtype.kind in "fc"]
            if not self._kept:
                raise UsageError(f"check_grads: {self.subject} returns no floating-point or complex array")
        return tuple(found[i] for i in self._kept)

    def run(self, leaves: Sequence[Any]) -> Arrays:
        """The outputs at another point, as arrays."""
        with np.errstate(all="ignore"):
            found = self(*(constant(x, Tensor) for x in leaves))
        return [np.asarray(y.value if isinstance(y, Node) else y)[()] for y in found]

    def beside(self, rng: np.random.Generator, size: float) -> Problem:
        """The same function at a point nearby."""
        moved = []
        for x in self.leaves:
            direction = random_direction(rng, [x])[0]
            moved.append((x + size * _scale(x) * np.sqrt(max(np.size(x), 1)) * direction).astype(x.dtype)[()])
        return Problem(self._f, self._rebuild(moved), subject=self.subject, names=self.names)

    def reverse(self, weights: Arrays, leaves: Arrays | None = None) -> Arrays:
        """Backpropagation: what each leaf receives when the outputs receive `weights`."""
        with np.errstate(all="ignore"):
            _, pullback = vjp(self, *(self.leaves if leaves is None else leaves))
            return [np.asarray(g)[()] for g in pullback(tuple(weights))]

    def forward(self, directions: Arrays) -> Arrays:
        """Forward mode: the change of the outputs when the leaves change by `directions`."""
        with np.errstate(all="ignore"):
            _, changes = jvp(self, tuple(self.leaves), tuple(directions))
        return [np.asarray(t)[()] for t in changes]

    def slope(self, directions: Arrays, weights: Arrays | None = None) -> Slope:
        """Numerical derivative along `directions`, of every output number or of their sum weighted."""
        w = None if weights is None else as_vector(weights)

        def along(h: float) -> Any:
            y = as_vector(
                self.run([(x + h * u).astype(x.dtype)[()] for x, u in zip(self.leaves, directions)])
            )
            return y if w is None else np.array([w @ y])

        return slope_of(along, self._step(directions))

    def size(self, directions: Arrays) -> float:
        """The size of the outputs, per size of the arguments that move."""
        return length(as_vector(self.outputs)) * LARGEST_STEP / self._step(directions)

    def _step(self, directions: Arrays) -> float:
        moving = [np.max(np.abs(u), initial=0.0) / _scale(x) for x, u in zip(self.leaves, directions)]
        return LARGEST_STEP / max([*map(float, moving), 1e-300])

    def unit(self, leaf: int, position: int) -> Arrays:
        """The direction in which one real number of one leaf moves."""
        directions = [np.zeros_like(x) for x in self.leaves]
        x = np.atleast_1d(directions[leaf]).copy()
        x.reshape(-1).view(np.float64)[position] = 1.0
        directions[leaf] = x.reshape(np.shape(self.leaves[leaf]))[()]
        return directions


def random_direction(rng: np.random.Generator, like: Sequence[Any]) -> Arrays:
    """Arrays of random signs and similar sizes, together of length one; complex ones with both parts.

    No entry is near zero, so that no error hides behind a small weight; equal entries would hide errors that
    cancel in a sum.
    """
    count = sum(np.size(x) * (2 if np.iscomplexobj(x) else 1) for x in like)
    numbers = rng.uniform(0.5, 1.5, count) * rng.choice([-1.0, 1.0], count)
    numbers /= np.linalg.norm(numbers) or 1.0
    found, start = [], 0
    for x in like:
        n = np.size(x) * (2 if np.iscomplexobj(x) else 1)
        part = numbers[start : start + n]
        found.append((part.view(np.complex128) if np.iscomplexobj(x) else part).reshape(np.shape(x))[()])
        start += n
    return found


def _scale(x: Any) -> float:
    """The size of the numbers in x, at least one."""
    return max(1.0, float(np.sqrt(np.mean(np.abs(x) ** 2)))) if np.size(x) else 1.0


def _owners(xs: Sequence[Any]) -> list[int]:
    return [n for n, x in enumerate(xs) for _ in flatten(x)[0]]
