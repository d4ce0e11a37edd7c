"""kb.scan: a loop as one node of the graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import index
from typing import Any

import numpy as np

from koubai.errors import DTypeError, ShapeError, UsageError
from koubai.graph import Body, Node, Type, recording, trace, type_of
from koubai.ops.structure import outputs_of
from koubai.tensor.control.loop import loop
from koubai.tensor.tensor import Tensor
from koubai.tensor.trees import flatten, leaf_names, matched

__all__ = ["as_leaf", "scan"]


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    carry: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """A loop over the rows of `xs` that hands a value on from step to step.

    ``carry, y = f(carry, x)`` for each row x; the y of all steps are stacked. What this loop does is::

        ys = []
        for x in xs:
            carry, y = f(carry, x)
            ys.append(y)
        return carry, stack(ys)

    but in the graph it is one node, however many steps there are: `f` runs once, on tensors of which only the
    types are known, and the graph that it leaves is evaluated for each row. Its gradient is a scan too, which runs
    the other way round. Tensors that `f` reaches by itself, parameters among them, receive their gradient.

    Parameters
    ----------
    f : callable
        Takes a carry and a row, returns the next carry and a y; must not branch on their values.
    carry : array, number, or nested container of these
        What the first step gets. A step must return a carry of the same form, shapes and dtypes. A Python number
        takes the dtype that `f` makes of it, for which `f` runs twice.
    xs : array or nested container of arrays, optional
        With one row a step. None: `f` gets None, and `length` says how many steps there are.
    length : int, optional
        The number of steps, by default the number of rows.
    reverse : bool
        Begin with the last row; y's row k belongs to x's row k all the same.

    Returns
    -------
    carry
        The one that the last step returned; with no steps the first.
    ys
        As what `f` returned, each array with an axis for the steps in front.

    Raises
    ------
    ShapeError, DTypeError, UsageError
        If the rows differ in number, or `f` does not keep the carry's form, shape or dtype; the message names the
        leaf.
    TracingError
        If `f` asks for a value.

    Notes
    -----
    In reverse mode the carries of all steps are kept, and what else a step computes is computed anew: the memory
    is that of the carries and the outputs. A random layer such as dropout draws once, and the same in every step.

    References
    ----------
    The meaning is that of JAX's ``lax.scan``.

    Examples
    --------
    >>> import koubai as kb
    >>> total, sums = kb.scan(lambda c, x: (c + x, c + x), 0.0, np.array([1.0, 2.0, 3.0]))
    >>> float(total), sums
    (6.0, array([1., 3., 6.]))
    >>> kb.grad(lambda r: kb.scan(lambda c, _: (c * r, None), 1.0, length=3)[0])(2.0)
    np.float64(12.0)
    """
    starts, rebuild_carry = flatten(carry)
    rows, rebuild_row = flatten(xs)
    starts = [as_leaf("scan", name, x) for name, x in zip(leaf_names("carry", carry), starts)]
    rows = [as_leaf("scan", name, x) for name, x in zip(leaf_names("xs", xs), rows)]
    count = _length(rows, leaf_names("xs", xs), length)
    rebuild_ys: Callable[[list[Any]], Any] = list

    def step(*leaves: Any) -> list[Any]:
        nonlocal rebuild_ys
        result = f(rebuild_carry([*leaves[: len(starts)]]), rebuild_row([*leaves[len(starts) :]]))
        if not (isinstance(result, tuple) and len(result) == 2):
            raise UsageError(f"scan: f must return a pair (carry, y), got {type(result).__name__}")
        after = matched("scan: the carry that f returned", result[0], carry)
        ys, rebuild_ys = flatten(result[1])
        return [as_leaf("scan", "what f returned", x) for x in (*after, *ys)]

    here = [Type(x.shape[1:], x.dtype) for x in rows]
    types = [x.type if isinstance(x, Node) else type_of(x) for x in starts]
    body, captured = trace(step, [*types, *here], Tensor)
    if any(t.weak for t in types):
        starts = [_in_dtype(x, t.dtype) if not hasattr(x, "dtype") else x for x, t in zip(starts, body.results)]
        types = [x.type if isinstance(x, Node) else type_of(x) for x in starts]
        body, captured = trace(step, [*types, *here], Tensor)
    _check_carry(types, body.results, leaf_names("carry", carry))
    inputs = [*captured, *starts, *rows]
    if recording.get() and any(isinstance(x, Node) and x.requires_grad for x in inputs):
        body = _with_history(body, len(starts))
    found = loop(
        *inputs, body=body, fixed=len(captured), carries=len(starts), length=count, reverse=bool(reverse)
    ) if body.outputs else ()  # fmt: skip
    outputs = outputs_of(found)
    return rebuild_carry([*outputs[: len(starts)]]), rebuild_ys([*outputs[len(starts) :]])


def as_leaf(what: str, name: str, x: Any) -> Any:
    """A node, array or Python number as it is, or an error that names it."""
    if isinstance(x, np.ndarray):
        x = x[()]
    if not isinstance(x, (Node, np.ndarray, np.generic, int, float, complex)) or (
        hasattr(x, "dtype") and x.dtype.kind not in "biufc"
    ):
        kind = f"dtype {x.dtype}" if hasattr(x, "dtype") else type(x).__name__
        raise DTypeError(f"{what}: expected {name} to be an array or a number, got {kind}")
    return np.bool_(x) if isinstance(x, bool) else x


def _in_dtype(x: Any, dtype: Any) -> Any:
    """A Python number in the dtype that it takes beside an array."""
    return np.asarray(x, np.result_type(x, dtype))[()]


def _length(rows: Sequence[Any], names: Sequence[str], length: Any) -> int:
    found: dict[str, int] = {}
    for x, name in zip(rows, names):
        if not hasattr(x, "shape") or x.shape == ():
            raise ShapeError(f"scan: {name} is one number; expected an array with one row a step")
        found[name] = x.shape[0]
    if length is not None:
        try:
            found = {"length": index(length), **found}
        except TypeError:
            raise DTypeError(f"scan: expected length to be an integer, got {type(length).__name__}") from None
    if not found:
        raise UsageError("scan: without xs the number of steps is not known; pass length=")
    (first, count), *others = found.items()
    for name, n in others:
        if n != count:
            expected = f"length is {count}" if first == "length" else f"{first} has {count} rows"
            raise ShapeError(f"scan: {expected}, but {name} has {n}")
    if count < 0:
        raise UsageError(f"scan: expected length to be 0 or more, got {count}")
    return count


def _check_carry(starts: Sequence[Type], ends: Sequence[Type], names: Sequence[str]) -> None:
    for start, end, name in zip(starts, ends, names):
        if start.shape != end.shape:
            raise ShapeError(
                f"scan: {name} has the shape {start.shape}, but f returns {end.shape} for it; a carry keeps its shape "
                f"from step to step"
            )
        if start.dtype != end.dtype:
            raise DTypeError(
                f"scan: {name} is {start.dtype}, but f returns {end.dtype} for it; a carry keeps its dtype from step "
                f"to step: begin with {end.dtype}, or return it .astype({start.dtype})"
            )


def _with_history(body: Body, carries: int) -> Body:
    """The body with every carry among the stacked outputs: reverse mode needs what each step began with."""
    after, ys = body.outputs[:carries], body.outputs[carries:]
    there = set(ys)
    return Body(body.inputs, (*after, *ys, *(c for c in after if c not in there)))
