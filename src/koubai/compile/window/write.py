"""The entry: which generator a convolution goes to."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from koubai.compile.window.gather import Gather
from koubai.compile.window.problem import Problem
from koubai.compile.window.weight import Weights

__all__ = ["Convolution", "write_convolution"]


class Convolution(NamedTuple):
    """What ``write_convolution`` made: a function, its units of work, and about how many terms it adds up."""

    name: str
    units: int
    terms: int


def write_convolution(p: Problem, result: str) -> Convolution:
    """Generate what computes x, w or y of a problem from the other two.

    Parameters
    ----------
    p : Problem
        None of its sizes is 0, and the three arrays do not overlap.
    result : "x", "w" or "y"
    """
    made = Weights(p) if result == "w" else Gather.on(p) if result == "y" else Gather.back(p)
    made.write()
    terms = p.examples * p.outputs * p.channels * p.groups * prod(p.windows.count) * prod(p.windows.kernel)
    return Convolution(p.name, made.units, terms)
