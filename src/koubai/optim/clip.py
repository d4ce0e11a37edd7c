"""Clipping of gradients: functions of a tree of gradients, and an optimizer that clips first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from koubai.errors import UsageError
from koubai.graph import Node
from koubai.ops.elementwise import absolute, clip, maximum, minimum, sqrt
from koubai.ops.reduce import max as largest
from koubai.ops.reduce import sum as total
from koubai.ops.shape import astype
from koubai.optim.optimizer import Stepping
from koubai.optim.plateau import is_rate
from koubai.optim.trees import named_leaves, rebuilt

__all__ = ["Clipped", "clip_by_global_norm", "clip_by_norm", "clip_by_value", "global_norm"]


def _given(grads: Any) -> dict[str, Any]:
    """The gradients by name, without those that are None, as arrays or tensors."""
    leaves = named_leaves(grads)
    return {n: g if isinstance(g, Node) else np.asarray(g)[()] for n, g in leaves.items() if g is not None}


def _put_back(grads: Any, changed: Mapping[str, Any]) -> Any:
    return rebuilt(grads, {**named_leaves(grads), **changed})


def _limit(where: str, name: str, value: Any) -> float:
    if not is_rate(value):
        raise UsageError(f"{where}: expected {name} to be a number >= 0, got {value!r}")
    return float(value)


def clip_by_value(grads: Any, max_value: float) -> Any:
    """Each element between ``-max_value`` and ``max_value``.

    Parameters
    ----------
    grads : tree of real arrays; None is left alone
    max_value : float

    Examples
    --------
    >>> import koubai as kb, numpy as np
    >>> kb.optim.clip_by_value({"w": np.array([3.0, -0.5])}, 1.0)
    {'w': array([ 1. , -0.5])}
    """
    bound = _limit("clip_by_value", "max_value", max_value)
    return _put_back(grads, {name: clip(g, -bound, bound) for name, g in _given(grads).items()})


def _powers(g: Any, order: float) -> Any:
    """The sum of |g|^order, or the largest |g| for an infinite order, as a number."""
    everything = tuple(range(g.ndim))
    size = absolute(g)
    if order == np.inf:
        return largest(size, axis=everything, keepdims=False) if 0 not in g.shape else 0.0
    power = size * size if order == 2 else size**order
    return total(power, axis=everything, keepdims=False)


def _root(powers: Any, order: float) -> Any:
    if order == np.inf:
        return powers
    return sqrt(powers) if order == 2 else powers ** (1.0 / order)


def global_norm(grads: Any, norm_type: float = 2.0) -> Any:
    """The norm of all gradients as one long vector; 0.0 if there are none.

    Parameters
    ----------
    grads : tree of arrays; None counts as nothing
    norm_type : float, default 2
        Any number > 0, or infinity for the largest element.

    Examples
    --------
    >>> import koubai as kb, numpy as np
    >>> float(kb.optim.global_norm({"w": np.array([3.0]), "b": np.array([[4.0]])}))
    5.0
    """
    if not (isinstance(norm_type, (int, float)) and norm_type > 0):
        raise UsageError(f"global_norm: expected norm_type to be a number > 0 or infinity, got {norm_type!r}")
    powers = [_powers(g, norm_type) for g in _given(grads).values()]
    if not powers:
        return 0.0
    joined = powers[0]
    for power in powers[1:]:
        joined = maximum(joined, power) if norm_type == np.inf else joined + power
    return _root(joined, norm_type)


def _shrunk(g: Any, norm: Any, bound: float) -> Any:
    # The small number is PyTorch's: with it a gradient of norm 0 needs no case of its own.
    return g * _cast(minimum(bound / (norm + 1e-6), 1.0), g)


def _cast(factor: Any, g: Any) -> Any:
    real = np.zeros(0, g.dtype).real.dtype
    return astype(factor, dtype=real) if isinstance(factor, Node) else real.type(factor)


def clip_by_norm(grads: Any, max_norm: float, norm_type: float = 2.0) -> Any:
    """Each array by itself scaled down to the norm `max_norm`, if its norm is larger.

    Parameters
    ----------
    grads : tree of arrays; None is left alone
    max_norm : float
    norm_type : float, default 2

    Examples
    --------
    >>> import koubai as kb, numpy as np
    >>> clipped = kb.optim.clip_by_norm({"w": np.array([3.0, 4.0]), "b": np.array([0.5])}, 1.0)
    >>> clipped["w"].round(4), clipped["b"]
    (array([0.6, 0.8]), array([0.5]))
    """
    bound = _limit("clip_by_norm", "max_norm", max_norm)
    return _put_back(grads, {name: _shrunk(g, global_norm(g, norm_type), bound) for name, g in _given(grads).items()})


def clip_by_global_norm(grads: Any, max_norm: float, norm_type: float = 2.0) -> Any:
    """All arrays scaled down together, so that the norm of all of them is at most `max_norm`.

    The direction stays. ``g * min(1, max_norm / (norm + 1e-6))``, as PyTorch computes it.

    Parameters
    ----------
    grads : tree of arrays; None is left alone
    max_norm : float
    norm_type : float, default 2

    References
    ----------
    R. Pascanu, T. Mikolov, Y. Bengio, "On the difficulty of training recurrent neural networks", ICML 2013.

    Examples
    --------
    >>> import koubai as kb, numpy as np
    >>> clipped = kb.optim.clip_by_global_norm({"w": np.array([3.0]), "b": np.array([4.0])}, 1.0)
    >>> clipped["w"].round(4), clipped["b"].round(4)
    (array([0.6]), array([0.8]))
    """
    bound = _limit("clip_by_global_norm", "max_norm", max_norm)
    norm = global_norm(grads, norm_type)
    return _put_back(grads, {name: _shrunk(g, norm, bound) for name, g in _given(grads).items()})


class Clipped(Stepping):
    """An optimizer that clips the gradients before each update.

    Parameters
    ----------
    optimizer : optimizer
    max_value, max_norm, global_norm : float
        Exactly one: `clip_by_value`, `clip_by_norm` or `clip_by_global_norm`.

    Examples
    --------
    >>> import koubai as kb, numpy as np
    >>> optimizer = kb.optim.Clipped(kb.optim.SGD(lr=1.0), max_value=0.5)
    >>> params = {"w": np.array([1.0])}
    >>> optimizer.update({"w": np.array([9.0])}, optimizer.init(params), params)[0]["w"]
    array([0.5])
    """

    _functions: ClassVar[dict[str, Callable[..., Any]]] = {
        "max_value": clip_by_value,
        "max_norm": clip_by_norm,
        "global_norm": clip_by_global_norm,
    }

    def __init__(self, optimizer: Stepping, *, max_value: float | None = None, max_norm: float | None = None,
                 global_norm: float | None = None) -> None:  # fmt: skip
        given = {"max_value": max_value, "max_norm": max_norm, "global_norm": global_norm}
        chosen = [name for name, value in given.items() if value is not None]
        if len(chosen) != 1:
            raise UsageError(f"Clipped: expected one of max_value, max_norm, global_norm, got {len(chosen)} of them")
        self.optimizer = optimizer
        self.kind = chosen[0]
        self.limit = _limit("Clipped", self.kind, given[self.kind])

    def __repr__(self) -> str:
        return f"Clipped({self.optimizer!r}, {self.kind}={self.limit!r})"

    def _begin(self, params: Any) -> dict[str, Any]:
        return self.optimizer._begin(params)

    def update(self, grads: Any, state: dict[str, Any], params: Any) -> tuple[Any, dict[str, Any]]:
        return self.optimizer.update(self._functions[self.kind](grads, self.limit), state, params)

    def check_names(self, names: Any) -> None:
        self.optimizer.check_names(names)

    def observed(self, metric: float, state: dict[str, Any]) -> dict[str, Any]:
        return self.optimizer.observed(metric, state)
