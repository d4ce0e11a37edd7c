"""Worked examples: values to start from, what is computed from them, and the step that may follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from inspect import Parameter as Argument
from inspect import signature
from typing import Any

import numpy as np

from koubai.errors import UnsupportedError, UsageError
from koubai.explain.chain import chain_of
from koubai.explain.claims.expressions import Expression, close_to
from koubai.explain.record import Record, record
from koubai.graph import Node, constant, recording
from koubai.nn import Module, standing_in
from koubai.nn.examples import aligned, as_pair
from koubai.nn.losses.lookup import loss_function
from koubai.tensor import Tensor, compile, grad

__all__ = ["Descent", "Example", "of_formulas", "of_function", "of_model"]

Values = dict[str, Any]
MOST_STEPS = 100_000
MANY_STEPS = 500  # from which on compiling them is worth its time
ALIASES = ("output", "out", "y", "z", "f", "E", "L", "loss")


@dataclass(frozen=True, slots=True)
class Descent:
    """Steps of gradient descent: ``w' = w - rate dE/dw`` for each w.

    Attributes
    ----------
    target : str
        What falls: E.
    rate : float
    over : tuple of str
        What moves.
    """

    target: str
    rate: float
    over: tuple[str, ...]


class Example:
    """A computation whose quantities have names.

    Parameters
    ----------
    start : dict from name to array
        What is given.
    run : callable
        From tensors by these names to all quantities by their names, the given ones among them.
    target : str
        The quantity that stands last: what is differentiated where nothing else is said.
    descent : Descent or None
    """

    def __init__(
        self, start: Values, run: Callable[[Values], Values], target: str | None = None, descent: Descent | None = None
    ) -> None:
        self.start, self._run, self.descent = start, run, descent
        self._values: dict[int, Values] = {0: start}
        self._passes: dict[int, Values] = {}
        self._records: dict[tuple[int, str, tuple[int, ...]], Record] = {}
        self.target = target or list(self.quantities(0))[-1]

    def quantities(self, after: int) -> Values:
        """All quantities by name, as tensors, after so many steps."""
        if after not in self._passes:
            self._passes[after] = self._tensors(self.values(after))
        return self._passes[after]

    def _tensors(self, values: Values) -> Values:
        leaves = {name: constant(np.array(v)[()], Tensor, requires_grad=True) for name, v in values.items()}
        for name, leaf in leaves.items():
            leaf.name = name
        kept = recording.set(True)
        try:
            with np.errstate(all="ignore"):
                found = self._run(leaves)
        finally:
            recording.reset(kept)
        return {n: v if isinstance(v, Node) else constant(np.asarray(v)[()], Tensor) for n, v in found.items()}

    def values(self, after: int) -> Values:
        """What is given, after so many steps."""
        if after and self.descent is None:
            raise UsageError("there is no step in this example; say what falls, at which rate, and what moves")
        if after > MOST_STEPS:
            raise UsageError(f"{after:,} steps are more than {MOST_STEPS:,}")
        if after not in self._values:
            done = max(n for n in self._values if n < after)
            before = values = self._values[done]
            step = self._stepped if after - done < MANY_STEPS else self._native_step(values)
            for _ in range(done, after):
                before, values = values, step(values)
            self._values.update({after - 1: before, after: values})
        return self._values[after]

    def _native_step(self, values: Values) -> Callable[[Values], Values]:
        """The same step as native code; interpreted where it cannot be compiled."""
        descent = self.descent
        assert descent is not None

        def height(moving: Values, fixed: Values) -> Any:
            return self._run({**fixed, **moving})[descent.target]

        native = compile(grad(height))

        def step(values: Values) -> Values:
            moving = {name: values[name] for name in descent.over}
            slopes = native(moving, {name: v for name, v in values.items() if name not in moving})
            return {**values, **{name: v - descent.rate * slopes[name] for name, v in moving.items()}}

        try:
            step(values)
        except Exception:  # a function of the user's may do anything
            return self._stepped
        return step

    def _stepped(self, values: Values) -> Values:
        assert self.descent is not None
        slopes = self.slopes(values)
        return {**values, **{name: values[name] - self.descent.rate * slopes[name] for name in self.descent.over}}

    def slopes(self, values: Values) -> Values:
        """The gradient of what falls, for each that moves."""
        assert self.descent is not None
        found = self._tensors(values)
        target = found[self.descent.target]
        leaves = [found[name] for name in self.descent.over]
        for leaf in leaves:
            leaf.grad = None
        target.backward()
        slopes = (np.zeros(leaf.shape) if leaf.grad is None else leaf.grad for leaf in leaves)
        return dict(zip(self.descent.over, slopes))

    def record(self, name: str, index: tuple[int, ...], after: int) -> Record | None:
        """The backward pass of one number; None where nothing that is given leads to it."""
        key = (after, name, index)
        if key not in self._records:
            node = self.quantities(after)[name]
            if not node.requires_grad:
                return None
            first = np.zeros(node.shape, node.dtype)
            first[index] = 1
            self._records[key] = record(node, first[()])
        return self._records[key]


def _floating(name: str, value: Any) -> Any:
    if isinstance(value, Node):
        value = value.value
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise UsageError(f"{name} must be a number or an array of numbers, got {type(value).__name__}")
    return array.astype(np.float64)[()]


def of_formulas(
    start: Mapping[str, Any], formulas: Sequence[tuple[str, Expression]], descent: Descent | None
) -> Example:
    """The example of named formulas, each of which may use what stands above it."""

    def run(leaves: Values) -> Values:
        found = dict(leaves)
        for name, expression in formulas:
            found[name] = expression(found)
        return found

    example = Example({name: _floating(name, value) for name, value in start.items()}, run, None, descent)
    _refuse_descent(example)
    return example


def _refuse_descent(example: Example) -> None:
    descent, known = example.descent, example.quantities(0)
    if descent is None:
        return
    for name in (descent.target, *descent.over):
        if name not in known:
            raise UsageError(f"step: {name!r} is not defined{close_to(name, known)}")
    fixed = [name for name in descent.over if name not in example.start]
    if fixed:
        raise UsageError(f"step: {fixed[0]!r} is computed; only what is given by let can move")
    if known[descent.target].size != 1:
        raise UsageError(f"step: {descent.target!r} has shape {known[descent.target].shape}; only one number can fall")


def of_function(f: Callable[..., Any], start: Mapping[str, Any], descent: Descent | None) -> Example:
    """The example of a function; the names of its local variables are names of the example."""
    wanted = [p.name for p in signature(f).parameters.values() if p.default is Argument.empty
              and p.kind in (Argument.POSITIONAL_OR_KEYWORD, Argument.KEYWORD_ONLY)]  # fmt: skip
    missing = [name for name in wanted if name not in start]
    if missing:
        raise UsageError(f"the function needs a value of {', '.join(missing)}; give values={{{missing[0]!r}: ...}}")

    def run(leaves: Values) -> Values:
        y = f(**leaves)
        if isinstance(y, Mapping):
            return {**leaves, **y}
        if not isinstance(y, Tensor):
            raise UsageError(f"the function returned {type(y).__name__}, not a tensor that comes from its arguments")
        found = dict(leaves)
        if y.requires_grad:
            # A node is a tensor here, since only tensors went in.
            found.update((n.symbol, n._made) for n in record(y, np.ones(y.shape, y.dtype)[()]) if n.symbol not in found)
        found.pop("output", None)
        return {**found, "output": y}

    example = Example({name: _floating(name, value) for name, value in start.items()}, run, None, descent)
    _refuse_descent(example)
    return example


def of_model(model: Module, data: Any, loss: Any, rate: float | None) -> Example:
    """The example of a network: its parameters by their paths, what its layers make, outputs ``y`` and loss ``E``."""
    function = loss_function(loss)
    twin = deepcopy(model).astype(np.float64)
    x, t = as_pair(data, twin, "verify_example")
    t = aligned(t, np.asarray(twin.predict(x)))
    start: Values = {name: np.array(p.value) for name, p in twin.named_parameters()}
    if x.dtype.kind == "f":
        start["x"] = x

    def run(leaves: Values) -> Values:
        found = dict(leaves)
        given = leaves.get("x", x)
        with standing_in(twin, {name: leaf for name, leaf in leaves.items() if name != "x"}):
            try:
                steps = chain_of("verify_example", twin, given)
                found.update((step.name.partition(":")[0], step.after) for step in steps)
                y = steps[-1].after if steps else given
            except UnsupportedError:
                y = twin(given)
        value = function(y, t)
        return {**found, "t": t, "y": y, "output": y, "loss": value, "E": value}

    moving = tuple(name for name, p in twin.named_parameters() if p.requires_grad)
    return Example(start, run, "E", None if rate is None else Descent("E", rate, moving))
