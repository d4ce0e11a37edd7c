"""The methods that a tensor shares with ndarray: NumPy's functions, under their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Concatenate, NoReturn, ParamSpec, TypeVar

import numpy as np

from koubai.errors import DTypeError, UsageError
from koubai.graph import Node, Op, apply
from koubai.ops import elementwise as e
from koubai.ops import index as i
from koubai.tensor import numpy as knp
from koubai.tensor.numpy.at import At
from koubai.tensor.numpy.shape import cast

if TYPE_CHECKING:
    from koubai.tensor.tensor import Tensor

__all__ = ["ArrayMethods"]

P = ParamSpec("P")
R = TypeVar("R")


def _method(function: Callable[Concatenate[Any, P], Any]) -> Callable[Concatenate[Any, P], Tensor]:
    """A function of `koubai.numpy` whose first argument is the tensor and whose result is one.

    It is taken from behind the choice between plain arrays and tensors, which a method need not make.
    """
    direct: Callable[Concatenate[Any, P], Tensor] = getattr(function, "__wrapped__", function)
    return direct


def _refused(name: str, remedy: str) -> Callable[..., NoReturn]:
    """A method of ndarray's that writes into its array."""

    def method(self: Any, *args: Any, **options: Any) -> NoReturn:
        raise UsageError(f"{name}: a tensor cannot be changed in place; write t = {remedy}")

    method.__name__ = name
    method.__qualname__ = f"Tensor.{name}"
    method.__doc__ = f"Raises: a tensor cannot be changed in place. Write ``t = {remedy}``."
    return method


def _shift(op: Op) -> tuple[Callable[[Any, Any], Tensor], Callable[[Any, Any], Tensor]]:
    """``__op__`` and ``__rop__``."""
    return lambda self, other: op(self, other), lambda self, other: op(other, self)


class ArrayMethods(Node):
    """The methods of an ndarray, for `Tensor`."""

    __slots__ = ()

    all = _method(knp.all)
    any = _method(knp.any)
    argmax = _method(knp.argmax)
    argmin = _method(knp.argmin)
    argpartition = _method(knp.argpartition)
    argsort = _method(knp.argsort)
    clip = _method(knp.clip)
    conj = _method(knp.conj)
    conjugate = _method(knp.conjugate)
    copy = _method(knp.copy)
    cumprod = _method(knp.cumprod)
    cumsum = _method(knp.cumsum)
    diagonal = _method(knp.diagonal)
    dot = _method(knp.dot)
    flatten = _method(knp.ravel)
    matmul = _method(knp.matmul)
    max = _method(knp.max)
    mean = _method(knp.mean)
    min = _method(knp.min)
    prod = _method(knp.prod)
    ptp = _method(knp.ptp)
    ravel = _method(knp.ravel)
    repeat = _method(knp.repeat)
    round = _method(knp.round)
    searchsorted = _method(knp.searchsorted)
    squeeze = _method(knp.squeeze)
    std = _method(knp.std)
    sum = _method(knp.sum)
    swapaxes = _method(knp.swapaxes)
    take = _method(knp.take)
    trace = _method(knp.trace)
    var = _method(knp.var)

    fill = _refused("fill", "kb.numpy.full_like(t, v)")
    partition = _refused("partition", "kb.numpy.partition(t, k)")
    put = _refused("put", "t.at[i].set(v)")
    resize = _refused("resize", "kb.numpy.resize(t, shape)")
    sort = _refused("sort", "kb.numpy.sort(t)")

    __lshift__, __rlshift__ = _shift(e.left_shift)
    __rshift__, __rrshift__ = _shift(e.right_shift)
    __matmul__ = _method(knp.matmul)

    def __rmatmul__(self, other: Any) -> Tensor:
        return knp.matmul(other, self)  # type: ignore[no-any-return]

    def __divmod__(self, other: Any) -> tuple[Tensor, Tensor]:
        return knp.divmod(self, other)  # type: ignore[no-any-return]

    def __rdivmod__(self, other: Any) -> tuple[Tensor, Tensor]:
        return knp.divmod(other, self)  # type: ignore[no-any-return]

    def __round__(self, digits: int = 0) -> Tensor:
        return knp.round(self, digits)  # type: ignore[no-any-return]

    def __len__(self) -> int:
        if not self.shape:
            raise DTypeError("len: a 0-d tensor has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise DTypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(self.shape[0]))

    def __getitem__(self, index: Any) -> Tensor:
        if type(index) is int:
            return apply(i.getitem, (self,), {"pattern": (index,)})  # type: ignore[no-any-return]
        return knp.getitem(self, index)  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        """The number of elements."""
        n = 1
        for length in self.shape:
            n *= length
        return n

    @property
    def real(self) -> Tensor:
        """The real part."""
        return e.real(self)  # type: ignore[no-any-return]

    @property
    def imag(self) -> Tensor:
        """The imaginary part."""
        return e.imag(self)  # type: ignore[no-any-return]

    @property
    def itemsize(self) -> int:
        """Bytes an element."""
        return int(self.dtype.itemsize)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.itemsize

    @property
    def at(self) -> At:
        """Places to be updated: ``t.at[i].set(v)``."""
        return At(self)

    @property
    def flat(self) -> Iterator[Tensor]:
        """An iterator over all elements."""
        return iter(knp.ravel(self))

    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged."""
        return knp.matrix_transpose(self)  # type: ignore[no-any-return]

    @property
    def T(self) -> Tensor:
        """The axes in reverse order."""
        return self.transpose()

    def reshape(self, *shape: Any, order: str = "C", copy: Any = None) -> Tensor:
        """The same elements in another shape: ``t.reshape(2, 3)`` or ``t.reshape((2, 3))``."""
        return knp.reshape(self, shape[0] if len(shape) == 1 else shape, order)  # type: ignore[no-any-return]

    def transpose(self, *axes: Any) -> Tensor:
        """The axes in another order, reversed by default."""
        order = axes[0] if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))) else axes
        return knp.transpose(self, order or None)  # type: ignore[no-any-return]

    def astype(self, dtype: Any, order: str = "K", casting: Any = "unsafe", subok: bool = True,
               copy: bool = True) -> Tensor:  # fmt: skip
        """Another dtype; the gradient comes back in the old one, and none through integers."""
        if not np.can_cast(self.dtype, dtype, casting):
            raise DTypeError(f"astype: cannot cast {self.dtype} to {np.dtype(dtype)} with casting {casting!r}")
        return cast(self, dtype)  # type: ignore[no-any-return]

    def nonzero(self) -> tuple[Tensor, ...]:
        """The places of the elements that are not zero: one tensor of positions an axis."""
        return knp.nonzero(self)  # type: ignore[no-any-return]

    def choose(self, choices: Any, out: Any = None, mode: str = "raise") -> Tensor:
        """At each place the element of the choice whose number stands here."""
        return knp.choose(self, choices, out, mode)  # type: ignore[no-any-return]

    def compress(self, condition: Any, axis: Any = None, out: Any = None) -> Tensor:
        """The slices along an axis where the condition holds."""
        return knp.compress(condition, self, axis, out)  # type: ignore[no-any-return]

    def view(self, *args: Any) -> Tensor:
        """The tensor itself. Another dtype is a conversion: write ``astype``."""
        if args:
            raise UsageError("view: a tensor has no view in another dtype; write t.astype(dtype), or t.reshape(shape)")
        return self  # type: ignore[return-value]
