"""Whether two numbers agree, and what it means when they do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from koubai.check.numerical import as_vector, length
from koubai.check.problem import Problem
from koubai.check.slope import Slope

__all__ = ["Comparison", "Tolerance", "compare"]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much difference is allowed, beside what the numerical side says of its own error."""

    rtol: float = 1e-6
    atol: float = 0.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """One directional derivative, computed by a rule and numerically.

    Attributes
    ----------
    verdict : str
        "agree"; "kink" if the point lies on one and the number is between the slopes on both sides; "rough" if
        the numerical side is too inexact to say; "wrong".
    relative : float
        The difference, relative to the size of a typical directional derivative there.
    """

    mode: str
    analytic: float
    numerical: float
    verdict: str
    relative: float


def compare(
    mode: str, analytic: float, slope: Slope, typical: float, size: float, tolerance: Tolerance
) -> Comparison:
    """Judge a derivative against a slope of one element.

    Parameters
    ----------
    typical : float
        The size that such a derivative has along a random direction: cancellation in this one is no error.
    size : float
        The size of the function's value, in a unit step of its arguments: the measure of rounding.
    """
    numerical, error, jump = float(slope.value[0]), float(slope.error[0]), float(abs(slope.jump[0]))
    difference = abs(analytic - numerical)
    scale = max(abs(analytic), abs(numerical), typical)
    allowed = tolerance.atol + tolerance.rtol * scale
    faint = 1e-9 * max(1.0, size)
    sharp = error <= max(allowed, faint) < np.inf
    floor = 1e-3 * max(1.0, size) if difference <= 10.0 * error else 1e-300
    relative = difference / max(scale, floor)
    if not np.isfinite(analytic):
        verdict = "wrong"
    elif jump > allowed and difference <= 0.51 * jump + allowed + 10.0 * error:
        verdict = "kink"
    elif sharp and difference <= allowed + 10.0 * error:
        verdict = "agree"
    else:
        verdict = "wrong" if sharp and difference > 10.0 * float(slope.hidden[0]) else "rough"
    return Comparison(mode, analytic, numerical, verdict, relative)


def compare_along(
    problem: Problem,
    directions: Sequence[Any],
    weights: list[Any],
    gradients: Sequence[Any] | None,
    forward: bool,
    tolerance: Tolerance,
) -> list[Comparison]:
    """Compare reverse mode (given the `gradients`) and forward mode with the slope along `directions`."""
    directions = list(directions)
    slope = problem.slope(directions, weights)
    size = problem.size(directions)
    u = as_vector(directions)
    moving = u != 0
    typical = 0.0
    found = []
    if gradients is not None:
        g = as_vector(gradients)
        typical = length(g[moving]) * length(u) / np.sqrt(max(moving.sum(), 1))
        found.append(compare("reverse", float(g[moving] @ u[moving]), slope, typical, size, tolerance))
    if forward:
        t, w = as_vector(problem.forward(directions)), as_vector(weights)
        typical = max(typical, length(t) * length(w) / np.sqrt(max(t.size, 1)))
        found.append(compare("forward", float(w @ t), slope, typical, size, tolerance))
    return found
