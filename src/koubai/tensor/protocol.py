"""NumPy's protocols: NumPy's own functions, called with a tensor, are koubai's."""

from __future__ import annotations

from functools import cache
from itertools import accumulate
from types import ModuleType
from typing import Any

import numpy as np

from koubai.errors import UnsupportedError
from koubai.graph import Node
from koubai.ops import shape as s
from koubai.ops.index import running_place
from koubai.tensor import numpy as knp
from koubai.tensor.numpy.arguments import arrayed, axes, one_axis, refuse

__all__ = ["NumpyProtocols"]

REDUCE = {
    "add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min", "logical_and": "all", "logical_or": "any",
}  # fmt: skip
ACCUMULATE = {"add": "cumsum", "multiply": "cumprod"}


class NumpyProtocols(Node):
    """How NumPy's functions find koubai's through a tensor, for `Tensor`."""

    __slots__ = ()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """``np.tanh(t)``, ``np.add.reduce(t)``, ``np.multiply.outer(t, u)``."""
        name = ufunc.__name__
        if options.get("out") is not None:
            refuse(f"numpy.{name}", out=options["out"])
        if method == "__call__":
            function = getattr(knp, name, None)
            if function is not None:
                return function(*inputs, **options)
            if not options and not hasattr(np, name):
                from koubai.tensor import special  # which is written with this module's classes

                if name in special.__all__:
                    return getattr(special, name)(*inputs)
        elif method == "reduce" and name in REDUCE:
            return getattr(knp, REDUCE[name])(*inputs, **{"axis": 0, **options})
        elif method == "accumulate" and name in ACCUMULATE:
            return getattr(knp, ACCUMULATE[name])(*inputs, **{"axis": 0, **options})
        elif method == "accumulate" and name in ("maximum", "minimum"):
            return _running_extremum(name, *inputs, **options)
        elif method in ("reduce", "accumulate") and (getattr(getattr(knp, name, None), "nin", 0), ufunc.nout) == (2, 1):
            return _folded(name, method, *inputs, **options)
        elif method == "outer" and hasattr(knp, name):
            a, b = map(arrayed, inputs)
            return getattr(knp, name)(s.reshape(a, shape=(*a.shape, *(1,) * b.ndim)), b, **options)
        called = name if method == "__call__" else f"{name}.{method}"
        raise UnsupportedError(
            f"numpy.{called} is not defined for tensors; build it from functions of kb.numpy, or pass "
            f"t.detach().numpy() if no gradient is needed"
        )

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """``np.sum(t, axis=0)``, ``np.concatenate([t, u])``, ``np.linalg.norm(t)``."""
        ours = _table().get(function)
        if ours is None:
            raise UnsupportedError(
                f"{function.__module__}.{function.__name__} is not defined for tensors; build it from functions of "
                f"kb.numpy, or pass t.detach().numpy() if no gradient is needed"
            )
        return ours(*args, **kwargs)


def _folded(name: str, method: str, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None,
            keepdims: bool = False) -> Any:  # fmt: skip
    """A function of two numbers over an axis, from the first element to the last: the result, or all on the way."""
    a = arrayed(array) if dtype is None else arrayed(array).astype(dtype)
    over = axes(f"{name}.{method}", axis, a.ndim)
    if len(over) != 1 or a.shape[over[0]] == 0:
        raise UnsupportedError(f"numpy.{name}.{method} of a tensor: expected one axis with at least one element")
    (axis,) = over
    first, *rest = (a[(slice(None),) * axis + (slice(k, k + 1),)] for k in range(a.shape[axis]))
    steps = list(accumulate(rest, getattr(knp, name), initial=first))
    if method == "accumulate":
        return knp.concatenate(steps, axis)
    return steps[-1] if keepdims else knp.squeeze(steps[-1], axis)


def _running_extremum(name: str, array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
    """The largest (smallest) element so far; the last of equal ones receives the gradient."""
    a = arrayed(array) if dtype is None else arrayed(array).astype(dtype)
    axis = one_axis(f"{name}.accumulate", axis, a.ndim)
    return knp.take_along_axis(a, running_place(a, axis=axis, largest=name == "maximum"), axis)


@cache
def _table() -> dict[Any, Any]:
    """koubai's function for each of NumPy's."""
    table: dict[Any, Any] = {np.lib.stride_tricks.sliding_window_view: knp.sliding_window_view}
    for theirs, ours in _pairs():
        for name in dir(ours):
            function, original = getattr(ours, name), getattr(theirs, name, None)
            if callable(function) and callable(original) and function is not original:
                table[original] = function
    # NumPy's writes in place, koubai's returns a new tensor: as a statement it would silently do nothing.
    del table[np.put_along_axis]
    return table


def _pairs() -> list[tuple[ModuleType, ModuleType]]:
    pairs = [(np, knp)]
    for name in ("linalg", "fft"):
        ours = getattr(knp, name, None)
        if ours is not None:
            pairs.append((getattr(np, name), ours))
    return pairs
