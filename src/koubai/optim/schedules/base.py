"""What a schedule is, the constant one, and what the others share."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

from koubai.errors import UsageError
from koubai.graph import Node
from koubai.ops.elementwise import cos, minimum
from koubai.optim.plateau import is_rate


class Schedule:
    """A function from the step to the learning rate. A schedule of one's own says it in `rate`.

    Examples
    --------
    >>> class Harmonic(Schedule):
    ...     def rate(self, step):
    ...         return 1.0 / (1 + step)
    >>> Harmonic()(3)
    0.25
    """

    def __call__(self, step: Any) -> Any:
        rate = self.rate(step)
        return rate if isinstance(rate, Node) else float(rate)

    def rate(self, step: Any) -> Any:
        """The rate at this step, written so that it can be traced."""
        raise NotImplementedError

    def expect(self, holds: bool, says: str) -> None:
        """Refuse the arguments unless a condition holds; `says` completes "expected"."""
        if not holds:
            raise UsageError(f"{type(self).__name__}: expected {says}, got {self}")


def is_count(x: Any) -> bool:
    """Whether `x` is an integer >= 1."""
    return isinstance(x, int) and not isinstance(x, bool) and x >= 1


def increasing(xs: Any) -> bool:
    """Whether `xs` are integers > 0, each larger than the one before."""
    return all(isinstance(x, int) and x > 0 for x in xs) and all(a < b for a, b in itertools.pairwise(xs))


def share(step: Any, steps: int) -> Any:
    """How much of the way is gone: from 0 to 1, then 1."""
    return minimum(step, steps) / steps


def cosine(start: Any, end: Any, part: Any) -> Any:
    """Half a period from `start` to `end`, at this part of the way."""
    return end + (start - end) * (1.0 + cos(math.pi * part)) / 2.0


def line(start: Any, end: Any, part: Any) -> Any:
    """A straight line from `start` to `end`, at this part of the way."""
    return start + (end - start) * part


@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate at every step.

    Examples
    --------
    >>> Constant(0.1)(1000)
    0.1
    """

    lr: float

    def __post_init__(self) -> None:
        self.expect(is_rate(self.lr), "lr to be a number >= 0")

    def rate(self, step: Any) -> Any:
        return self.lr
