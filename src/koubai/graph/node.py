"""A node of the graph: one value, the op that made it and what the op was given."""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from koubai.graph.types import Type, type_of

if TYPE_CHECKING:
    from types import CodeType

    from koubai.graph.calls import Call
    from koubai.graph.op import Op

__all__ = ["Node", "constant", "placeholder", "rebuilt"]

NO_PARAMS: dict[str, Any] = {}
next_number = itertools.count().__next__  # one C call, so that threads never draw the same number


class Node:
    """One value in a computation.

    A node points to what it was made from and never to its users, so that a graph is freed by
    reference counting when its last handle goes. CPython's deallocator of slotted objects and tuples
    defers nested releases (its "trashcan"), so that a chain of a million nodes does not recurse.

    Attributes
    ----------
    op : Op or None
        What made it; None for a leaf.
    inputs : tuple
        Nodes, and plain arrays or numbers for constants.
    params : dict
        Static arguments of the op (axes, shapes, ...).
    value : array, NumPy scalar (for 0-d values), tuple of these, or None while only the type is known
    requires_grad : bool
        Whether differentiation goes through this node.
    number : int
        Larger than the numbers of the inputs: the order in which nodes were made. A leaf whose value is
        replaced takes a new number, so that what was computed from the old value is known to be stale.
    name : str or None
    code, offset
        Where the user's code made it: a code object and the offset of the instruction, resolved to a
        line only when somebody asks.
    call : Call or None
        The call of a layer that made it.
    """

    __slots__ = (
        "__weakref__",
        "_type",
        "call",
        "code",
        "inputs",
        "name",
        "number",
        "offset",
        "op",
        "params",
        "requires_grad",
        "value",
    )

    result_class: ClassVar[type[Node]]

    op: Op | None
    inputs: tuple[Any, ...]
    params: dict[str, Any]
    value: Any
    requires_grad: bool
    number: int
    name: str | None
    code: CodeType | None
    offset: int
    call: Call | None
    _type: Type | tuple[Type, ...]

    @property
    def type(self) -> Any:
        """The node's Type; a tuple of Types where the op has several outputs."""
        value = self.value
        if value is None:
            return self._type
        if type(value) is tuple:
            return tuple(type_of(v) for v in value)
        return type_of(value)

    @property
    def shape(self) -> tuple[int, ...]:
        value = self.value
        return self._type.shape if value is None else value.shape  # type: ignore[union-attr]

    @property
    def dtype(self) -> Any:
        value = self.value
        return self._type.dtype if value is None else value.dtype  # type: ignore[union-attr]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def where(self) -> str | None:
        """``file:line`` of the user's code that made this node, or None where that is not known."""
        return None if self.code is None else _place(self.code, self.offset)


Node.result_class = Node


@lru_cache(maxsize=1024)
def _place(code: CodeType, offset: int) -> str:
    line = code.co_firstlineno
    for start, end, number in code.co_lines():
        if start <= offset < end and number is not None:
            line = number
    return f"{code.co_filename}:{line}"


def constant(value: Any, kind: type[Node] = Node, *, requires_grad: bool = False) -> Any:
    """A leaf that holds `value` (not copied)."""
    node = kind.__new__(kind)
    node.op = None
    node.inputs = ()
    node.params = NO_PARAMS
    node.value = value
    node.requires_grad = requires_grad
    node.number = next_number()
    node.name = None
    node.code = None
    node.offset = 0
    node.call = None
    return node


def placeholder(of: Type, kind: type[Node] = Node, *, requires_grad: bool = False) -> Any:
    """A leaf of which only the type is known: an input of a traced graph."""
    node = constant(None, kind, requires_grad=requires_grad)
    node._type = of
    return node


def rebuilt(node: Any, inputs: tuple[Any, ...], params: dict[str, Any] | None = None) -> Any:
    """The same operation on other inputs of the same types (or with other params of the same effect)."""
    twin = constant(node.value, node.result_class, requires_grad=node.requires_grad)
    if node.value is None:
        twin._type = node._type
    twin.op, twin.inputs, twin.params = node.op, inputs, node.params if params is None else params
    twin.name, twin.code, twin.offset, twin.call = node.name, node.code, node.offset, node.call
    return twin
