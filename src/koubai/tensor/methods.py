"""The methods that a tensor shares with ndarray: NumPy's functions, under their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from koubai.errors import DTypeError, UsageError
from koubai.graph import Op, apply
from koubai.ops import elementwise as e
from koubai.ops import index as i
from koubai.tensor import numpy as knp
from koubai.tensor.numpy.at import At
from koubai.tensor.numpy.shape import cast
from koubai.tensor.tensor import Tensor

__all__ = ["install"]

# Functions whose first argument is the tensor and whose others come in the order of the method's.
SAME = (
    "all", "any", "argmax", "argmin", "argpartition", "argsort", "clip", "conj", "conjugate",
    "copy", "cumprod", "cumsum", "diagonal", "dot", "matmul", "max", "mean", "min", "nonzero", "prod", "ptp", "ravel",
    "repeat", "round", "searchsorted", "squeeze", "std", "sum", "swapaxes", "take", "trace", "var",
)  # fmt: skip
IN_PLACE = {
    "fill": "kb.numpy.full_like(t, v)", "partition": "kb.numpy.partition(t, k)", "put": "t.at[i].set(v)",
    "resize": "kb.numpy.resize(t, shape)", "sort": "kb.numpy.sort(t)",
}  # fmt: skip


def install() -> None:
    """Give Tensor the methods of an ndarray, its operators that need functions, and its index."""
    for name in SAME:
        if hasattr(knp, name):
            setattr(Tensor, name, _method(name))
    for name, remedy in IN_PLACE.items():
        setattr(Tensor, name, _refused(name, remedy))
    for name, special in SPECIAL.items():
        setattr(Tensor, name, special)


def _method(name: str) -> Callable[..., Any]:
    function = getattr(knp, name)
    # Behind the choice between plain arrays and tensors: a method's first argument is a tensor.
    direct = getattr(function, "__wrapped__", function)

    def method(self: Tensor, *args: Any, **options: Any) -> Any:
        return direct(self, *args, **options)

    method.__name__ = name
    method.__qualname__ = f"Tensor.{name}"
    method.__doc__ = function.__doc__
    return method


def _refused(name: str, remedy: str) -> Callable[..., Any]:
    def method(self: Tensor, *args: Any, **options: Any) -> Any:
        raise UsageError(f"{name}: a tensor cannot be changed in place; write t = {remedy}")

    method.__name__ = name
    method.__qualname__ = f"Tensor.{name}"
    method.__doc__ = f"Raises: a tensor cannot be changed in place. Write ``t = {remedy}``."
    return method


def _getitem(self: Tensor, index: Any) -> Any:
    if type(index) is int:
        return apply(i.getitem, (self,), {"pattern": (index,)})
    return knp.getitem(self, index)


def _reshape(self: Tensor, *shape: Any, order: str = "C", copy: Any = None) -> Any:
    """The same elements in another shape: ``t.reshape(2, 3)`` or ``t.reshape((2, 3))``."""
    return knp.reshape(self, shape[0] if len(shape) == 1 else shape, order)


def _transpose(self: Tensor, *axes: Any) -> Any:
    """The axes in another order, reversed by default."""
    order = axes[0] if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))) else axes
    return knp.transpose(self, order or None)


def _flatten(self: Tensor, order: str = "C") -> Any:
    """All elements in one axis."""
    return knp.ravel(self, order)


def _astype(self: Tensor, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True,
            copy: bool = True) -> Any:  # fmt: skip
    """Another dtype; the gradient comes back in the old one, and none through integers."""
    if not np.can_cast(self.dtype, dtype, casting):  # type: ignore[arg-type]
        raise DTypeError(f"astype: cannot cast {self.dtype} to {np.dtype(dtype)} with casting {casting!r}")
    return cast(self, dtype)


def _choose(self: Tensor, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    """At each place the element of the choice whose number stands here."""
    return knp.choose(self, choices, out, mode)


def _compress(self: Tensor, condition: Any, axis: Any = None, out: Any = None) -> Any:
    """The slices along an axis where the condition holds."""
    return knp.compress(condition, self, axis, out)


def _flat(self: Tensor) -> Iterator[Any]:
    return iter(knp.ravel(self))


def _tobytes(self: Tensor, order: Any = "C") -> bytes:
    """The value's bytes."""
    return self.numpy().tobytes(order)


def _view(self: Tensor, *args: Any) -> Any:
    """The tensor itself. Another dtype is a conversion: write ``astype``."""
    if args:
        raise UsageError("view: a tensor has no view in another dtype; write t.astype(dtype), or t.reshape(shape)")
    return self


def _shift(op: Op) -> tuple[Callable[..., Any], Callable[..., Any]]:
    return lambda self, other: op(self, other), lambda self, other: op(other, self)


_lshift, _rshift = _shift(e.left_shift), _shift(e.right_shift)

SPECIAL: dict[str, Any] = {
    "__getitem__": _getitem,
    "__matmul__": lambda self, other: knp.matmul(self, other),
    "__rmatmul__": lambda self, other: knp.matmul(other, self),
    "__divmod__": lambda self, other: knp.divmod(self, other),
    "__rdivmod__": lambda self, other: knp.divmod(other, self),
    "__lshift__": _lshift[0],
    "__rlshift__": _lshift[1],
    "__rshift__": _rshift[0],
    "__rrshift__": _rshift[1],
    "__round__": lambda self, digits=0: knp.round(self, digits),
    "at": property(At, doc="Places to be updated: ``t.at[i].set(v)``."),
    "astype": _astype,
    "choose": _choose,
    "compress": _compress,
    "flat": property(_flat, doc="An iterator over all elements."),
    "flatten": _flatten,
    "mT": property(knp.matrix_transpose, doc="The last two axes exchanged."),
    "reshape": _reshape,
    "tobytes": _tobytes,
    "transpose": _transpose,
    "view": _view,
}
