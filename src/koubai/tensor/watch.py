"""What a traced function reads besides its arguments, and what it changes.

While `koubai.compile` traces, a `Watch` is in place. A setting that is read then (whether a model is in
training, which layers it has) must be the same at a later call, or the function is traced anew. A state (a
running mean, a counter) becomes an input of the program, and what is assigned to it one more output, written
back after each call.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from koubai.graph import Node, Type, placeholder
from koubai.tensor.tensor import Tensor

__all__ = ["State", "Watch", "watched"]


@dataclass(slots=True)
class State:
    """A value that outlives a call.

    Attributes
    ----------
    before : node
        Stands for the value at the start of a call.
    now : node
        What it has become so far.
    read, write : callables
        Get the value at the start of a call, and set it after one.
    """

    before: Node
    now: Any
    read: Callable[[], Any]
    write: Callable[[Any], None]

    def holds(self) -> bool:
        """Whether the value still is of the type with which it was traced."""
        value = self.read()
        of = self.before.type
        return bool(value.shape == of.shape and value.dtype == of.dtype)


class Watch:
    """Settings and states met during one trace, each once."""

    def __init__(self) -> None:
        self.settings: dict[Hashable, tuple[Callable[[], Any], Any]] = {}
        self.states: dict[Hashable, State] = {}

    def setting(self, key: Hashable, read: Callable[[], Any]) -> Any:
        """The setting's value, on which the trace depends from now on."""
        if key not in self.settings:
            self.settings[key] = read, read()
        return self.settings[key][1]

    def state(self, key: Hashable, of: Type, read: Callable[[], Any], write: Callable[[Any], None]) -> State:
        """The state, as an input of the traced graph."""
        if key not in self.states:
            before = placeholder(of, Tensor)
            self.states[key] = State(before, before, read, write)
        return self.states[key]

    def holds(self) -> bool:
        """Whether every setting is what it was, and every state of the type that it had."""
        settled = all(read() == value for read, value in self.settings.values())
        return settled and all(state.holds() for state in self.states.values())


watched: ContextVar[Watch | None] = ContextVar("watched", default=None)
