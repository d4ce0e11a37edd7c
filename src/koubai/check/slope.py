"""The slope of a function of one number, by central differences, with an estimate of its own error.

A single step size cannot be right: a large one sees the curvature, a small one sees the rounding, and one
that reaches over a kink sees neither slope. So the step is halved again and again, each three neighbours are
extrapolated to step zero (Richardson; Ridders 1982), and the estimate that its neighbour confirms best wins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Slope", "slope_of"]

HALVINGS = 44
ENOUGH = 1e-10
EPS = float(np.finfo(np.float64).eps)

Vector = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Slope:
    """The derivative of a vector-valued function of one number, element by element.

    Attributes
    ----------
    value : array
        Mean of the slopes on both sides: the derivative, where there is one.
    error : array
        How far `value` may be off by rounding and curvature; infinite where nothing could be computed.
    jump : array
        Slope on the right minus slope on the left, 0 where the difference is no more than noise.
    hidden : array
        How steep the function may be on a scale below all steps: its noise, divided by the smallest step.
    """

    value: Vector
    error: Vector
    jump: Vector
    hidden: Vector


def slope_of(f: Callable[[float], Vector], step: float) -> Slope:
    """The derivative of f at 0, where f maps a number to a float64 vector.

    Parameters
    ----------
    f : callable
    step : float
        The largest step; it is halved up to 44 times. Values that are not finite are passed over.

    Examples
    --------
    >>> found = slope_of(lambda h: np.array([np.exp(h), abs(h)]), 0.01)
    >>> found.value.round(9).tolist(), found.jump.round(9).tolist()
    ([1.0, 0.0], [0.0, 2.0])
    """
    with np.errstate(all="ignore"):
        return _ladder(f, step)


def _ladder(f: Callable[[float], Vector], step: float) -> Slope:
    here = f(0.0)
    value, jump = np.full(here.shape, np.nan), np.zeros(here.shape)
    error, chosen = np.full(here.shape, np.inf), np.zeros(here.shape, int)
    central: list[Vector] = []
    gaps: list[Vector] = []
    for k in range(HALVINGS + 1):
        h = step * 0.5**k
        after, before = f(h), f(-h)
        central.append((after - before) / (2.0 * h))
        gaps.append(((after - here) - (here - before)) / h)
        if k < 2:
            continue
        noise = 4.0 * EPS * np.maximum(np.abs(after), np.abs(before)) / h
        estimate, doubt = _extrapolated(*central[-3:])
        doubt += noise
        better = np.isfinite(estimate) & (doubt < error)
        value, error = np.where(better, estimate, value), np.where(better, doubt, error)
        chosen = np.where(better, k, chosen)
        jump = np.where(better, _jump(gaps[-2], gaps[-1], doubt), jump)
        if np.all(error <= ENOUGH * np.maximum(np.abs(value), np.abs(here) / (64.0 * step))):
            return Slope(value, error, jump, np.zeros(here.shape))
        if np.all(noise > error):
            break  # Rounding alone makes every smaller step worse than what was found.
    residual = _noise(central, step, value, chosen)
    return Slope(value, np.maximum(error, residual / (step * 0.5**chosen)), jump, residual / h)


def _noise(central: list[Vector], step: float, value: Vector, chosen: Any) -> Vector:
    """How far the function's values are from the line with the slope found, at steps smaller than the chosen one.

    Where neither curvature nor kinks are left, this is the noise of the values. It is asked for because some
    estimate among many agrees with its neighbours by accident.
    """
    noise = np.zeros(value.shape)
    for k, slopes in enumerate(central):
        residual = np.abs(slopes - value) * (step * 0.5**k)
        noise = np.where((k > chosen) & np.isfinite(residual), np.maximum(noise, residual), noise)
    return noise


def _extrapolated(wide: Vector, middle: Vector, narrow: Vector) -> tuple[Vector, Vector]:
    """The limit of central differences at steps 4h, 2h, h, and the doubt about it.

    Their errors are c h^2 + d h^4 + ...; each extrapolation removes one term.
    """
    first = (4.0 * narrow - middle) / 3.0
    second = (16.0 * first - (4.0 * middle - wide) / 3.0) / 15.0
    return second, np.abs(second - first)


def _jump(wide: Vector, narrow: Vector, doubt: Vector) -> Vector:
    """The limit of the gap between the one-sided slopes at steps 2h and h; the curvature's part vanishes."""
    limit = 2.0 * narrow - wide
    return np.where(np.abs(limit) > 0.02 * np.abs(narrow) + 100.0 * doubt, limit, 0.0)
