"""One call of a transform: its arguments bound to fresh variables, the function run, its outputs read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from koubai.errors import DTypeError, UsageError
from koubai.graph import Node, calling, constant, recording, topological, type_of
from koubai.ops.structure import bind
from koubai.tensor.tensor import Tensor
from koubai.tensor.trees import flatten, tree_map

__all__ = ["Bound", "Call", "Function", "Variable", "argument_numbers"]

Function = Callable[..., Any]


class Bound:
    """Arguments of one call of a transform: fresh variables in place of the chosen ones."""

    def __init__(self, name: str, args: Sequence[Any], argnums: Sequence[int]) -> None:
        self.given_tensors = False
        self.variables: list[Variable] = []
        self.rebuilds = []
        self.counts = []
        self.args = list(args)
        drawn: dict[int, list[Variable]] = {}  # an argument that is named twice is one variable
        for n in argnums:
            if not -len(args) <= n < len(args):
                raise UsageError(f"{name}: argnums names argument {n}, but the function was given {len(args)}")
            leaves, rebuild = flatten(args[n])
            if n % len(args) in drawn:
                fresh = drawn[n % len(args)]
            else:
                fresh = drawn[n % len(args)] = [self._variable(name, n, leaf) for leaf in leaves]
                self.args[n] = rebuild(fresh)
            self.variables += fresh
            self.rebuilds.append(rebuild)
            self.counts.append(len(fresh))

    def _variable(self, name: str, n: int, x: Any) -> Any:
        if isinstance(x, Node):
            self.given_tensors = True
        else:
            x = as_value(name, n, x)
        of = x.type if isinstance(x, Node) else type_of(x)
        if not of.differentiable:
            raise DTypeError(
                f"{name}: argument {n} has dtype {of.dtype}, which has no gradient; pass floating-point numbers "
                f"(x.astype(float)), or choose other arguments with argnums"
            )
        return Variable.of(x)

    def pack(self, results: Sequence[Any]) -> list[Any]:
        """Results, one a variable, in the shape of the chosen arguments."""
        packed, start = [], 0
        for rebuild, count in zip(self.rebuilds, self.counts):
            packed.append(rebuild(list(results[start : start + count])))
            start += count
        return packed


class Variable(Tensor):
    """An argument of a transform: an identity of its own, linked to what it stands for.

    Attributes
    ----------
    open : bool
        True while the transform's function runs: whatever is differentiated meanwhile must be recorded.
    """

    __slots__ = ("open",)
    open: bool

    @classmethod
    def of(cls, x: Any) -> Variable:
        node: Variable = constant(x.value if isinstance(x, Node) else x, cls, requires_grad=True)
        if node.value is None:
            node._type = x.type
        node.op, node.inputs, node.open = bind, (x,), True
        return node


def as_value(name: str, n: int, x: Any) -> Any:
    if type(x) is int:
        x = float(x)
    if isinstance(x, (np.ndarray, np.generic, float, complex)):
        value = np.array(x)[()]  # a copy: a pullback may run after the caller has changed the array
        if value.dtype.kind in "biufc":
            return value
    raise DTypeError(
        f"{name}: expected argument {n} to be an array, a number or a container of these, got {type(x).__name__}"
    )


def as_outputs(name: str, y: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    leaves, rebuild = flatten(y)
    return [leaf if isinstance(leaf, Node) else _output(name, leaf) for leaf in leaves], rebuild


def _output(name: str, leaf: Any) -> Any:
    said = type(leaf).__name__
    if isinstance(leaf, (np.ndarray, np.generic, int, float, complex)):
        value = np.asarray(leaf)
        if value.dtype.kind in "biufc":
            return constant(value[()], Tensor)
        said = f"{said} {leaf}, which no dtype holds" if isinstance(leaf, int) else f"{said} of dtype {value.dtype}"
    raise DTypeError(f"{name}: the function returned {said}; expected arrays, numbers or containers of these")


def enclosed(outputs: Sequence[Node]) -> bool:
    """Whether the outputs reach an argument of a transform that is still running, or something traced."""
    return any(node.value is None or (isinstance(node, Variable) and node.open) for node in topological(outputs))


def trains(outputs: Sequence[Node]) -> bool:
    """Whether the outputs reach a leaf that requires a gradient."""
    return any(node.op is None and node.requires_grad for node in topological(outputs))


class Call:
    """One run of a function under a transform: its variables, its outputs, and how results are returned."""

    def __init__(self, name: str, f: Function, args: Sequence[Any], argnums: Sequence[int], has_aux: bool) -> None:
        self.bound = Bound(name, args, argnums)
        # Inside kb.no_grad the function is differentiated all the same; only the result is cut off.
        self.detached = not recording.get()
        token = recording.set(True)
        try:
            y = f(*self.bound.args)
        finally:
            recording.reset(token)
            for x in self.bound.variables:
                x.open = False
        self.aux = None
        if has_aux:
            if not (isinstance(y, tuple) and len(y) == 2):
                raise UsageError(f"{name}: with has_aux=True the function must return a pair (output, aux)")
            y, self.aux = y
        self.outputs, self.rebuild = as_outputs(name, y)
        self.record = self.bound.given_tensors or enclosed(self.outputs)
        if calling.get() is not None and not self.detached:  # in a layer, whose parameters are to be trained
            self.record = self.record or trains(self.outputs)
        self.aux = tree_map(self.given_back, self.aux)

    def given_back(self, x: Any) -> Any:
        """Plain where the caller gave plain arrays, a tensor where tensors are about."""
        if self.record:
            if self.bound.given_tensors and isinstance(x, (np.ndarray, np.generic)):
                return constant(x, Tensor)
            return x.detach() if self.detached and isinstance(x, Tensor) and x.requires_grad else x
        return x.value if isinstance(x, Node) else x

    def value(self) -> Any:
        return self.rebuild([self.given_back(y) for y in self.outputs])

    def filled(self, gradients: Sequence[Any], targets: Sequence[Node]) -> list[Any]:
        """Zeros where nothing depends."""
        return [self.given_back(np.zeros(x.shape, x.dtype)[()] if g is None else g) for g, x in zip(gradients, targets)]


def argument_numbers(argnums: int | Sequence[int]) -> tuple[tuple[int, ...], bool]:
    if isinstance(argnums, (int, np.integer)):
        return (int(argnums),), True
    if not isinstance(argnums, Sequence) or not all(isinstance(n, (int, np.integer)) for n in argnums):
        raise UsageError(f"argnums: expected the number of an argument or a tuple of such, got {argnums!r}")
    return tuple(int(n) for n in argnums), False
