"""What the pattern of differences says about the fault behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from koubai.check.numerical import as_vector
from koubai.check.problem import Problem

__all__ = ["Evidence", "cause_of"]

CLOSE = 1e-4
EXAMPLES = 64

Verdict = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one leaf whose gradient is wrong.

    Attributes
    ----------
    analytic, numerical : vectors
        The gradient's real numbers, by the rule and numerically (a block of them, if not `complete`).
    jump : vector
        How much the slopes on both sides differ.
    jacobian : matrix or None
        Every output number by every number of the leaf, numerically, where that is small enough.
    at : int
        The worst position.
    """

    problem: Problem
    leaf: int
    mode: str
    weights: list[Any]
    analytic: Any
    numerical: Any
    jump: Any
    jacobian: Any
    complete: bool
    at: int

    @property
    def value(self) -> Any:
        return self.problem.leaves[self.leaf]


def cause_of(evidence: Evidence) -> Verdict:
    """The likely cause: its kind and a sentence. The first that explains every difference is named."""
    for explanation in (_not_finite, _kink, _cut, _transposed, _one_example, _constant_factor, _factor):
        found = explanation(evidence)
        if found is not None:
            return found
    return "unknown", (
        "none of the usual ones (a factor, a sign, a sum over the batch, a transposed matrix, a kink) explains all "
        "differences; compare the rule with the derivative of the formula term by term"
    )


def _same(a: Any, b: Any) -> bool:
    size = max(float(np.max(np.abs(b), initial=0.0)), 1e-300)
    return a.shape == b.shape and bool(np.all(np.abs(a - b) <= CLOSE * size))


def _not_finite(e: Evidence) -> Verdict | None:
    if np.isfinite(e.analytic).all():
        return None
    return "not finite", (
        "a division by zero, or infinity times zero, in the rule, although the function is finite here: choose the "
        "harmless input with where before dividing, and not only the result after it"
    )


def _kink(e: Evidence) -> Verdict | None:
    if not e.jump[e.at]:
        return None
    half = abs(e.jump[e.at]) / 2
    low, high = e.numerical[e.at] - half, e.numerical[e.at] + half
    return "kink", (
        f"a kink: the slopes on both sides are {low:.6g} and {high:.6g}, and the gradient there must lie between them"
    )


def _cut(e: Evidence) -> Verdict | None:
    if np.any(e.analytic):
        return None
    return "cut", (
        "no gradient arrives: the way is cut by detach, kb.no_grad, a conversion to plain numbers, "
        "or a backward that returns zeros"
    )


def _transposed(e: Evidence) -> Verdict | None:
    shape = np.shape(e.value)
    if not e.complete or np.iscomplexobj(e.value):
        return None
    a, n = e.analytic.reshape(shape), e.numerical.reshape(shape)
    if len(shape) == 2 and min(shape) > 1 and not _same(a, n):
        if shape[0] == shape[1] and _same(a.T, n):
            return (
                "transpose",
                "a transposed matrix: these are the right numbers with rows and columns exchanged",
            )
        if _same(a.reshape(shape[::-1]).T, n):
            return (
                "transpose",
                "a transposed matrix: the right numbers, reshaped where they should be transposed",
            )
    if e.jacobian is not None and e.mode == "reverse" and e.jacobian.shape[0] == e.jacobian.shape[1] > 1:
        by_rule = _jacobian_by_rule(e)
        if not _same(by_rule, e.jacobian) and _same(by_rule.T, e.jacobian):
            return "transpose", (
                "a transposed matrix: the gradient was multiplied by W where W^T belongs (or the other way round)"
            )
    return None


def _jacobian_by_rule(e: Evidence) -> Any:
    outputs = e.problem.outputs
    rows = []
    for i, y in enumerate(outputs):
        for p in range(as_vector([y]).size):
            weights = [np.zeros_like(v) for v in outputs]
            one = np.atleast_1d(weights[i]).copy()
            one.reshape(-1).view(np.float64)[p] = 1.0
            weights[i] = one.reshape(np.shape(y))[()]
            rows.append(as_vector([e.problem.reverse(weights)[e.leaf]]))
    return np.array(rows)


def _one_example(e: Evidence) -> Verdict | None:
    """Whether the gradient is what a single example of the batch (axis 0 of an output) contributes."""
    if e.jacobian is None:
        return None
    start = 0
    for i, y in enumerate(e.problem.outputs):
        count = as_vector([y]).size
        if np.ndim(y) and 1 < len(y) <= EXAMPLES:
            w = as_vector([e.weights[i]]).reshape(len(y), -1)
            rows = e.jacobian[start : start + count].reshape(len(y), w.shape[1], -1)
            shares = np.einsum("bi,bij->bj", w, rows)
            for b, share in enumerate(shares):
                if _same(e.analytic, share) and not _same(e.numerical, share):
                    return "batch", (
                        f"a missing sum over the batch: this is what example {b} alone contributes, of {len(y)} along "
                        f"axis 0; sum over the axis that the argument does not have"
                    )
        start += count
    return None


def _ratio(e: Evidence) -> float | None:
    """The number r with numerical = r * analytic everywhere, if there is one."""
    a, n = e.analytic, e.numerical
    big = np.abs(a) > 1e-6 * np.max(np.abs(a))
    ratio = float(np.median(n[big] / a[big]))
    return ratio if ratio and _same(ratio * a, n) else None


def _constant_factor(e: Evidence) -> Verdict | None:
    ratio = _ratio(e)
    if ratio is None:
        return None
    if abs(ratio + 1.0) < CLOSE:
        return "sign", "the sign is turned: a minus is missing, or one too many"
    # An argument of the output's shape has the batch's axis itself: there is nothing to sum.
    outputs = [np.shape(y) for y in e.problem.outputs if np.shape(y) != np.shape(e.value)]
    lengths = {n for shape in outputs for n in shape[:1] if n > 1}
    for n in sorted(lengths):
        if abs(ratio / n - 1.0) < CLOSE and not (n == 2 and np.size(e.value) == 1 and not np.ndim(e.value)):
            return "batch", (
                f"a missing sum over the batch: the gradient is {n} times too small, and axis 0 has length {n}; "
                f"was a mean taken (or one row) where the sum belongs?"
            )
        if abs(ratio * n - 1.0) < CLOSE:
            return "batch", (
                f"a sum over the batch where a mean belongs: the gradient is {n} times too large, and axis 0 has "
                f"length {n}"
            )
    if abs(ratio) > 1.0:
        return (
            "factor",
            f"a factor missing in {_rule(e)}: the gradient is {_shown(ratio)} times too small everywhere",
        )
    return (
        "factor",
        f"a factor too many in {_rule(e)}: the gradient is {_shown(1 / ratio)} times too large everywhere",
    )


def _rule(e: Evidence) -> str:
    return "a backward" if e.mode == "reverse" else "a rule of forward mode"


def _shown(ratio: float) -> str:
    """A factor in as many digits as tell it from one."""
    return f"{ratio:.4g}" if abs(ratio - 1.0) > 1e-3 else f"{ratio:.8g}"


def _factor(e: Evidence) -> Verdict | None:
    """Whether the gradient lacks a factor that is one of the values about: an input, the output, its slope."""
    if not e.complete or np.iscomplexobj(e.value) or np.size(e.value) < 2:
        return None
    shape = np.shape(e.value)
    a, n = e.analytic.reshape(shape), e.numerical.reshape(shape)
    for name, factor in _candidates(e, shape):
        if _same(a * factor, n):
            return "factor", f"a factor missing in {_rule(e)}: multiply by {name}, element by element"
        if np.all(factor) and _same(a / factor, n):
            return "factor", f"a factor too many in {_rule(e)}: leave out {name}"
    return None


def _candidates(e: Evidence, shape: tuple[int, ...]) -> list[tuple[str, Any]]:
    named = [(e.problem.names[i], x) for i, x in enumerate(e.problem.leaves)]
    named += [
        (f"output {i}" if len(e.problem.outputs) > 1 else "the output", y)
        for i, y in enumerate(e.problem.outputs)
    ]
    found = []
    for name, x in named:
        if np.iscomplexobj(x):
            continue
        try:
            x = np.broadcast_to(x, shape)
        except ValueError:
            continue
        for label, factor in (
            (name, x), (f"the square of {name}", x * x), (f"2 times {name}", 2 * x), (f"1 - {name}", 1 - x),
            (f"1 - {name} squared", 1 - x * x), (f"(1 - y) y of {name}", x * (1 - x)),
            (f"whether {name} > 0", (x > 0) * 1.0),
        ):  # fmt: skip
            found.append((label, factor))
    return found
