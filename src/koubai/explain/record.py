"""Record: a whole forward and backward pass as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from koubai.diff import messages
from koubai.errors import IndexingError, UsageError
from koubai.explain.export import record_data, record_table, to_json
from koubai.explain.local import LocalMap, factors_of, jacobian_of
from koubai.explain.symbols import Symbols
from koubai.graph import Call, Node, Op, topological
from koubai.tensor import Tensor
from koubai.tensor.seed import first_gradient

__all__ = ["Record", "RecordCall", "RecordEdge", "RecordNode", "in_its_slot", "record"]


class RecordCall:
    """One call of a layer.

    Attributes
    ----------
    index : int
        Its place among the calls, in the order in which they began.
    path, kind : str
        Where the layer stands in its model, and its class.
    parent : RecordCall or None
    """

    __slots__ = ("index", "kind", "parent", "path")

    def __init__(self, index: int, path: str, kind: str, parent: RecordCall | None) -> None:
        self.index, self.path, self.kind, self.parent = index, path, kind, parent

    def __repr__(self) -> str:
        return f"<call {self.index}: {self.path or 'the model'} ({self.kind})>"


class RecordNode:
    """One value of the computation.

    Attributes
    ----------
    index : int
        Its place in the order of the computation: inputs come before their users.
    grad : array or None
        The gradient of the output with respect to this value: the sum of the messages, in their order. None where
        no gradient flows. A tuple for an op with several outputs.
    inputs : tuple
        What it was computed from: nodes of the record, and plain numbers and arrays.
    messages : sequence of RecordEdge
        The edges that bring its gradient.
    call : RecordCall or None
        The call of the layer that computed it.
    """

    __slots__ = ("_made", "_symbols", "call", "grad", "index", "inputs", "messages")

    def __init__(
        self, made: Node, index: int, inputs: tuple[Any, ...], call: RecordCall | None, symbols: Symbols
    ) -> None:
        self._made = made
        self._symbols = symbols
        self.index = index
        self.inputs = inputs
        self.call = call
        self.grad: Any = None
        self.messages: Sequence[RecordEdge] = ()

    @property
    def symbol(self) -> str:
        """Its name, made unique in the record."""
        return self._symbols[self._made]

    @property
    def op(self) -> str | None:
        """The op's name; None for a leaf."""
        return None if self._made.op is None else self._made.op.name

    @property
    def operation(self) -> Op | None:
        """The op's record; None for a leaf."""
        return self._made.op

    @property
    def params(self) -> dict[str, Any]:
        """Static arguments of the op."""
        return dict(self._made.params)

    @property
    def name(self) -> str | None:
        """The tensor's own name, or a parameter's path."""
        return self._made.name

    @property
    def value(self) -> Any:
        """An array that cannot be written to, a NumPy scalar, or a tuple of these."""
        return _fixed(self._made.value)

    @property
    def shape(self) -> Any:
        """The value's shape; a tuple of shapes where the op has several outputs."""
        value = self._made.value
        return tuple(v.shape for v in value) if type(value) is tuple else value.shape

    @property
    def dtype(self) -> Any:
        """The value's dtype; a tuple of dtypes where the op has several outputs."""
        value = self._made.value
        return tuple(v.dtype for v in value) if type(value) is tuple else value.dtype

    @property
    def requires_grad(self) -> bool:
        """Whether differentiation goes through this node."""
        return self._made.requires_grad

    @property
    def layer(self) -> str | None:
        """The path of the layer that computed it, or that owns it; None outside of all layers."""
        if self.call is not None:
            return self.call.path
        path = getattr(self._made, "path", "")
        return path.rpartition(".")[0] if path else None

    @property
    def where(self) -> str | None:
        """``file:line`` of the user's code that made it."""
        return self._made.where()

    def __repr__(self) -> str:
        return f"<node {self.index}: {self.symbol} = {self.op or 'leaf'}, shape {self.shape}>"


class RecordEdge:
    """What one node sends back to one of its inputs.

    Attributes
    ----------
    source, target : RecordNode
        The input, and its user. Values flow from source to target, the message from target to source.
    position : int
        Which of the target's inputs the source is.
    upstream : array
        The target's gradient.
    message : array
        What the source receives: the upstream gradient times the local derivative, in the source's shape.
    """

    __slots__ = ("message", "position", "source", "target", "upstream")

    def __init__(self, source: RecordNode, target: RecordNode, position: int, upstream: Any, message: Any) -> None:
        self.source = source
        self.target = target
        self.position = position
        self.upstream = upstream
        self.message = message

    @property
    def local(self) -> Any:
        """The local derivative of the target by the source.

        Of an elementwise op an array of factors in the target's shape: the message is upstream times local, summed
        over the axes along which the source was broadcast. Of any other op a `LocalMap`.
        """
        made = self.target._made
        factors = factors_of(made, self.position)
        return LocalMap(made, self.position) if factors is None else _fixed(factors)

    def jacobian(self) -> Any:
        """The full local Jacobian, of shape ``target.shape + source.shape``.

        Raises
        ------
        UsageError
            If it has more than ten million elements, or the target is not one array of real numbers.
        """
        return jacobian_of(self.target._made, self.position)

    def __repr__(self) -> str:
        return f"<edge {self.source.symbol} -> {self.target.symbol}, input {self.position}>"


class Record:
    """A forward and backward pass as plain data.

    Attributes
    ----------
    nodes : tuple of RecordNode
        Inputs before their users.
    edges : tuple of RecordEdge
        Those that carry a message, in the order in which messages were sent.
    calls : tuple of RecordCall
    output : RecordNode
    """

    def __init__(self, output: Node, cotangent: Any) -> None:
        order = topological([output])
        symbols = Symbols(order)
        calls: dict[Call, RecordCall] = {}
        made: dict[Node, RecordNode] = {}
        for index, node in enumerate(order):
            inputs = tuple(made[x] if isinstance(x, Node) else x for x in node.inputs)
            call = None if node.call is None else calls.get(node.call) or _call_of(node.call, calls)
            made[node] = RecordNode(node, index, inputs, call, symbols)
        self._of = made
        self.nodes = tuple(made.values())
        self.calls = tuple(calls.values())
        self.output = made[output]
        self.edges = tuple(self._edges(output, cotangent))

    def _edges(self, output: Node, cotangent: Any) -> Iterator[RecordEdge]:
        leaves = [node for node in self._of if node.op is None and node.requires_grad]
        found: dict[Node, Any] = {}
        self.output.grad = cotangent
        for user, position, upstream, sent in messages([output], [cotangent], leaves, found, record=False):
            source, target = self._of[user.inputs[position]], self._of[user]
            if type(upstream) is list:
                upstream = tuple(np.zeros_like(v)[()] if g is None else g for v, g in zip(target.value, upstream))
            target.grad = upstream
            if user.op is not None and user.op.name == "output":
                sent = in_its_slot(sent, source, user.params["index"])
            edge = RecordEdge(source, target, position, upstream, sent)
            if source.messages:
                source.messages.append(edge)  # type: ignore[attr-defined]
            else:
                source.messages = [edge]
            yield edge
        for leaf in leaves:
            self._of[leaf].grad = found.get(leaf)

    def __getitem__(self, key: Any) -> RecordNode:
        """The node of a tensor, of a symbol, or at an index.

        Raises
        ------
        IndexingError
            If there is none, as where the output does not depend on the tensor; the message lists the symbols.
        """
        if isinstance(key, Node):
            node = self._of.get(key)
        elif isinstance(key, str):
            node = next((n for n in self.nodes if key in (n.symbol, n.name)), None)
        else:
            node = self.nodes[key] if -len(self.nodes) <= key < len(self.nodes) else None
        if node is None:
            known = ", ".join(n.symbol for n in self.nodes[:20]) + (", ..." if len(self.nodes) > 20 else "")
            if isinstance(key, Node):
                raise IndexingError(
                    f"record: the output does not depend on {key.name or 'this tensor'}, no path leads from it to the "
                    f"output; use it in the computation, or ask for one of {known}"
                )
            raise IndexingError(f"record: {key!r} is not among the nodes; there are {known}")
        return node

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[RecordNode]:
        return iter(self.nodes)

    def __repr__(self) -> str:
        return f"<record of {len(self.nodes)} nodes and {len(self.edges)} messages>"

    def __str__(self) -> str:
        return record_table(self)

    def to_dict(self) -> dict[str, Any]:
        """Everything as dicts, lists, numbers and strings: what `to_json` writes."""
        return record_data(self)

    def to_json(self, path: str | Path | None = None) -> str:
        """The record as JSON; with a path also written there, whole or not at all.

        Arrays are nested lists, complex numbers pairs, and what JSON has no number for the strings "NaN", "Infinity"
        and "-Infinity".
        """
        return to_json(self.to_dict(), path)


def record(output: Tensor, gradient: Any = None) -> Record:
    """The whole computation that led to `output`, and its backward pass, as plain data.

    Nothing runs a second time: values are those that the tensors hold, and the backward pass is the one that
    `backward` makes, its messages kept. `.grad` of the leaves is not touched.

    Parameters
    ----------
    output : Tensor
        Of size 1 unless a gradient is given.
    gradient : array, optional
        What the output itself receives; 1 by default.

    Returns
    -------
    Record

    Raises
    ------
    UsageError
        If nothing that led to the output requires a gradient, or it is no tensor.
    ShapeError
        If the output has several elements and no gradient is given.

    Examples
    --------
    >>> import koubai as kb
    >>> x, y = kb.tensor(2.0, requires_grad=True, name="x"), kb.tensor(3.0, requires_grad=True, name="y")
    >>> seen = kb.record(x * y + x)
    >>> [(edge.source.symbol, float(edge.message)) for edge in seen["x"].messages]
    [('x', 1.0), ('x', 3.0)]
    >>> float(seen["x"].grad)
    4.0
    """
    if not isinstance(output, Tensor):
        raise UsageError(f"record: expected a tensor, the output of a computation, got {type(output).__name__}")
    return Record(output, first_gradient("record", output, gradient))


def _fixed(value: Any) -> Any:
    """The same numbers, not to be written to."""
    if type(value) is tuple:
        return tuple(map(_fixed, value))
    if isinstance(value, np.ndarray):
        value = value.view()
        value.flags.writeable = False
    return value


def _call_of(call: Call | None, known: dict[Call, RecordCall]) -> RecordCall | None:
    """The record of a call; those that it stands in are met with it, outermost first."""
    new = []
    while call is not None and call not in known:
        new.append(call)
        call = call.parent
    found = None if call is None else known[call]
    for inner in reversed(new):
        found = known[inner] = RecordCall(len(known), inner.path, inner.kind, found)
    return found


def in_its_slot(sent: Any, source: RecordNode, index: int) -> tuple[Any, ...]:
    """A message to one of several outputs as one to all of them: zero for the others."""
    return tuple(sent if i == index else np.zeros_like(v)[()] for i, v in enumerate(source.value))
