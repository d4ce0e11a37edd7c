"""vmap: a function of one example, applied to a stack of examples at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import wraps
from typing import Any

import numpy as np

from koubai.diff import batched
from koubai.errors import DTypeError, ShapeError, UsageError
from koubai.graph import Node, Type, constant, placeholder, topological
from koubai.ops.shape import transpose
from koubai.tensor.tensor import Tensor
from koubai.tensor.transforms.binding import Function, Variable, as_outputs
from koubai.tensor.trees import flatten, matched

__all__ = ["vmap"]


def vmap(f: Function, in_axes: Any = 0, out_axes: Any = 0) -> Function:
    """A function that applies `f`, written for one example, to a stack of examples at once.

    `f` runs once, on tensors of which only shape and dtype are known; the graph that it leaves is then
    computed for the whole stack. An ``if`` on a value raises; write `koubai.numpy.where`.

    Parameters
    ----------
    f : callable
    in_axes : int, None, or a sequence of these with one entry an argument
        Which axis of the argument counts the examples; None for an argument that all examples share.
    out_axes : int, None, or a sequence with one entry an output
        Where that axis goes in the output; None for an output that is the same for all examples, which then
        has no such axis.

    Raises
    ------
    ShapeError
        If an argument or output has no such axis, or the stacks differ in length.
    UsageError
        If the axes do not have the form of the arguments or outputs.
    TracingError
        If `f` asks for a value.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.vmap(lambda x: (x * x).sum())(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([ 5., 25.])
    """

    @wraps(f, updated=())
    def mapped(*args: Any, **kwargs: Any) -> Any:
        axes = tuple(in_axes) if isinstance(in_axes, (tuple, list)) else (in_axes,) * len(args)
        if len(axes) != len(args):
            raise UsageError(f"vmap: in_axes has {len(axes)} entries for {len(args)} arguments")
        stacks, inputs, prepared, given_tensors = _prepare(args, axes)
        size = _stack_size(stacks)
        y = f(*prepared, **kwargs)
        outputs, rebuild = as_outputs("vmap", y)
        record = given_tensors or _captures(outputs, set(inputs))
        destinations = _axes("out_axes", out_axes, y)
        results = batched(outputs, inputs, stacks, size, record=record)
        results = [
            _shared(r, one, inputs) if axis is None else _moved("out_axes", r, 0, axis)
            for r, one, axis in zip(results, outputs, destinations)
        ]
        if record and given_tensors:
            results = [r if isinstance(r, Node) else constant(r, Tensor) for r in results]
        return rebuild(results)

    return mapped


def _captures(outputs: Sequence[Node], inputs: set[Any]) -> bool:
    """Whether the outputs depend on something to be differentiated or traced in another way than through the
    inputs: an argument of an enclosing transform, a tensor that requires a gradient."""
    return any(
        (isinstance(node, Variable) and node.open)
        or (node.op is None and node not in inputs and (node.value is None or node.requires_grad))
        for node in topological(outputs)
    )


def _prepare(args: Sequence[Any], axes: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any], bool]:
    """Stacks with their axis in front, the placeholders that stand for one example, and f's arguments."""
    stacks: list[Any] = []
    inputs: list[Any] = []
    prepared: list[Any] = []
    given_tensors = False
    for arg, axis in zip(args, axes):
        if axis is None:
            given_tensors = given_tensors or any(isinstance(x, Node) for x in flatten(arg)[0])
            prepared.append(arg)
            continue
        leaves, rebuild = flatten(arg)
        one = []
        for leaf, k in zip(leaves, _axes("in_axes", axis, arg)):
            if k is None:
                one.append(leaf)
                continue
            given_tensors = given_tensors or isinstance(leaf, Node)
            stack = leaf if isinstance(leaf, Node) else np.asarray(leaf)
            if stack.dtype.kind not in "biufc":
                raise DTypeError(f"vmap: expected arrays of numbers, got {type(leaf).__name__} of dtype {stack.dtype}")
            stack = _moved("in_axes", stack, k, 0)
            wanted = isinstance(stack, Node) and stack.requires_grad
            example = placeholder(Type(tuple(stack.shape[1:]), stack.dtype), Tensor, requires_grad=wanted)
            stacks.append(stack)
            inputs.append(example)
            one.append(example)
        prepared.append(rebuild(one))
    return stacks, inputs, prepared, given_tensors


def _axes(name: str, axes: Any, like: Any) -> list[Any]:
    """The axis of each leaf; one that is given for a container holds for all that is in it."""
    found = matched(f"vmap: {name}", axes, like, shared=(int, np.integer, type(None)))
    for axis in found:
        if not (axis is None or isinstance(axis, (int, np.integer))):
            raise UsageError(f"vmap: {name}: expected whole numbers or None, got {axis!r}")
    return found


def _stack_size(stacks: Sequence[Any]) -> int:
    sizes = {int(s.shape[0]) for s in stacks}
    if len(sizes) != 1:
        found = ", ".join(map(str, sorted(sizes))) or "none"
        raise ShapeError(f"vmap: expected stacks of one common length, got {found}")
    return sizes.pop()


def _shared(stack: Any, one: Node, inputs: Sequence[Node]) -> Any:
    """What is the same for all examples, once."""
    if not set(inputs).isdisjoint(topological([one])):
        raise UsageError("vmap: out_axes is None for an output that depends on the examples; give it an axis")
    return stack[0]


def _moved(name: str, x: Any, source: int, target: int) -> Any:
    n = x.ndim
    for axis in (source, target):
        if not -n <= axis < n:
            raise ShapeError(f"vmap: {name} {axis} does not exist in an array of shape {tuple(x.shape)}")
    source, target = source % n, target % n
    if source == target:
        return x
    order = [i for i in range(n) if i != source]
    order.insert(target, source)
    return transpose(x, axes=tuple(order))
