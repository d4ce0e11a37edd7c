"""Convolutions of a plan: where their operands lie, copied first where they lie as no loop likes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from koubai.compile.index import Counter, Index, affine, plus, times
from koubai.compile.layout import SHORT, examples_last
from koubai.compile.nest import Buffer, Convolution, Literal, Load, Nest, Region, Store, fixed_stride, place, regular
from koubai.compile.plan import Plan
from koubai.graph import Type
from koubai.ops import lowering
from koubai.ops.windows import Windows

__all__ = ["Operand", "convolution_nests"]

Element = Callable[[Sequence[Index]], Any]


class Operand(NamedTuple):
    """An input: its shape, and its element at an index in the result's dtype."""

    shape: tuple[int, ...]
    element: Element


class Room(NamedTuple):
    """Along the last axis, element q goes to ``q step + before`` of so many; there are zeros between and around."""

    before: int
    step: int
    length: int


def convolution_nests(
    plan: Plan, how: lowering.Convolution, out: Buffer, inputs: Sequence[Operand], title: str
) -> list[Any]:
    """The convolution, after copies of its operands.

    Examples lie side by side if they fill a vector. Otherwise neighbours along the last axis do, with zeros around
    them where the kernel hangs over, so that loops need not ask.
    """
    made: list[Any] = []
    windows = how.windows
    regions = {how.result: Region(out, 0, out.strides, out.type.shape)}
    for name, operand in zip({"x": "yw", "w": "xy", "y": "xw"}[how.result], inputs):
        counters = [Counter(n) for n in operand.shape]
        load = operand.element([affine(c) for c in counters])
        lies = isinstance(load, Load) and regular(load.at)
        steps = tuple(fixed_stride(load.at, c) for c in counters) if lies else ()
        room = None
        if name != "w" and operand.shape[0] < SHORT:
            room = _room(windows, name, how.result)
            windows = _with_room(windows, name, how.result, room) if room else windows
        along = 0 if operand.shape[0] >= SHORT else -1
        if lies and room is None and (name == "w" or steps[along] == 1 or operand.shape[along] == 1):
            regions[name] = Region(load.buffer, affine(load.at).constant, steps, operand.shape)
            continue
        order = examples_last(len(operand.shape)) if name != "w" and along == 0 else None
        copy = _copy(plan, made, operand, out.type.dtype, order, room)
        regions[name] = Region(copy, 0, copy.strides, copy.type.shape)
    made.append(Convolution(how.result, windows=windows, groups=how.groups, title=[title], **regions))
    return made


def _copy(
    plan: Plan, made: list[Any], operand: Operand, dtype: Any, order: list[int] | None, room: Room | None
) -> Buffer:
    shape = operand.shape if room is None else (*operand.shape[:-1], room.length)
    copy = plan.buffer(Type(shape, dtype), f"v{plan.count}", order)
    plan.temporaries.append(copy)
    axes = order or range(len(shape))
    if room is not None:
        counters, index = _loops(shape)
        zero = Store(copy, place(copy, index), Literal(0, dtype))
        made.append(Nest([counters[i] for i in axes if shape[i] != 1], [zero], [f"{copy.name} = zeros"]))
    counters, index = _loops(operand.shape)
    target = list(index) if room is None else [*index[:-1], plus(times(index[-1], room.step), room.before)]
    store = Store(copy, place(copy, target), operand.element(index))
    loops = [counters[i] for i in axes if operand.shape[i] != 1]
    made.append(Nest(loops, [store], [f"{copy.name} = copy for the convolution"]))
    return copy


def _loops(shape: Sequence[int]) -> tuple[list[Counter], list[Index]]:
    counters = [Counter(n) for n in shape]
    return counters, [affine(c) if c.extent != 1 else 0 for c in counters]


def _room(windows: Windows, name: str, result: str) -> Room | None:
    """The room that the image (x) or the result's gradient (y) needs, or None."""
    length, kernel, step, (before, _), dilation, count = _last(windows)
    reach = (kernel - 1) * dilation
    if name == "x":
        room = Room(before, 1, max(before + length, (count - 1) * step + reach + 1))
        return room if room.length > length else None
    if result == "w":
        return None
    start = max(0, reach - before)
    room = Room(start, step, max(start + (count - 1) * step + 1, length + before + start))
    return room if room.length > count else None


def _with_room(windows: Windows, name: str, result: str, room: Room) -> Windows:
    """What the convolution becomes on the copy."""
    length, _, step, (before, _), _, count = _last(windows)
    if name == "x":
        return _changed(windows, room.length, step, (0, 0), count)
    return _changed(windows, length, 1, (before + room.before, 0), room.length)


def _last(v: Windows) -> tuple[int, int, int, tuple[int, int], int, int]:
    return v.lengths[-1], v.kernel[-1], v.stride[-1], v.padding[-1], v.dilation[-1], v.count[-1]


def _changed(v: Windows, length: int, step: int, padding: tuple[int, int], count: int) -> Windows:
    return replace(
        v,
        lengths=(*v.lengths[:-1], length),
        stride=(*v.stride[:-1], step),
        padding=(*v.padding[:-1], padding),
        count=(*v.count[:-1], count),
    )
