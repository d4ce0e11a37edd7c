"""The step in which a training stopped being finite, taken again with everything kept, to find the first culprit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from math import prod
from typing import Any

import numpy as np

from koubai.diff import messages
from koubai.errors import TrainingError
from koubai.explain.search import first_not_finite
from koubai.explain.spot import Names, Spot, first_index, is_finite
from koubai.explain.trouble import Trouble
from koubai.graph import Node, constant, topological, tracing, value_of
from koubai.graph.apply import users_frame
from koubai.ops.structure import barrier
from koubai.tensor import Tensor
from koubai.train.step import Batch, State, Step
from koubai.train.update import Slopes, slopes

__all__ = ["all_finite", "failure", "locate", "locate_natively", "refusal"]

REMEDY = "lower the learning rate, standardize the inputs, or clip the gradient (clip=1.0)"
MOST_BYTES = 2**31  # of all values of a step together


def all_finite(arrays: Sequence[Any]) -> bool:
    """Whether every element of every array is.

    A product with itself reads an array once and allocates nothing; only where it overflows each element is asked.
    """
    with np.errstate(all="ignore"):
        return all(bool(np.isfinite(np.vdot(x, x))) or is_finite(x) for x in arrays)


def failure(number: int, loss: float | None, trouble: Trouble | None, kind: type[TrainingError] = TrainingError) -> Any:
    """The error for step `number` (from 0): its loss became this; or with None, its update spoilt the weights."""
    what = "the weights are not finite any more" if loss is None else f"the loss became {loss}"
    error = kind(f"step {number + 1}: {what}{'' if trouble is None else f': {trouble.what()}'}")
    error.trouble = None if trouble is None else Trouble(trouble.spot, step=number + 1)
    return error


def refusal(error: TrainingError, epoch: int) -> TrainingError:
    """The same error with the epoch and with what to do."""
    trouble = error.trouble
    advice = REMEDY if trouble is None else trouble.advice() or REMEDY
    found = TrainingError(f"epoch {epoch}, {error}; {advice}")
    found.trouble = None if trouble is None else Trouble(trouble.spot, epoch, trouble.step)
    return found


class _Found(Exception):
    def __init__(self, spot: Spot) -> None:
        self.spot = spot


def locate(step: Step, state: State, order: Any, batches: Sequence[Batch]) -> Trouble | None:
    """The first value that is not finite in the step from this state, taken by the interpreter."""
    here = _here()

    def back(outputs: Any, cotangents: Any, wrt: Any, *, record: bool) -> list[Any]:
        names = Names(topological(outputs), here, rows[next(batch)])
        found: dict[Any, Any] = {}

        def sent() -> Iterator[Any]:  # only once it is known that the loss is finite
            yield from messages(outputs, cotangents, wrt, found, record=False)

        spot = first_not_finite(outputs[0], sent(), wrt, found, names)
        if spot is not None:
            raise _Found(spot)
        return [found.get(node) for node in wrt]

    params = {name: _leaf(value, name) for name, value in state.params.items()}
    rows = [order[start:stop] for start, stop in batches]
    batch = count()
    token = tracing.set(True)  # what does not depend on a parameter is recorded too
    try:
        with np.errstate(all="ignore"):
            step.bind(state)
            of = slopes(step, params, state.buffers, _leaf(step.x, "x"), _leaf(step.t, "t"), rows, back)
            moved, _ = step.optimizer.update(of.clipped, state.optimizer, state.params)
            spot = _in_update(step, state, of, moved)
    except _Found as found:
        spot = found.spot
    except Exception:  # a rule that takes no NaN; the loss says enough
        return None
    finally:
        tracing.reset(token)
    return None if spot is None else Trouble(spot)


def locate_natively(steps: Any, order: Any, batches: Sequence[Batch]) -> Trouble | None:
    """The same for the step that native steps stand before, with the values that native code computes.

    The whole step is compiled once more, with a copy of every node among its outputs, to the same bits.
    """
    step, state = steps.step, steps.copied(steps.block)
    try:
        with np.errstate(all="ignore"):
            spot = _in_native_step(steps, state, [order[start:stop] for start, stop in batches])
    except Exception:  # a step with every value kept may be too much to compile; the interpreter finds the place too
        spot = None
    return locate(step, state, order, batches) if spot is None else Trouble(spot)


def _in_native_step(steps: Any, state: State, rows: Sequence[Any]) -> Spot | None:
    here, parts = _here(), []

    def back(outputs: Any, cotangents: Any, wrt: Any, *, record: bool) -> list[Any]:
        found: dict[Any, Any] = {}
        sent = list(messages(outputs, cotangents, wrt, found, record=True))
        parts.append((outputs[0], sent, wrt, found))
        return [found.get(node) for node in wrt]

    trace, of = steps.traced_with(tuple(map(len, rows)), back)
    values = [*steps.block.arrays, steps.step.x, steps.step.t, *rows]
    x, t = trace.inputs[len(steps.block.arrays) :][:2]
    for node, name in ((x, "x"), (t, "t"), *zip(trace.inputs, steps.names)):
        node.name = name
    roots = [*trace.traced, *of.grads.values(), *of.clipped.values()]
    roots += [g for _, sent, _, _ in parts for m in sent for g in (m.upstream, m.sent) if isinstance(g, Node)]
    _give_values(trace, values, roots)
    for (loss, sent, wrt, found), batch in zip(parts, rows):
        spot = first_not_finite(loss, sent, wrt, found, Names(topological([loss]), here, batch))
        if spot is not None:
            return spot
    moved = dict(zip(state.params, map(value_of, trace.traced[1:])))
    return _in_update(steps.step, state, of, moved)


def _give_values(trace: Any, values: Sequence[Any], roots: Sequence[Any]) -> None:
    """Let every node of a trace have the value that native code computes for it."""
    from koubai.compile import Program, simplify

    leaves = [*trace.inputs, *trace.stand_ins]
    given = dict(zip(leaves, [*values, *(node.value for node in trace.captured)]))
    known = {x: x for x in trace.inputs} | dict(zip(trace.captured, trace.stand_ins))
    order = [node for node in topological([x for x in roots if isinstance(x, Node)]) if node.value is None]
    single = [node for node in order if node.op is not None and not isinstance(node.type, tuple)]
    twins = simplify([*trace.traced, *single], known)
    made = list(dict.fromkeys(x for x in twins if isinstance(x, Node) and x.op is not None and x not in given))
    if sum(prod(x.shape) * x.dtype.itemsize for x in made) > MOST_BYTES:
        raise MemoryError
    # Outputs lie in C order, and how a value lies decides in which order sums are taken: what is no output of the
    # step itself comes out as a copy.
    results = set(twins[: len(trace.traced)])
    copies = [x if x in results else barrier(x) for x in made]
    computed = given | dict(zip(made, Program(leaves, copies)(*given.values())))
    by_node = dict(zip(single, twins[len(trace.traced) :]))
    for node in order:
        if node in by_node:
            twin = by_node[node]
            node.value = computed[twin] if twin in computed else value_of(twin)
        elif node.op is None:
            node.value = np.asarray(given[node])[()]
        else:
            node.value = node.op.forward(*map(value_of, node.inputs), **node.params)


def _in_update(step: Step, state: State, of: Slopes, moved: dict[str, Any]) -> Spot | None:
    """What the optimizer, or clipping, made of finite gradients."""
    for name, g in of.grads.items():
        if not is_finite(value_of(g)):
            return _changed("sum", name, value_of(g))
    for name, g in of.clipped.items():
        if not is_finite(value_of(g)):
            index, _ = first_index(value_of(g))
            return _changed("clip", name, value_of(g), gradient=_at(of.grads[name], index))
    for name, p in moved.items():
        if not is_finite(p):
            index, _ = first_index(p)
            rate_of = getattr(step.optimizer, "rate_of", None)
            return _changed(
                "update", name, p,
                before=_at(state.params[name], index),
                gradient=_at(of.clipped[name], index) if name in of.clipped else None,
                rate=None if rate_of is None else float(rate_of(name, state.optimizer)),
            )  # fmt: skip
    return None


def _changed(kind: str, name: str, value: Any, **fields: Any) -> Spot:
    index, count = first_index(value)
    value = np.asarray(value)
    return Spot(kind, None, value[index], index, value.shape, count, target=name, **fields)


def _at(array: Any, index: tuple[int, ...]) -> Any:
    return np.asarray(value_of(array))[index]


def _leaf(value: Any, name: str) -> Any:
    node = constant(value, Tensor)
    node.name = name
    return node


def _here() -> tuple[Any, int]:
    """The user's line that asked for the training: where all nodes of a step seem to be made."""
    frame = users_frame(2)
    return frame.f_code, frame.f_lasti
