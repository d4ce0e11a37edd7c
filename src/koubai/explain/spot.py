"""Spots: one place of a computation as plain data, with the values that met there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os.path import basename
from typing import Any

import numpy as np

from koubai.explain.symbols import names_of
from koubai.graph import Node, value_of
from koubai.ops.define import is_elementwise

__all__ = ["Names", "Operand", "Spot", "batched", "first_index", "is_finite", "operands_at", "spot_of"]

# Ops that hand numbers on as they are: what they hand on is still the output of a layer.
REARRANGING = ("getitem", "reshape", "transpose", "broadcast_to", "astype", "bind", "flip", "roll")


@dataclass(frozen=True, slots=True)
class Operand:
    """What an op was given at one place.

    Attributes
    ----------
    low, high : number
        The value; of several, such as a row that is summed, the least and the largest.
    here : number or None
        Of an op of which it is not known what depends on what: what stands at the same place.
    name : str or None
        The parameter's path, the tensor's name or the user's variable.
    made_by : str or None
        The op, or the kind of the layer, that made it; ``"batch"`` for the rows that a training took from x or t.
    layer : str or None
        The path of the layer that made it.
    """

    low: Any
    high: Any
    here: Any = None
    name: str | None = None
    made_by: str | None = None
    layer: str | None = None


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a value that is not finite came up.

    Attributes
    ----------
    kind : {"forward", "backward", "sum", "leaf", "clip", "update"}
        See `Trouble.kind`.
    op : str or None
    value : number
        NaN or an infinity.
    index, shape : tuple of int
        The first element that is not finite, and the shape of the array in which it stands.
    count : int
        How many elements of the array are not finite.
    operands : tuple of Operand
        What the op was given there.
    target : str or None
        The name of the array: of the leaf, of what receives the message, of the parameter.
    upstream : number or None
        Backward: the gradient that the op received.
    layer, layer_kind : str or None
    where : str or None
        ``file:line`` of the user's code.
    iteration : int or None
        In the body of a loop: in which of its steps, from 0.
    example : int or None
        In a training: to which row of the data the element belongs, where that is known.
    before, gradient, rate : number or None
        Update: the weight and its gradient before, and the learning rate. Clip: the gradient before.
    """

    kind: str
    op: str | None
    value: Any
    index: tuple[int, ...]
    shape: tuple[int, ...]
    count: int
    operands: tuple[Operand, ...] = ()
    target: str | None = None
    upstream: Any = None
    layer: str | None = None
    layer_kind: str | None = None
    where: str | None = None
    iteration: int | None = None
    example: int | None = None
    before: Any = None
    gradient: Any = None
    rate: Any = None


class Names:
    """What nodes are called, and where the user's code made them.

    Parameters
    ----------
    order : nodes, inputs before their users
    here : (code, offset), optional
        A place that says nothing, since everything was made there: the user's call of a training.
    rows : array, optional
        Which rows of all examples make the batch, which is read from leaves named x and t.
    """

    def __init__(self, order: Sequence[Any], here: tuple[Any, int] | None = None, rows: Any = None) -> None:
        self._order, self._here, self._rows = order, here, rows
        self._names: dict[Any, str | None] | None = None

    def __getitem__(self, node: Any) -> str | None:
        if node.name or self._is_here(node):
            return node.name  # type: ignore[no-any-return]
        if self._names is None:
            self._names = names_of(self._order)
        return self._names.get(node)

    def where(self, node: Any) -> str | None:
        """The file's name and the line."""
        place = None if self._is_here(node) else node.where()
        return None if place is None else basename(place)

    def batch_of(self, node: Any) -> str | None:
        """Of the rows that a training takes from its data: the name of the data, x or t."""
        return node.inputs[0].name if self._rows is not None and _is_batch(node) else None

    def example(self, node: Any, index: tuple[int, ...]) -> int | None:
        """To which example an element belongs, where that is known."""
        known = self._rows is not None and index and node in batched(self._order, len(self._rows))
        return int(self._rows[index[0]]) if known else None

    def _is_here(self, node: Any) -> bool:
        return self._here is not None and node.code is self._here[0] and node.offset == self._here[1]


def is_finite(value: Any) -> bool:
    """Whether all elements are; of all outputs where there are several."""
    if type(value) is tuple:
        return all(map(is_finite, value))
    return bool(np.isfinite(value).all())


def first_index(value: Any, nan: bool = False) -> tuple[tuple[int, ...], int]:
    """The first element that is not finite (or that is NaN), in C order, and how many there are."""
    places = np.argwhere(np.isnan(value) if nan else ~np.isfinite(value))
    return tuple(int(i) for i in places[0]), len(places)


def spot_of(kind: str, node: Any, value: Any, names: Names, nan: bool = False, **fields: Any) -> Spot:
    """A spot in the array `value`, which the op of a node made: the first element not finite, or the first NaN."""
    index, count = first_index(value, nan)
    call = node.call
    return Spot(
        kind,
        None if node.op is None else node.op.name,
        np.asarray(value)[index],
        index,
        np.shape(value),
        count,
        layer=None if call is None else call.path,
        layer_kind=None if call is None else call.kind,
        where=names.where(node),
        **fields,
    )


def operands_at(node: Any, index: tuple[int, ...] | None, names: Names) -> tuple[Operand, ...]:
    """What the op of a node was given to make the element at `index` of its result; all of it without one."""
    values = [value_of(x) for x in node.inputs]
    whole = index is not None and not is_elementwise(node.op) and type(node.value) is not tuple
    found = []
    for x, value, piece in zip(node.inputs, values, _pieces(node, values, index)):
        same = whole and piece.size > 1 and piece.shape == np.shape(value) == node.value.shape
        here = value[index] if same else None
        if piece.size:
            found.append(_operand(x, piece, here, node, names))
    return tuple(found)


def batched(order: Sequence[Any], size: int) -> set[Any]:
    """The nodes of which axis 0 counts the examples of the batch, as far as their ops say so."""
    found: set[Any] = set()
    for node in order:
        if node.op is None or type(node.value) is tuple or np.shape(node.value)[:1] != (size,):
            continue
        first, axis = node.inputs[0], node.params.get("axis")
        if is_elementwise(node.op):
            keeps = any(x in found and x.ndim == node.ndim for x in node.inputs if isinstance(x, Node))
        elif node.op.name == "getitem" and first.op is None:
            keeps = _is_batch(node)
        else:
            keeps = isinstance(first, Node) and first in found and (
                node.op.name in ("matmul", "reshape", "astype", "bind", "getitem")
                or (len(node.inputs) == 1 and type(axis) is tuple and 0 not in axis)
            )  # fmt: skip
        if keeps:
            found.add(node)
    return found


def _is_batch(node: Any) -> bool:
    first = node.inputs[0] if node.op is not None and node.op.name == "getitem" else None
    return isinstance(first, Node) and first.op is None and first.name in ("x", "t") and (
        first.shape[1:] == node.shape[1:]
    )  # fmt: skip


def _pieces(node: Any, values: list[Any], index: tuple[int, ...] | None) -> list[Any]:
    """Of each input the elements that the one at `index` depends on, where that is known; otherwise all."""
    arrays = [np.asarray(v) for part in values for v in (part if type(part) is tuple else (part,))]
    if index is None:
        return arrays
    if is_elementwise(node.op):
        return [np.broadcast_to(a, node.value.shape)[index] for a in arrays]
    if node.op.name == "matmul" and all(a.ndim == 2 for a in arrays):
        return [arrays[0][index[0]], arrays[1][:, index[1]]]
    axis, keepdims = node.params.get("axis"), node.params.get("keepdims")
    if len(arrays) == 1 and type(axis) is tuple and isinstance(keepdims, bool):
        rest = iter(i for k, i in enumerate(index) if not (keepdims and k in axis))
        return [arrays[0][tuple(slice(None) if k in axis else next(rest) for k in range(arrays[0].ndim))]]
    return arrays


def _operand(x: Any, piece: Any, here: Any, node: Any, names: Names) -> Operand:
    ordered = np.abs(piece) if piece.dtype.kind == "c" and piece.size > 1 else piece
    low, high = (piece[()], piece[()]) if piece.ndim == 0 else (ordered.min(), ordered.max())
    if not isinstance(x, Node):
        return Operand(low, high, here)
    maker = x
    while maker.op is not None and maker.op.name in REARRANGING and isinstance(maker.inputs[0], Node):
        maker = maker.inputs[0]
    layer = maker.call if maker.call is not node.call else None
    made_by = layer.kind if layer is not None and maker is x else x.op.name if x.op is not None else None
    name, batch = names[x], names.batch_of(x)
    if batch is not None:
        name, made_by = batch, "batch"
    elif name is None and made_by == "getitem":
        whole = names[x.inputs[0]] or names.batch_of(x.inputs[0])
        name = f"{whole}[...]" if whole else None
    return Operand(low, high, here, name, made_by, None if layer is None else layer.path)
