"""Plans whose outputs take the place of inputs, where no one needs the old values any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from koubai.compile.boxes import copy_nest
from koubai.compile.build import build
from koubai.compile.nest import (
    Buffer,
    Call,
    Check,
    Convolution,
    Load,
    Loop,
    Nest,
    Product,
    Store,
    buffers_read,
    loads_of,
    reads_in,
)
from koubai.compile.plan import Plan, Setting, make_plan
from koubai.graph import Node, Type

__all__ = ["planned"]


def planned(
    inputs: Sequence[Node],
    outputs: Sequence[Node],
    updates: Sequence[tuple[int, int]] = (),
    setting: Setting | None = None,
) -> tuple[Plan, list[Any]]:
    """The plan and the nests; output i of a pair (i, k) in `updates` is written into input k.

    Where something still reads the old value later, or elsewhere than where the new one is written, the
    output is computed in memory of its own and copied at the end.
    """
    pairs = list(updates)
    while True:
        plan = make_plan(inputs, outputs, pairs, setting)
        nests = build(plan)
        uses = [_use(nest) for nest in nests] if pairs else []
        unsafe = [pair for pair in pairs if not _safe(uses, plan.inputs[pair[1]], plan.outputs[pair[0]])]
        if not unsafe:
            break
        pairs = [pair for pair in pairs if pair not in unsafe]
    for i, k in updates:
        if (i, k) not in pairs:
            nests.append(copy_nest(plan.outputs[i], plan.inputs[k]))
            plan.temporaries.append(plan.outputs[i])
            plan.outputs[i] = plan.inputs[k]
    for nest in nests:
        if isinstance(nest, Loop):
            _fill(plan, nest)
    return plan, nests


def _fill(plan: Plan, loop: Loop) -> None:
    """What a step of a loop does: its body's own nests. A carry is an output that takes an input's place."""
    body, fixed, carries = loop.body, len(loop.fixed), len(loop.carries)
    changing = [i for i in range(carries) if body.outputs[i] is not body.inputs[fixed + i]]
    outputs = [*changing, *loop.stacks]
    inputs = [*loop.fixed, *loop.carries, *(_row(plan, loop, array) for array in loop.arrays)]
    places = {k: _row(plan, loop, loop.stacks[i]) for k, i in enumerate(outputs) if i >= carries}
    updates = [(k, fixed + i) for k, i in enumerate(changing)]
    setting = Setting(plan.table, inputs, places)
    inner, loop.nests = planned(body.inputs, [body.outputs[i] for i in outputs], updates, setting)
    loop.temporaries = inner.temporaries


def _row(plan: Plan, loop: Loop, array: Buffer) -> Buffer:
    """The row of an array that belongs to a step."""
    of = Type(array.type.shape[1:], array.type.dtype)
    made = Buffer(plan.buffer(of, "").slot, of, f"{array.name}[{loop.counter}]", array.strides[1:])
    loop.rows.append((made.slot, array, array.strides[0] * of.dtype.itemsize))
    return made


class _Use(NamedTuple):
    """What a nest writes and, by slot, what it reads: as values, and as indices."""

    nest: Any
    writes: list[Buffer]
    reads: dict[int, list[Load]]
    indices: dict[int, list[Buffer]]


def _use(nest: Any) -> _Use:
    found = _Use(nest, _writes(nest), {}, {})
    for load in _reads(nest):
        found.reads.setdefault(load.buffer.slot, []).append(load)
    for buffer in _index_arrays(nest):
        found.indices.setdefault(buffer.slot, []).append(buffer)
    return found


def _safe(uses: Sequence[_Use], old: Buffer, new: Buffer) -> bool:
    """Whether every read of the old values comes before they are overwritten."""
    written = [k for k, use in enumerate(uses) if any(s is new for s in use.writes)]
    if len(written) != 1:
        return False
    (at,) = written
    for k, (nest, _, reads_of, indices) in enumerate(uses[at:], at):
        # By the slot, since a reshape reads the same memory by another name.
        reads = [load for load in reads_of.get(old.slot, ()) if load.buffer is not new]
        if any(b is not new for b in indices.get(old.slot, ())):
            return False
        if k > at and reads:
            return False
        if reads:
            if not isinstance(nest, Nest) or nest.fold is not None or nest.ordered:
                return False
            targets = {store.at for store in nest.stores if store.buffer is new}
            if len(targets) != 1 or any(load.at not in targets for load in reads):
                return False
    return True


def _index_arrays(nest: Any) -> list[Buffer]:
    """The buffers of which elements serve as indices."""
    stores: list[Store] = nest.stores if isinstance(nest, Nest) else []
    roots = [nest.fits] if isinstance(nest, Check) else stores
    places = [*(load.at for load in loads_of(roots)), *(store.at for store in stores)]
    return buffers_read([value for at in places for value in reads_in(at)])


def _writes(nest: Any) -> list[Buffer]:
    if isinstance(nest, (Call, Loop)):
        return nest.writes
    if isinstance(nest, Convolution):
        return [nest.written.buffer]
    if isinstance(nest, Product):
        return [nest.c.buffer]
    return [store.buffer for store in getattr(nest, "stores", [])]


def _reads(nest: Any) -> list[Load]:
    if isinstance(nest, (Call, Convolution, Loop)):
        buffers = [r.buffer for r in nest.read] if isinstance(nest, Convolution) else nest.reads
        return [Load(b, 0, frozenset(), b.type.dtype) for b in buffers]
    if isinstance(nest, Product):
        return [nest.a, nest.b]
    return loads_of(nest.stores if isinstance(nest, Nest) else [nest.fits])
