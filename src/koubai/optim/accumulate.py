"""Gradient accumulation: one step for the mean of several gradients."""

from __future__ import annotations

from typing import Any

from koubai.graph import Node
from koubai.ops.elementwise import where
from koubai.optim.hyper import checked
from koubai.optim.optimizer import Stepping, sized_zeros
from koubai.optim.trees import named_leaves, rebuilt

__all__ = ["Accumulated"]


class Accumulated(Stepping):
    """An optimizer that moves at every n-th update only, along the mean of the n gradients.

    It gives large batches to one who has memory for small ones. Between the moves the parameters stay as
    they are. A gradient that is None counts as zero.

    Parameters
    ----------
    optimizer : optimizer
    n : int
        How many gradients make one step; schedules count the steps.

    Examples
    --------
    >>> import koubai as kb, numpy as np
    >>> optimizer = kb.optim.Accumulated(kb.optim.SGD(lr=1.0), n=2)
    >>> params = {"w": np.array([1.0])}
    >>> state = optimizer.init(params)
    >>> for g in [0.25, 0.75]:
    ...     params, state = optimizer.update({"w": np.array([g])}, state, params)
    ...     print(params["w"])
    [1.]
    [0.5]
    """

    def __init__(self, optimizer: Stepping, n: int) -> None:
        checked("Accumulated", {"n": n})
        self.optimizer = optimizer
        self.n = n

    def __repr__(self) -> str:
        return f"Accumulated({self.optimizer!r}, n={self.n})"

    def _begin(self, params: Any) -> dict[str, Any]:
        inner = self.optimizer._begin(params)
        return {"count": 0, "sum": {n: sized_zeros(p) for n, p in named_leaves(params).items()}, "inner": inner}

    def update(self, grads: Any, state: dict[str, Any], params: Any) -> tuple[Any, dict[str, Any]]:
        given = named_leaves(grads)
        sums = {name: s if given.get(name) is None else s + given[name] for name, s in state["sum"].items()}
        count = state["count"] + 1
        if isinstance(count, Node):
            return self._traced(count, sums, state, params)
        if count < self.n:
            return params, {**state, "count": count, "sum": sums}
        moved, inner = self._applied(sums, state, params)
        return moved, {"count": 0, "sum": {name: sized_zeros(s) for name, s in sums.items()}, "inner": inner}

    def _applied(self, sums: dict[str, Any], state: dict[str, Any], params: Any) -> tuple[Any, dict[str, Any]]:
        leaves = named_leaves(params)
        mean = {name: s / self.n for name, s in sums.items() if name in leaves}
        moved, inner = self.optimizer.update(mean, state["inner"], leaves)
        return rebuilt(params, moved), inner

    def _traced(
        self, count: Any, sums: dict[str, Any], state: dict[str, Any], params: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Both outcomes computed, one chosen: what a graph can do whose count is not known."""
        due = count >= self.n
        moved, inner = self._applied(sums, state, params)
        new = {
            "count": where(due, 0, count),
            "sum": {name: where(due, sized_zeros(s), s) for name, s in sums.items()},
            "inner": _chosen(due, inner, state["inner"]),
        }
        return _chosen(due, moved, params), new

    def check_names(self, names: Any) -> None:
        self.optimizer.check_names(names)

    def observed(self, metric: float, state: dict[str, Any]) -> dict[str, Any]:
        return {**state, "inner": self.optimizer.observed(metric, state["inner"])}


def _chosen(due: Any, new: Any, old: Any) -> Any:
    before = named_leaves(old)
    return rebuilt(new, {name: where(due, x, before[name]) for name, x in named_leaves(new).items()})
