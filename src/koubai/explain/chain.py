"""A model as a chain of steps: its modules in order, with the values between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np

from koubai.errors import ShapeError, UnsupportedError
from koubai.graph import Call, Node, calling, constant, recording
from koubai.nn import Module, Sequential, standing_in
from koubai.ops.define import is_elementwise
from koubai.tensor import Tensor

__all__ = ["Step", "acts_by_place", "chain_of"]


@dataclass(frozen=True, slots=True)
class Step:
    """One module's call, or what a model's own code does between two calls.

    Attributes
    ----------
    name : str
        Path and class of the module, or the names of the ops.
    before, after : Node
        Its input and its output, one row an example.
    """

    name: str
    before: Any
    after: Any


def chain_of(who: str, model: Module, x: Any) -> list[Step]:
    """The steps from `x` to the model's output, run once in the modes in which the modules are.

    Of a Sequential its modules, nested ones in their place; of another model the calls that its forward makes, and
    what it computes between them. What layers store meanwhile (running means, counters) is dropped.

    Raises
    ------
    UnsupportedError
        If the calls form no chain, if a step's result is not one array, or if x holds indices.
    ShapeError
        If a step's result does not have one row an example.
    """
    if x.dtype.kind != "f":
        raise UnsupportedError(
            f"{who}: the model takes {x.dtype}, and there is no gradient towards whole or complex numbers; give the "
            f"modules behind the first one, model[1:], and what the first one makes of x"
        )
    start = x if isinstance(x, Node) else constant(x, Tensor, requires_grad=True)
    kept, calls = recording.set(True), calling.set(None)
    try:
        with standing_in(model, {}):
            steps = _sequence(who, model, start) if _is_sequence(model) else _calls(who, model, start)
    finally:
        calling.reset(calls)
        recording.reset(kept)
    for step in steps:
        if step.after.ndim == 0 or len(step.after) != len(x):
            raise ShapeError(
                f"{who}: {step.name} made shape {step.after.shape} of {len(x)} examples; expected one row an example"
            )
    return steps


def _is_sequence(module: Any) -> bool:
    return isinstance(module, Sequential) and type(module).forward is Sequential.forward


def _sequence(who: str, model: Module, z: Any) -> list[Step]:
    modules: list[Module] = []
    waiting: list[Module] = [model]
    while waiting:
        module = waiting.pop()
        if _is_sequence(module):
            waiting += reversed(list(module.children()))
        else:
            modules.append(module)
    steps = []
    for module in modules:
        name = _name(module.path, type(module).__name__)
        y = _array(who, name, module(z))
        steps.append(Step(name, z, y))
        z = y
    return steps


def _name(path: str, kind: str) -> str:
    return f"{path}: {kind}" if path else kind


def _array(who: str, name: str, y: Any) -> Any:
    if isinstance(y, (tuple, list, dict)):
        raise UnsupportedError(
            f"{who}: {name} returns a {type(y).__name__}, and a message leads to one array; put it and the module that "
            f"chooses from its result into one Module of your own"
        )
    return y if isinstance(y, Node) else constant(np.asarray(y), Tensor)


def _calls(who: str, model: Module, start: Any) -> list[Step]:
    """The steps of a model with a forward of its own, read from the graph that it leaves."""
    name = type(model).__name__
    output = _array(who, name, model(start))
    passed = _flow(start, output)
    users: dict[Any, list[Any]] = {}
    for node in passed:
        for x in node.inputs:
            if isinstance(x, Node):
                users.setdefault(x, []).append(node)
    steps: list[Step] = []
    at = start
    for call, inside in _units(model, passed).items():
        unit = _name(call.path, call.kind)
        before, after = _ends(who, unit, inside, passed, users, output)
        if before is not at:
            steps.append(_between(who, at, before, start))
        _inner(who, unit, before, after, start)
        steps.append(Step(unit, before, after))
        at = after
    if output is not at:
        steps.append(_between(who, at, output, start) if steps else Step(name, start, output))
    return steps or [Step(name, start, output)]


def acts_by_place(before: Any, after: Any) -> bool:
    """Whether each number of `after` is a function of the one number of `before` at its place."""
    if after is before:
        return True
    steps = [node for node in _flow(before, after) if node is not before]
    return bool(steps) and all(is_elementwise(node.op) and node.shape == before.shape for node in steps)


def _flow(start: Any, output: Any) -> dict[Any, None]:
    """What depends on the start on the way to the output, and the start itself; inputs before their users."""
    reached, waiting = {start, output}, [output]
    while waiting:
        for x in waiting.pop().inputs:
            if isinstance(x, Node) and x not in reached:
                reached.add(x)
                waiting.append(x)
    found = {start: None}
    for node in sorted(reached - {start}, key=attrgetter("number")):
        if any(isinstance(x, Node) and x in found for x in node.inputs):
            found[node] = None
    return found


def _units(model: Module, nodes: Iterable[Any]) -> dict[Call, set[Any]]:
    """The nodes that each call made; a Sequential counts as the calls in it, another module as one."""
    sequences = {path for path, module in model.named_modules() if _is_sequence(module)}
    units: dict[Call, set[Any]] = {}
    for node in nodes:
        unit, call = None, node.call
        while call is not None and call.parent is not None:
            if call.path not in sequences:
                unit = call
            call = call.parent
        if unit is not None:
            units.setdefault(unit, set()).add(node)
    return units


def _ends(
    who: str, unit: str, inside: set[Any], passed: dict[Any, None], users: dict[Any, list[Any]], output: Any
) -> tuple[Any, Any]:
    """The one value that a call takes and the one that it gives."""
    entering = {x for node in inside for x in node.inputs if isinstance(x, Node) and x in passed and x not in inside}
    leaving = {x for x in inside if x is output or any(node not in inside for node in users.get(x, ()))}
    if len(entering) != 1 or len(leaving) != 1:
        what = f"takes {len(entering)} values" if len(entering) != 1 else f"gives {len(leaving)} values"
        raise _no_chain(who, f"{unit} {what} of the pass")
    return entering.pop(), leaving.pop()


def _between(who: str, before: Any, after: Any, start: Any) -> Step:
    """What the model's own code computes between two calls."""
    nodes = _inner(who, "what is computed between the calls", before, after, start)
    return Step(", ".join(str(node.op.name) for node in nodes), before, after)


def _inner(who: str, what: str, before: Any, after: Any, start: Any) -> list[Any]:
    """The nodes from one value to the next, which must be the only way from the start."""
    seen, waiting = {after}, [after]
    while waiting:
        for x in waiting.pop().inputs:
            if isinstance(x, Node) and x is not before and x not in seen:
                seen.add(x)
                waiting.append(x)
    if start in seen:
        raise _no_chain(who, f"{what} also uses a value from before the step ahead of it")
    return [node for node in _flow(before, after) if node is not before]


def _no_chain(who: str, why: str) -> UnsupportedError:
    return UnsupportedError(
        f"{who}: the model's calls form no chain, since {why}; put the part that branches into one Module, which then "
        f"counts as one step, or look at kb.record of the loss, which shows any graph"
    )
