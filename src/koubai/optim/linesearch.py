"""A line search for the strong Wolfe conditions: first bracket a good step length, then close in on it.

J. Nocedal, S. J. Wright, "Numerical Optimization", 2nd edition, algorithms 3.5 and 3.6, with cubic
interpolation (formula 3.59) kept away from the ends of the bracket.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Point", "strong_wolfe"]

SUFFICIENT = 1e-4  # how much of the promised decrease must come
FLATTER = 0.9  # how much flatter the slope must become


class Point(NamedTuple):
    """Loss and gradient at a distance along a direction."""

    length: float
    loss: float
    gradient: np.ndarray[Any, Any]
    slope: float = math.nan


def _cubic_minimum(a: Point, b: Point, low: float, high: float) -> float:
    """Where the cubic through two points with their slopes is lowest, kept within bounds."""
    if a.length > b.length:
        a, b = b, a
    d = a.slope + b.slope - 3.0 * (a.loss - b.loss) / (a.length - b.length)
    square = d * d - a.slope * b.slope
    if not square >= 0.0:
        return 0.5 * (low + high)
    root = math.sqrt(square)
    below = b.slope - a.slope + 2.0 * root
    if below == 0.0:
        return 0.5 * (low + high)
    return min(max(b.length - (b.length - a.length) * ((b.slope + root - d) / below), low), high)


def strong_wolfe(
    at: Callable[[float], Point],
    start: Point,
    length: float,
    direction: np.ndarray[Any, Any],
    slope: float,
    tolerance: float,
    most: int = 25,
) -> tuple[Point, int]:
    """A point along the direction that satisfies the strong Wolfe conditions, and how many were tried.

    Parameters
    ----------
    at : callable
        The point at a distance.
    start : Point
        Where the search begins, at distance 0.
    length : float
        First distance tried.
    direction : array
    slope : float
        Of the loss at the start, along the direction; negative.
    tolerance : float
        A bracket in which no parameter moves more ends the search.
    most : int
        How many trials beyond the first are made.
    """

    def tried(t: float) -> Point:
        point = at(t)
        return point._replace(slope=float(point.gradient @ direction))

    start = start._replace(length=0.0, slope=slope)
    enough: Callable[[Point], bool] = lambda p: p.loss <= start.loss + SUFFICIENT * p.length * slope
    flat: Callable[[Point], bool] = lambda p: abs(p.slope) <= -FLATTER * slope

    before, here, trials = start, tried(length), 1
    bracket: list[Point] | None = None
    iteration = 0
    while bracket is None and iteration < most:
        # `not` also catches a loss that is not a number.
        if not enough(here) or (iteration > 1 and here.loss >= before.loss):
            bracket = [before, here]
        elif flat(here):
            return here, trials
        elif here.slope >= 0.0:
            bracket = [before, here]
        else:
            further = here.length + 0.01 * (here.length - before.length)
            t = _cubic_minimum(before, here, further, 10.0 * here.length)
            before, here = here, tried(t)
            trials, iteration = trials + 1, iteration + 1
    narrow = tolerance / (float(np.abs(direction).max()) or 1.0)
    return _zoom(bracket or [start, here], tried, enough, flat, most - iteration, trials, narrow)


def _zoom(
    bracket: list[Point],
    tried: Callable[[float], Point],
    enough: Callable[[Point], bool],
    flat: Callable[[Point], bool],
    left_over: int,
    trials: int,
    narrow: float,
) -> tuple[Point, int]:
    """Close in on a good point between two ends, of which the lower is kept."""
    low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
    stalled = False
    while left_over > 0 and abs(bracket[1].length - bracket[0].length) >= narrow:
        left, right = sorted(p.length for p in bracket)
        t, stalled = _away_from_ends(_cubic_minimum(bracket[0], bracket[1], left, right), left, right, stalled)
        here = tried(t)
        trials, left_over = trials + 1, left_over - 1
        if not enough(here) or here.loss >= bracket[low].loss:
            bracket[high] = here
            low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
            continue
        if flat(here):
            return here, trials
        if here.slope * (bracket[high].length - bracket[low].length) >= 0.0:
            bracket[high] = bracket[low]
        bracket[low] = here
    return bracket[low], trials


def _away_from_ends(t: float, left: float, right: float, stalled: bool) -> tuple[float, bool]:
    """A trial near an end of the bracket is let through once; the next one moves a tenth inwards."""
    margin = 0.1 * (right - left)
    if min(right - t, t - left) >= margin:
        return t, False
    if not stalled and left < t < right:
        return t, True
    return (right - margin if abs(t - right) < abs(t - left) else left + margin), False
