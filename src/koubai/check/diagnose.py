"""From a derivative that is wrong somewhere to the op or argument, the index and the likely cause."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from koubai.check.cause import Evidence, cause_of
from koubai.check.judge import Tolerance, compare, compare_along
from koubai.check.locate import suspects
from koubai.check.numerical import as_vector
from koubai.check.problem import Problem, random_direction
from koubai.check.report import Diagnosis

__all__ = ["diagnose"]

BLOCK = 512
DIRECTIONS = 4  # In one alone a small error may cancel.
CUT = (
    "every op by itself is right, so a connection is missing: a part is cut off by detach, kb.no_grad, rounding or a "
    "conversion to plain numbers, so that the gradient of that part never arrives"
)


def diagnose(
    problem: Problem, weights: list[Any], moving: list[int], mode: str, tolerance: Tolerance
) -> Diagnosis | None:
    """What is wrong with a derivative of which a directional derivative was wrong; None if no element is.

    First each op of the graph is checked by itself, inputs before users; if one is wrong, it is the culprit.
    Otherwise the arguments of the function are named.
    """
    whole = not problem.names[0].startswith("input")  # and not one op of a graph
    for suspect in suspects(problem) if whole else ():
        found = _first_fault(suspect, _weights(suspect), range(len(suspect.leaves)), mode, tolerance)
        if found is not None:
            return found
    found = _first_fault(problem, weights, moving, mode, tolerance)
    if whole and found is not None and found.kind in ("unknown", "factor"):
        return replace(found, kind="cut", cause=CUT)
    return found


def _weights(problem: Problem) -> list[Any]:
    return random_direction(np.random.default_rng(0), problem.outputs)


def _first_fault(
    problem: Problem, weights: list[Any], moving: Any, mode: str, tolerance: Tolerance
) -> Diagnosis | None:
    for leaf in moving:
        if np.size(problem.leaves[leaf]):
            found = _fault_of(problem, weights, leaf, mode, tolerance)
            if found is not None:
                return found
    return None


def _fault_of(problem: Problem, weights: list[Any], leaf: int, mode: str, tolerance: Tolerance) -> Diagnosis | None:
    rng = np.random.default_rng(1)
    gradients = problem.reverse(weights) if mode == "reverse" else None
    positions = np.arange(as_vector([problem.leaves[leaf]]).size)
    tries = (_along(problem, weights, gradients, leaf, positions, rng, tolerance) for _ in range(DIRECTIONS))
    if all(verdict == "agree" for verdict, _ in tries):
        return None
    while positions.size > BLOCK:
        halves = np.array_split(positions, 2)
        worse = [_along(problem, weights, gradients, leaf, half, rng, tolerance)[1] for half in halves]
        positions = halves[int(np.argmax(worse))]
    return _worst(problem, weights, gradients, leaf, positions, tolerance)


def _along(
    problem: Problem,
    weights: Any,
    gradients: Any,
    leaf: int,
    positions: Any,
    rng: np.random.Generator,
    tolerance: Tolerance,
) -> tuple[str, float]:
    """Verdict and relative difference when only some elements of one leaf move."""
    (full,) = random_direction(rng, [problem.leaves[leaf]])
    flat = as_vector([full])
    chosen = np.zeros_like(flat)
    chosen[positions] = flat[positions] / np.linalg.norm(flat[positions])
    directions = [np.zeros_like(x) for x in problem.leaves]
    directions[leaf] = _shaped(chosen, problem.leaves[leaf])
    (found,) = compare_along(problem, directions, weights, gradients, gradients is None, tolerance)
    return found.verdict, found.relative if np.isfinite(found.relative) else np.inf


def _shaped(vector: Any, like: Any) -> Any:
    return (vector.view(np.complex128) if np.iscomplexobj(like) else vector).reshape(np.shape(like))[()]


def _worst(
    problem: Problem, weights: Any, gradients: Any, leaf: int, positions: Any, tolerance: Tolerance
) -> Diagnosis | None:
    """The element that differs most among these, if one differs, and what the pattern of differences says."""
    columns, analytic, verdicts = [], [], []
    w = as_vector(weights)
    known = None if gradients is None else as_vector([gradients[leaf]])
    slopes = []
    for p in positions:
        unit = problem.unit(leaf, int(p))
        slopes.append(problem.slope(unit, weights))
        columns.append(problem.slope(unit).value if positions.size * w.size <= 65536 else None)
        analytic.append(known[p] if known is not None else w @ as_vector(problem.forward(unit)))
    a, n = np.array(analytic), np.array([float(s.value[0]) for s in slopes])
    typical = float(np.sqrt(np.mean(n[np.isfinite(n)] ** 2))) if np.isfinite(n).any() else 0.0
    mode = "reverse" if gradients is not None else "forward"
    size = problem.size(problem.unit(leaf, int(positions[0])))
    for value, slope in zip(a, slopes):
        verdicts.append(compare(mode, float(value), slope, typical, size, tolerance).verdict)
    wrong = np.array([v == "wrong" for v in verdicts])
    if not wrong.any():
        return None
    with np.errstate(invalid="ignore"):
        gap = np.where(wrong, np.abs(a - n), -1.0)
    at = int(np.argmax(np.where(np.isfinite(gap), gap, np.inf)))
    complete = positions.size == as_vector([problem.leaves[leaf]]).size
    evidence = Evidence(
        problem, leaf, mode, weights, a, n, np.array([float(s.jump[0]) for s in slopes]),
        np.array(columns).T if complete and columns and columns[0] is not None else None, complete, at,
    )  # fmt: skip
    kind, cause = cause_of(evidence)
    x = problem.leaves[leaf]
    per = 2 if np.iscomplexobj(x) else 1
    index = tuple(int(i) for i in np.unravel_index(int(positions[at]) // per, np.shape(x)))
    label = f"{problem.subject}, {problem.names[leaf]}" if problem.subject != "the function" else problem.names[leaf]
    part = (" (real part)", " (imaginary part)")[int(positions[at]) % 2] if per == 2 else ""
    return Diagnosis(mode, label + part, index, float(a[at]), float(n[at]), kind, cause)
