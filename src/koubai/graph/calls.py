"""Which layer is at work while nodes are made."""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["Call", "calling"]


class Call:
    """One call of a layer. All nodes that it makes point to it, so that a reader can tell layers, and calls of one
    layer, apart.

    Attributes
    ----------
    path : str
        Where the layer stands in its model; empty for the model itself.
    kind : str
        The name of its class.
    parent : Call or None
        The call of the layer that called it.
    """

    __slots__ = ("kind", "parent", "path")

    def __init__(self, path: str, kind: str, parent: Call | None) -> None:
        self.path = path
        self.kind = kind
        self.parent = parent

    def __repr__(self) -> str:
        return f"<call of {self.path or self.kind}>"


calling: ContextVar[Call | None] = ContextVar("calling", default=None)
