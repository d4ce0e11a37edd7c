"""check_grads: backpropagation and forward mode against numerical differentiation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from koubai.check.diagnose import diagnose
from koubai.check.judge import Comparison, Tolerance, compare_along
from koubai.check.problem import Problem, random_direction
from koubai.check.report import Diagnosis, GradReport
from koubai.errors import GradientError, UnsupportedError, UsageError
from koubai.graph import Node
from koubai.tensor import vjp
from koubai.tensor.trees import flatten

__all__ = ["Run", "check_grads"]

DIRECTIONS = 2
ATTEMPTS = 6
NUDGE = 2.0**-7


def check_grads(
    f: Callable[..., Any],
    *xs: Any,
    order: int = 1,
    modes: Sequence[str] = ("rev", "fwd"),
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
) -> GradReport:
    """Check the derivatives of ``f`` at a point against numerical differentiation.

    Slopes along random directions are compared first, which costs a few calls of f however many parameters
    there are: for random weights w and directions v, backpropagation gives <J'w, v>, forward mode <w, Jv>, and
    central differences the same number independently. Only when they differ, single elements are
    differentiated to find the op or the argument, the index and the likely cause.

    Everything is computed in float64, also for float32 arguments, whose own gradients are then compared with the
    ones in float64. Where the point lies on a kink, as relu at 0, a point beside it is checked and the
    report says so.

    Parameters
    ----------
    f : callable
        Takes arrays, numbers, or nested tuples, lists and dicts of these, and returns such.
    *xs
        The point.
    order : int
        2 checks the gradient's derivatives too, and so on.
    modes : sequence of str
        "rev" for reverse mode, "fwd" for forward mode. Forward mode is left out, with a note in the report,
        where an op has none; if it is the only mode, that raises.
    rtol, atol : float, optional
        Allowed difference, relative to the size of such a derivative (default 1e-6) and absolute (default 0).
    seed : int
        For the random directions.

    Returns
    -------
    GradReport

    Raises
    ------
    GradientError
        With a diagnosis (also as its attribute `diagnosis`), if derivatives differ; or if nothing can be
        decided, because f is not finite, not deterministic, not smooth, or computes in too little precision.
    UnsupportedError
        If a derivative of this mode or order does not exist.

    Examples
    --------
    >>> import koubai as kb
    >>> report = kb.check_grads(lambda a, b: (a * b - 1.0) ** 3, np.array([0.1, 0.2]), 3.0, order=2)
    >>> report.ok, report.max_error < 1e-8
    (True, True)
    """
    wanted = tuple(modes)
    if not wanted or not set(wanted) <= {"rev", "fwd"}:
        raise UsageError(f'check_grads: expected modes among "rev" and "fwd", got {modes!r}')
    if not isinstance(order, (int, np.integer)) or order < 1:
        raise UsageError(f"check_grads: expected a whole number of at least 1 as order, got {order!r}")
    if not flatten(list(xs))[0]:
        raise UsageError("check_grads: there is nothing to check, since the function was given no arguments")
    run = Run(Tolerance(1e-6 if rtol is None else rtol, 0.0 if atol is None else atol), wanted, seed)
    for k in range(1, order + 1):
        run.check(Problem(f, xs, subject="the function" if k == 1 else f"the derivative of order {k - 1}"))
        if k == 1:
            run.check_single(f, xs)
        if k < order:
            f = _gradient_function(f, xs, run.rng)
    return GradReport(True, run.max_error, run.checked, tuple(run.notes))


def _gradient_function(
    f: Callable[..., Any], xs: Sequence[Any], rng: np.random.Generator
) -> Callable[..., Any]:
    """The gradients that f's arguments receive when its outputs receive random weights."""
    problem = Problem(f, xs)
    weights = tuple(random_direction(rng, problem.outputs))

    def gradients(*args: Any) -> Any:
        leaves, _ = flatten(list(args))
        return vjp(problem, *leaves)[1](weights)

    return gradients


class Run:
    """One call of `check_grads`: what is asked, and what was found so far."""

    def __init__(self, tolerance: Tolerance, modes: tuple[str, ...], seed: int) -> None:
        self.tolerance = tolerance
        self.reverse, self.forward = "rev" in modes, "fwd" in modes
        self.rng = np.random.default_rng(seed)
        self.max_error, self.checked = 0.0, 0
        self.notes: list[str] = []

    def check(self, problem: Problem) -> None:
        """Compare along random directions; after a kink or a rough spot once more, then beside the point."""
        for attempt in range(ATTEMPTS):
            here = problem if attempt < 2 else problem.beside(self.rng, NUDGE * 2.0 ** (attempt - 2))
            weights = random_direction(self.rng, here.outputs)
            doubtful = self._check_point(here, weights)
            if doubtful is None:
                if attempt >= 2:
                    self._note(
                        f"{problem.subject} has a kink at the given point, where the gradient is a convention; "
                        f"checked beside it"
                    )
                return
        raise self._undecided(problem, doubtful)

    def _check_point(self, problem: Problem, weights: list[Any]) -> Comparison | None:
        gradients = problem.reverse(weights) if self.reverse else None
        for moving in self._movements(problem):
            directions = self._directions(problem, moving)
            if not any(np.size(u) for u in directions):
                continue
            found = self._compared(problem, directions, weights, gradients)
            for comparison in found:
                if comparison.verdict == "wrong":
                    diagnosis = diagnose(problem, weights, moving, comparison.mode, self.tolerance)
                    if diagnosis is not None:
                        raise refusal(diagnosis)
                if comparison.verdict != "agree":
                    return comparison
            self.checked += len(found)
            self.max_error = max([self.max_error, *(c.relative for c in found)])
        return None

    def _movements(self, problem: Problem) -> list[list[int]]:
        """Which leaves move in each comparison: all together, and each by itself, lest a large gradient
        hide the error of a small one."""
        every = list(range(len(problem.leaves)))
        return [every] * DIRECTIONS + ([[i] for i in every] if len(every) > 1 else [])

    def _directions(self, problem: Problem, moving: list[int]) -> list[Any]:
        drawn = iter(random_direction(self.rng, [problem.leaves[i] for i in moving]))
        return [next(drawn) if i in moving else np.zeros_like(x) for i, x in enumerate(problem.leaves)]

    def _compared(
        self, problem: Problem, directions: list[Any], weights: list[Any], gradients: Any
    ) -> list[Comparison]:
        try:
            return compare_along(problem, directions, weights, gradients, self.forward, self.tolerance)
        except UnsupportedError as error:
            if not (self.forward and self.reverse):
                raise
            self.forward = False
            self._note(f"forward mode was not checked: {error}")
            return self._compared(problem, directions, weights, gradients)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _undecided(self, problem: Problem, doubtful: Comparison | None) -> GradientError:
        assert doubtful is not None
        if doubtful.verdict == "kink":
            kind, cause = "kink", "a kink here and everywhere around: the function is not differentiable"
        else:
            kind, cause = "precision", (
                "too little precision: the difference quotients do not settle at any step size, as when something is "
                "computed in float32 or rounded on the way, or the function is rough"
            )
        place = f"{problem.subject}, along a random direction"
        return refusal(
            Diagnosis(doubtful.mode, place, (), doubtful.analytic, doubtful.numerical, kind, cause)
        )

    def check_single(self, f: Callable[..., Any], xs: Sequence[Any]) -> None:
        """The gradients in the arguments' own precision, if that is single, against those in double."""
        flat = [x.value if isinstance(x, Node) else np.asarray(x) for x in flatten(list(xs))[0]]
        if not self.reverse or all(np.dtype(x.dtype).itemsize >= (16 if x.dtype.kind == "c" else 8) for x in flat
                                   if x.dtype.kind in "fc"):  # fmt: skip
            return
        problem = Problem(f, xs)
        weights = random_direction(self.rng, problem.outputs)
        own = [x if x.dtype.kind in "fc" else d for x, d in zip(flat, problem.leaves)]
        for name, single, double in zip(
            problem.names, problem.reverse(weights, own), problem.reverse(weights)
        ):
            size = float(np.linalg.norm(np.ravel(double)))
            difference = float(np.linalg.norm(np.ravel(single) - np.ravel(double)))
            if not difference <= 1e-3 * size + 1e-5:
                raise GradientError(
                    f"check_grads: the gradient of {name} is right in float64, but in {single.dtype} it is off by "
                    f"{difference / (size or 1.0):.1e} of its size: too little precision"
                )
        self._note(
            "the arguments are of single precision: their gradients were compared with those in float64, to 1e-3"
        )


def refusal(diagnosis: Diagnosis) -> GradientError:
    """The error that carries a diagnosis."""
    error = GradientError(f"check_grads: {diagnosis}")
    error.diagnosis = diagnosis
    return error
