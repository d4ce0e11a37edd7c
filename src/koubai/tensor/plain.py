"""A tensor's value as plain Python and NumPy objects, and as text."""

from __future__ import annotations

from operator import index as as_index
from typing import Any

import numpy as np

from koubai.errors import DTypeError, ShapeError, TracingError
from koubai.graph import Node, users_line

__all__ = ["PlainValues"]


class PlainValues(Node):
    """What becomes of a tensor where Python or NumPy want a value, for `Tensor`."""

    __slots__ = ()

    def _concrete(self, what: str) -> Any:
        if self.value is None:
            raise TracingError(
                f"{what} at {users_line()} asks for the value of a tensor of type {self.type} that is being traced: "
                f"only shape and dtype are known of it ({self._origin()}). Choose with kb.numpy.where instead of "
                f"`if`, loop with kb.scan, and print or convert outside of the traced function"
            )
        return self.value

    def _origin(self) -> str:
        if self.op is not None:
            return f"{self.op.name}, {self.where()}"
        return "an argument" if self.shape else "an argument; as a Python number it would be a constant"

    def numpy(self) -> np.ndarray[Any, Any]:
        """The value as a read-only array (a view, no copy)."""
        array = np.asarray(self._concrete("numpy()")).view()
        array.flags.writeable = False
        return array

    def item(self, *index: int) -> Any:
        """The value of a tensor with one element as a Python number."""
        value = np.asarray(self._concrete("item()"))
        if not index and value.size != 1:
            raise ShapeError(f"item: expected a tensor with one element, got shape {self.shape}")
        return value.item(*index)

    def tobytes(self, order: Any = "C") -> bytes:
        """The value's bytes."""
        return self.numpy().tobytes(order)

    def tolist(self) -> Any:
        """The value as nested lists of Python numbers."""
        return self._concrete("tolist()").tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if self.requires_grad:
            raise DTypeError(
                "a tensor whose gradient is wanted was about to become a plain array, which would lose the "
                "gradient. Use kb.numpy.array(...) or other functions of kb.numpy to keep it, or "
                "t.detach().numpy() to drop it on purpose"
            )
        return np.array(self._concrete("np.asarray"), dtype=dtype, copy=copy)

    def __bool__(self) -> bool:
        return bool(self._concrete("bool() (an `if`, `while`, `and`, `or` or `not`)"))

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        return as_index(self._concrete("using a tensor as an index number"))

    def __contains__(self, x: object) -> bool:
        return bool(np.any(self._concrete("`in`") == (x.value if isinstance(x, Node) else x)))

    # Text

    def __repr__(self) -> str:
        if self.value is None:
            return f"<traced tensor {self.type}>"
        if isinstance(self.value, tuple):
            return f"<the outputs of {self.op and self.op.name}: {', '.join(map(str, self.type))}>"
        text = np.array2string(np.asarray(self.value), separator=", ", prefix="tensor(")
        dtype = "" if self.dtype in (np.float64, np.int64, np.bool_, np.complex128) else f", dtype={self.dtype}"
        grad = ", requires_grad=True" if self.requires_grad else ""
        return f"tensor({text}{dtype}{grad})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)
