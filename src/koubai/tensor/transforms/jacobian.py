"""jacobian, hessian and hvp: many derivatives at once, batched instead of looped."""

from __future__ import annotations

from collections.abc import Sequence
from functools import wraps
from typing import Any

import numpy as np

from koubai.diff import batched, forward_mode, reverse_mode
from koubai.errors import DTypeError
from koubai.graph import Node, placeholder, topological
from koubai.ops.shape import reshape, transpose
from koubai.tensor.tensor import Tensor
from koubai.tensor.transforms.binding import Call, Function, argument_numbers
from koubai.tensor.transforms.gradients import grad, jvp

__all__ = ["hessian", "hvp", "jacobian"]


def jacobian(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """A function that returns all partial derivatives of an array by an array.

    Parameters
    ----------
    f : callable
        Takes arrays, numbers, or nested containers of these, and returns arrays.
    argnums : int or sequence of int
        Which arguments to differentiate by; a sequence gives a tuple.

    Returns
    -------
    callable
        For an output of shape s and an argument of shape t an array of shape s + t, for containers a
        container of these, outputs outside. One batched pass in reverse mode, or in forward mode where the
        arguments have fewer elements than the outputs.

    Raises
    ------
    DTypeError
        If an argument is complex: there the derivative is not one array.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    numbers, single = argument_numbers(argnums)

    @wraps(f, updated=())
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        call = Call("jacobian", lambda *xs: f(*xs, **kwargs), args, numbers, has_aux=False)
        xs, ys = call.bound.variables, call.outputs
        if any(x.dtype.kind == "c" for x in xs):
            raise DTypeError(
                "jacobian: an argument is complex, where the derivative depends on the direction; differentiate "
                "by real and imaginary parts, or use kb.jvp or kb.vjp with a direction"
            )
        forward = sum(x.size for x in xs) < sum(y.size for y in ys)
        table = _by_columns(call, xs, ys) if forward and _has_forward(ys) else _by_rows(call, xs, ys)
        results = []
        for row in table:
            packed = call.bound.pack([call.given_back(block) for block in row])
            results.append(packed[0] if single else tuple(packed))
        return call.rebuild(results)

    return differentiated


def _has_forward(ys: Sequence[Node]) -> bool:
    return all(node.op is None or node.op.linear or node.op.jvp for node in topological(ys))


def _basis(x: Node) -> np.ndarray[Any, Any]:
    return np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)  # type: ignore[attr-defined]


def _by_rows(call: Call, xs: Sequence[Any], ys: Sequence[Any]) -> list[list[Any]]:
    """For each output the derivatives by each variable, one reverse pass an output."""
    table = []
    for y in ys:
        g = placeholder(y.type, Tensor)
        found = reverse_mode([y], [g], xs, record=True)
        known = [v for v in found if v is not None]
        stacks = batched(known, [g], [_basis(y)], y.size, record=call.record)
        if y.dtype.kind == "c":
            # A real variable receives the real part only: how it moves the imaginary part is asked with i.
            turned = batched(known, [g], [1j * _basis(y)], y.size, record=call.record)
            stacks = [a + 1j * b for a, b in zip(stacks, turned)]
        rest = iter(stacks)
        table.append([_block(None if v is None else next(rest), y, x) for v, x in zip(found, xs)])
    return table


def _by_columns(call: Call, xs: Sequence[Any], ys: Sequence[Any]) -> list[list[Any]]:
    """The same by forward mode, one pass a variable."""
    columns = []
    for x in xs:
        t = placeholder(x.type, Tensor)
        found = forward_mode(ys, [x], [t], record=True)
        known = [v for v in found if v is not None]
        stacks = iter(batched(known, [t], [_basis(x)], x.size, record=call.record))
        columns.append([None if v is None else _last(next(stacks)) for v in found])
    return [[_block(column[i], y, x) for column, x in zip(columns, xs)] for i, y in enumerate(ys)]


def _last(stack: Any) -> Any:
    return transpose(stack, axes=(*range(1, stack.ndim), 0))


def _block(stack: Any, y: Any, x: Any) -> Any:
    shape = (*y.shape, *x.shape)
    return np.zeros(shape, y.dtype)[()] if stack is None else reshape(stack, shape=shape)


def hessian(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """A function that returns all second derivatives of a function with one output: the Jacobian of `grad`.

    Parameters
    ----------
    f : callable
        Returns one real number.
    argnums : int or sequence of int
        Which arguments to differentiate by; a sequence gives a tuple of tuples.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.hessian(lambda x: x[0] * x[0] * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    return jacobian(grad(f, argnums), argnums)


def hvp(f: Function, x: Any, v: Any) -> Any:
    """The Hessian of ``f`` at `x` times `v`, without the Hessian: forward mode over reverse mode.

    Parameters
    ----------
    f : callable
        Takes one argument and returns one real number.
    x : array, number, or nested container of these
        Where.
    v : as x
        The direction.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.hvp(lambda x: (x**3).sum(), np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([6., 0.])
    """
    return jvp(grad(f), (x,), (v,))[1]
