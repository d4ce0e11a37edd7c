"""L-BFGS: a quasi-Newton method for smooth losses computed on all the data at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from koubai.errors import DTypeError, UsageError
from koubai.optim.hyper import checked
from koubai.optim.linesearch import Point, strong_wolfe
from koubai.optim.optimizer import distinct

__all__ = ["LBFGS"]

Vector = np.ndarray[Any, Any]


class LBFGS:
    """The limited-memory method of Broyden, Fletcher, Goldfarb and Shanno.

    The direction is ``-H g``, with H the inverse Hessian as the last `history_size` pairs of steps s and
    changes of the gradient y describe it (two-loop recursion), scaled by ``s.y / y.y``. One call of `step`
    makes up to `max_iter` iterations, each with one evaluation, or a line search.

    Parameters
    ----------
    lr : float, default 1
        Length of a step along the direction; where a line search begins.
    max_iter : int, default 20
        Iterations a call.
    max_eval : int, optional
        Evaluations a call; by default ``max_iter * 5 // 4``.
    tolerance_grad : float, default 1e-7
        Stop when no element of the gradient is larger.
    tolerance_change : float, default 1e-9
        Stop when the loss or no parameter changes more.
    history_size : int, default 100
    line_search_fn : "strong_wolfe" or None, default None

    Attributes
    ----------
    state : dict or None
        What is kept between calls: plain data.

    References
    ----------
    D. C. Liu, J. Nocedal, "On the limited memory BFGS method for large scale optimization", Mathematical
    Programming 45 (1989).

    Examples
    --------
    >>> import koubai as kb
    >>> w = kb.tensor([-1.0, 2.0], requires_grad=True)
    >>> def closure():
    ...     loss = (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> optimizer = kb.optim.LBFGS(max_iter=50, line_search_fn="strong_wolfe")
    >>> first = optimizer.step({"w": w}, closure)
    >>> w.numpy().round(4)
    array([1., 1.])
    """

    state: dict[str, Any] | None

    def __init__(self, lr: float = 1.0, max_iter: int = 20, max_eval: int | None = None, tolerance_grad: float = 1e-7,
                 tolerance_change: float = 1e-9, history_size: int = 100,
                 line_search_fn: str | None = None) -> None:  # fmt: skip
        max_eval = max_iter * 5 // 4 if max_eval is None else max_eval
        self.options = checked("LBFGS", {
            "lr": lr, "max_iter": max_iter, "max_eval": max_eval, "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change, "history_size": history_size,
        })  # fmt: skip
        if callable(lr):
            raise UsageError("LBFGS: expected lr to be a number; its steps find their length by themselves")
        if line_search_fn not in (None, "strong_wolfe"):
            raise UsageError(f"LBFGS: expected line_search_fn to be 'strong_wolfe' or None, got {line_search_fn!r}")
        self.options["line_search_fn"] = line_search_fn
        self.state = None

    def __repr__(self) -> str:
        return f"LBFGS({', '.join(f'{k}={v!r}' for k, v in self.options.items())})"

    def step(self, model: Any, closure: Callable[[], Any]) -> Any:
        """Minimize the loss that `closure` computes, for up to `max_iter` iterations.

        Parameters
        ----------
        model : Module, or dict of tensors
            Whose trainable parameters are moved; each is given new arrays, none is written in.
        closure : callable
            Computes the loss, calls ``backward()`` on it and returns it. Gradients are cleared before.

        Returns
        -------
        The loss before the first iteration, as `closure` returned it.

        Raises
        ------
        UsageError
            If the closure leaves no gradients.
        DTypeError
            If a parameter is complex.
        """
        h = self.options
        problem = _Problem(model, closure)
        first, start = problem.here()
        state = self.state or {"iterations": 0, "steps": [], "changes": [], "direction": None, "last": None}
        point, evaluations = start, 1
        for iteration in range(1, h["max_iter"] + 1):
            if np.abs(point.gradient).max(initial=0.0) <= h["tolerance_grad"] or evaluations >= h["max_eval"]:
                break
            state = _remembered(state, point.gradient, h["history_size"])
            direction = _direction(state, point.gradient)
            state["iterations"] += 1
            # The very first step has no scale yet: its elements sum to at most one.
            scale = min(1.0, 1.0 / float(np.abs(point.gradient).sum())) if state["iterations"] == 1 else 1.0
            t = scale * h["lr"]
            slope = float(point.gradient @ direction)
            state.update(direction=direction, last=point.gradient, length=t)
            if slope > -h["tolerance_change"]:
                break
            if h["line_search_fn"]:
                most = h["max_eval"] - evaluations
                at = problem.along(direction)
                found, count = strong_wolfe(at, point, t, direction, slope, h["tolerance_change"], most)
            elif iteration == h["max_iter"]:
                problem.move(direction, t)  # the next call begins with the evaluation that would be due here
                break
            else:
                found, count = problem.along(direction)(t), 1
            problem.move(direction, found.length)
            evaluations += count
            state["length"] = found.length
            change = float(np.abs(found.length * direction).max(initial=0.0))
            stuck = change <= h["tolerance_change"] or abs(found.loss - point.loss) < h["tolerance_change"]
            point = found
            if stuck:
                break
        self.state = state
        return first


def _remembered(state: dict[str, Any], gradient: Vector, size: int) -> dict[str, Any]:
    """The state with the last step and what it changed of the gradient, if the curvature along it is positive."""
    if state["direction"] is None:
        return dict(state)
    s = state["direction"] * state["length"]
    y = gradient - state["last"]
    if float(y @ s) <= 1e-10:
        return dict(state)
    return {**state, "steps": [*state["steps"], s][-size:], "changes": [*state["changes"], y][-size:]}


def _direction(state: dict[str, Any], gradient: Vector) -> Vector:
    """``-H g`` by the two-loop recursion."""
    q = -gradient
    pairs = list(zip(state["steps"], state["changes"]))
    shares = []
    for s, y in reversed(pairs):
        shares.append((s @ q) / (y @ s))
        q = q - shares[-1] * y
    if pairs:
        s, y = pairs[-1]
        q = q * ((y @ s) / (y @ y))
    for (s, y), share in zip(pairs, reversed(shares)):
        q = q + s * (share - (y @ q) / (y @ s))
    return q


class _Problem:
    """The trainable parameters as one vector, and the loss as a function along a line from where they stand."""

    def __init__(self, model: Any, closure: Callable[[], Any]) -> None:
        self.tensors = [p for p in distinct(model).values() if p.requires_grad]
        for p in self.tensors:
            if p.dtype.kind == "c":
                raise DTypeError(f"LBFGS.step: parameter {p.name or ''} is complex; train its real and imaginary parts")
        self.closure = closure
        self.values = [p.value for p in self.tensors]

    def here(self) -> tuple[Any, Point]:
        """What the closure returns, and the point where the parameters stand."""
        for p in self.tensors:
            p.grad = None
        loss = self.closure()
        if all(p.grad is None for p in self.tensors):
            raise UsageError("LBFGS.step: the closure left no gradients; it must call backward() on the loss")
        parts = [np.zeros(p.size, p.dtype) if p.grad is None else np.ravel(p.grad) for p in self.tensors]
        number = loss.item() if hasattr(loss, "item") else loss
        return loss, Point(0.0, float(number), np.concatenate(parts))

    def _place(self, direction: Vector, length: float) -> list[Any]:
        placed, begin = [], 0
        for value in self.values:
            part = direction[begin : begin + value.size].reshape(value.shape)
            placed.append((value + length * part).astype(value.dtype, copy=False)[()])
            begin += value.size
        return placed

    def _put(self, values: list[Any]) -> None:
        for p, value in zip(self.tensors, values):
            p.value = value

    def along(self, direction: Vector) -> Callable[[float], Point]:
        """Loss and gradient at a distance along the direction; the parameters are put back."""

        def at(length: float) -> Point:
            self._put(self._place(direction, length))
            try:
                _, point = self.here()
            finally:
                self._put(self.values)
            return point._replace(length=length)

        return at

    def move(self, direction: Vector, length: float) -> None:
        self.values = self._place(direction, length)
        self._put(self.values)
