"""Tensor: what a user holds. A node of the graph that behaves like an ndarray."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from koubai.diff import gradients
from koubai.errors import DTypeError, ShapeError, UnsupportedError, UsageError
from koubai.graph import Node, apply, constant, recording, to_text
from koubai.graph.apply import new_node, users_frame
from koubai.graph.op import Op
from koubai.ops import elementwise as e
from koubai.ops.shape import stop_gradient
from koubai.tensor.methods import ArrayMethods
from koubai.tensor.numpy.arguments import joined
from koubai.tensor.plain import PlainValues
from koubai.tensor.protocol import NumpyProtocols
from koubai.tensor.seed import first_gradient

__all__ = ["Tensor", "no_grad", "tensor"]

NUMBER_KINDS = "biufc"

Operator = Callable[[Any, Any], "Tensor"]


def _operand(x: Any) -> Any:
    """What an operator accepts beside a tensor, or NotImplemented."""
    if isinstance(x, (Node, np.ndarray, np.generic, int, float, complex)):
        if isinstance(x, np.ndarray) and x.dtype.kind not in NUMBER_KINDS:
            raise DTypeError(f"expected numbers, got an array of dtype {x.dtype}")
        return x
    return joined(x) if isinstance(x, (list, tuple)) else NotImplemented


def _binary(op: Op) -> tuple[Operator, Operator]:
    """``__op__`` and ``__rop__``: the way of `apply`, unrolled for two inputs, since most time goes here."""
    forward = op.forward

    def operator(self: Tensor, other: Any) -> Any:
        if isinstance(other, Tensor):
            a, b = self.value, other.value
            if a is not None and b is not None and (self.requires_grad or other.requires_grad) and recording.get():
                try:
                    value = forward(a, b)
                except (TypeError, ValueError):
                    return apply(op, (self, other), {})
                return new_node(Tensor, op, (self, other), {}, value, True)
        elif type(other) is float or type(other) is int:
            a = self.value
            if a is not None and self.requires_grad and recording.get():
                return new_node(Tensor, op, (self, other), {}, forward(a, other), True)
        else:
            other = _operand(other)
            if other is NotImplemented:
                return NotImplemented
        return apply(op, (self, other), {})

    def without_gradient(self: Tensor, other: Any) -> Any:
        other = _operand(other)
        return NotImplemented if other is NotImplemented else apply(op, (self, other), {})

    def reflected(self: Tensor, other: Any) -> Any:
        other = _operand(other)
        return NotImplemented if other is NotImplemented else apply(op, (other, self), {})

    return operator if op.vjp is not None else without_gradient, reflected


def _unary(op: Op) -> Callable[[Any], Tensor]:
    return lambda self: apply(op, (self,), {})


class Tensor(ArrayMethods, PlainValues, NumpyProtocols):
    """An array that remembers how it was computed.

    Made by `koubai.tensor`, by operators and by the functions of `koubai.numpy`; never by its class.

    Attributes
    ----------
    shape, dtype, ndim, size, T : as of an ndarray
    requires_grad : bool
    grad : ndarray or None
        What `backward` added up, on leaves that require a gradient.
    name : str or None
    """

    __slots__ = ("_grad",)
    __hash__ = object.__hash__
    __array_priority__ = 1000.0

    _grad: Any

    def __init__(self, *args: object, **kwargs: object) -> None:
        raise UsageError("Tensor: make one with kb.tensor(data), not with the class itself")

    __add__, __radd__ = _binary(e.add)
    __sub__, __rsub__ = _binary(e.subtract)
    __mul__, __rmul__ = _binary(e.multiply)
    __truediv__, __rtruediv__ = _binary(e.divide)
    __pow__, __rpow__ = _binary(e.power)
    __mod__, __rmod__ = _binary(e.remainder)
    __floordiv__, __rfloordiv__ = _binary(e.floor_divide)
    __and__, __rand__ = _binary(e.bitwise_and)
    __or__, __ror__ = _binary(e.bitwise_or)
    __xor__, __rxor__ = _binary(e.bitwise_xor)
    __eq__, __ne__ = _binary(e.equal)[0], _binary(e.not_equal)[0]  # type: ignore[assignment]
    __lt__, __gt__ = _binary(e.less)[0], _binary(e.greater)[0]
    __le__, __ge__ = _binary(e.less_equal)[0], _binary(e.greater_equal)[0]
    __neg__, __pos__ = _unary(e.negative), _unary(e.positive)
    __abs__, __invert__ = _unary(e.absolute), _unary(e.invert)

    def detach(self) -> Tensor:
        """The same value, without its history."""
        if self.value is None:
            return stop_gradient(self)  # type: ignore[no-any-return]
        return constant(self.value, Tensor)  # type: ignore[no-any-return]

    def graph(self) -> str:
        """The computation that led here as text, one node a line."""
        return to_text(self)

    # Gradients

    @property
    def grad(self) -> Any:
        """What `backward` added up, on a leaf; None before. May be assigned."""
        if self.op is not None and self.requires_grad:
            raise UsageError(
                "grad of an intermediate result is not kept; kb.record(output) shows the gradient of every node, "
                "kb.grad(f) differentiates with respect to anything"
            )
        try:
            return self._grad
        except AttributeError:
            return None

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            value = np.asarray(value.value if isinstance(value, Node) else value)
            if value.shape != self.shape:
                raise ShapeError(f"grad: expected the tensor's shape {self.shape}, got {value.shape}")
            if value.dtype.kind not in NUMBER_KINDS or (value.dtype.kind == "c" and self.dtype.kind != "c"):
                raise DTypeError(f"grad: expected numbers that fit {self.dtype}, got dtype {value.dtype}")
        self._grad = value

    def backward(self, gradient: Any = None) -> None:
        """Backpropagate: add d(self)/d(leaf) to `.grad` of every leaf that requires a gradient.

        Parameters
        ----------
        gradient : array, optional
            What this tensor itself receives; needed unless it has one element, where it is 1.

        Raises
        ------
        UsageError
            If nothing that led here requires a gradient.
        ShapeError
            If the tensor has several elements and no gradient is given, or one of another shape.

        Examples
        --------
        >>> import koubai as kb
        >>> x, y = kb.tensor(2.0, requires_grad=True), kb.tensor(3.0, requires_grad=True)
        >>> (x * y + x).backward()
        >>> float(x.grad), float(y.grad)
        (4.0, 2.0)
        """
        leaf: Any
        for leaf, g in gradients([self], [first_gradient("backward", self, gradient)]).items():
            if leaf.dtype.kind not in "fc":
                raise DTypeError(
                    f"backward: {leaf.name or 'a tensor'} requires a gradient, but numbers of dtype {leaf.dtype} "
                    f"cannot hold one; make it with dtype=float"
                )
            g = np.asarray(g)
            old = leaf.grad
            # A copy where nothing was added: what came back may be a view of a value, or read-only.
            leaf._grad = np.array(g) if old is None else old + g

    # Mutation is refused: a recorded value may be needed by a gradient.

    def __setitem__(self, index: object, value: object) -> None:
        raise UnsupportedError(
            "a tensor cannot be assigned to in place, since gradients may need its old value; write "
            "t = t.at[i].set(v), or t.at[i].add(v) to add"
        )

    def __copy__(self) -> Tensor:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if self.op is not None:
            raise UsageError("deepcopy: only leaves can be copied; use t.detach() to cut the history first")
        twin = constant(np.copy(self._concrete("deepcopy"))[()], type(self), requires_grad=self.requires_grad)
        twin.name = self.name
        memo[id(self)] = twin
        return twin

    def __reduce__(self) -> Any:
        if self.op is not None:
            raise UsageError("pickle: only leaves can be pickled; use t.detach() to cut the history first")
        return (tensor, (np.asarray(self._concrete("pickle")), None, self.requires_grad, self.name))


Tensor.result_class = Tensor


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """A tensor that holds a copy of `data`.

    Parameters
    ----------
    data : array, number, or nested lists of numbers
    dtype : numpy dtype, optional
        By default NumPy's rules decide.
    requires_grad : bool
        Whether `backward` is to compute the gradient with respect to this tensor; it must be of floating
        point or complex dtype.
    name : str, optional
        For printed graphs and explanations.

    Raises
    ------
    DTypeError
        If the data are not numbers, or integers are to require a gradient, or the data are a result whose
        gradient is wanted.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.tensor([1.0, 2.0]) * 3
    tensor([3., 6.])
    """
    if isinstance(data, Tensor):
        if data.op is not None and data.requires_grad:
            raise DTypeError(
                "tensor: the data are the result of a computation whose gradient is wanted, and a new tensor would cut "
                "it off. Use kb.numpy.array(...) to keep the gradient, or t.detach() to drop it on purpose"
            )
        data = data._concrete("kb.tensor()")
    try:
        value = np.array(data, dtype=dtype)
    except DTypeError:
        raise
    except TypeError as error:
        raise DTypeError(f"tensor: {error}") from None
    except ValueError as error:
        raise ShapeError(f"tensor: data do not form an array: {error}") from None
    if value.dtype.kind not in NUMBER_KINDS:
        raise DTypeError(f"tensor: expected numbers, got dtype {value.dtype}")
    if requires_grad and value.dtype.kind not in "fc":
        raise DTypeError(
            f"tensor: only floating-point and complex tensors can require a gradient, got {value.dtype}; "
            f"pass dtype=float"
        )
    node: Tensor = constant(value[()], Tensor, requires_grad=requires_grad)
    node.name = name
    frame = users_frame(2)
    node.code, node.offset = frame.f_code, frame.f_lasti
    return node


@contextmanager
def _no_grad() -> Iterator[None]:
    token = recording.set(False)
    try:
        yield
    finally:
        recording.reset(token)


def no_grad() -> AbstractContextManager[None]:
    """A context in which nothing is recorded for gradients, as if every result were detached.

    Examples
    --------
    >>> import koubai as kb
    >>> w = kb.tensor(1.0, requires_grad=True)
    >>> with kb.no_grad():
    ...     (w * 2).requires_grad
    False
    """
    return _no_grad()
