"""What a traced function reads besides its arguments, and what it changes.

While `koubai.compile` traces, a `Watch` is in place. The attributes of objects that are met then (a layer's dropout
rate, its weights, whether it is in training) must be the same at a later call, or the function is traced anew. A
state (a running mean, a counter) becomes an input of the program, and what is assigned to it one more output,
written back after each call.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator

from koubai.graph import Node, Type, placeholder
from koubai.tensor.tensor import Tensor

__all__ = ["State", "Symbol", "Watch", "Watched", "substituted", "watched"]

PLAIN = (bool, int, float, complex, str, bytes, np.generic)
ABSENT = object()
MODES = frozenset(("_training", "_seed"))  # which count only for who has asked for them


class Symbol(Tensor):
    """Stands for a value that a traced function is given."""

    __slots__ = ()


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


class Watched:
    """An object that counts the changes of its attributes, so that it is cheap to see that there was none."""

    _version: int

    def _settings(self) -> dict[str, Any]:
        """All that a trace may depend on, by name."""
        raise NotImplementedError


class _Met:
    """An object that a trace has met, and its attributes before the trace.

    Attributes
    ----------
    owner : the object, or a weak reference to it
    read : callable
        Gives its present attributes.
    skipped : set of names that do not count
    drawn : dict
        The states of random generators among the attributes.
    version : int or None
        Of a `Watched`, when its attributes were compared last.
    """

    __slots__ = ("before", "drawn", "owner", "read", "skipped", "version")

    def __init__(self, owner: Any, read: Callable[[], dict[str, Any]]) -> None:
        self.owner, self.read = owner, read
        self.before = dict(read())
        self.skipped = set(MODES)
        self.drawn = {name: x.bit_generator.state for name, x in self.before.items() if isinstance(x, Generator)}
        self.version: int | None = None

    def object(self) -> Any:
        return self.owner if isinstance(self.owner, Watched) else self.owner()

    def changed(self) -> Iterator[str]:
        """The names of attributes that are not what they were."""
        now = self.read()
        for name in {**self.before, **now}:
            if name not in self.skipped and not _alike(self.before.get(name, ABSENT), now.get(name, ABSENT)):
                yield name

    def holds(self) -> bool:
        if next(self.changed(), None) is not None:
            return False
        if isinstance(self.owner, Watched):
            self.version = self.owner._version
        return True


class Watch:
    """Objects and states met during one trace, each once."""

    def __init__(self) -> None:
        self._met: dict[int, _Met] = {}
        self._counting: list[_Met] = []
        self._others: list[_Met] = []
        self.states: dict[Hashable, State] = {}

    def meet(self, owner: Any) -> None:
        """Let the trace depend on the attributes of this object, if it has any."""
        met = self._met.get(id(owner))
        if isinstance(owner, Watched):
            if met is None:
                self._met[id(owner)] = met = _Met(owner, owner._settings)
                self._counting.append(met)
        elif hasattr(owner, "__dict__") and (met is None or met.owner() is not owner):
            self._met[id(owner)] = met = _weakly(owner)
            self._others.append(met)

    def ask(self, owner: Watched, mode: str) -> None:
        """Let the trace depend on one of the modes of this object too."""
        self.meet(owner)
        self._met[id(owner)].skipped.discard(mode)

    def state(self, key: Hashable, of: Type, read: Callable[[], Any], write: Callable[[Any], None]) -> State:
        """The state, as an input of the traced graph."""
        if key not in self.states:
            before = placeholder(of, Symbol)
            self.states[key] = State(before, before, read, write)
        return self.states[key]

    def changes(self) -> list[tuple[_Met, str]]:
        """What the traced function itself has changed, its modes apart."""
        met = [*self._counting, *self._others]
        return [(m, name) for m in met for name in m.changed() if name not in MODES]

    def settle(self, first: Watch) -> str:
        """After the trace: an attribute that the function itself replaces does not count, unless it is a number.

        A program would not go on counting, nor draw other numbers from a random generator.

        Parameters
        ----------
        first : Watch
            Of the function's first run, before this one.

        Returns
        -------
        str
            What it does that a program would not; empty if nothing. It then is undone.
        """
        said = ""
        for met, name in self.changes():
            before, now = met.before.get(name, ABSENT), met.read().get(name, ABSENT)
            if isinstance(before, PLAIN) and isinstance(now, PLAIN):
                owner = met.object()
                said = said or f"changes {type(owner).__name__}.{name} from {before!r} to {now!r}"
                vars(owner)[name] = first._met.get(id(owner), met).before.get(name, before)
            met.skipped.add(name)
        for met in first._met.values():
            for name, state in met.drawn.items():
                if str(met.before[name].bit_generator.state) != str(state):
                    said = said or f"draws from {type(met.object()).__name__}.{name}"
                    met.before[name].bit_generator.state = state
        for met in self._counting:
            met.holds()
        return said

    def holds(self) -> bool:
        """Whether every attribute is what it was, and every state of the type that it had."""
        for met in self._counting:
            if met.version != met.owner._version and not met.holds():
                return False
        return all(met.holds() for met in self._others) and all(state.holds() for state in self.states.values())


def _weakly(owner: Any) -> _Met:
    """For an object that may go when the trace is over, as a layer that is made in the traced function does."""
    try:
        of = weakref.ref(owner)
    except TypeError:  # it cannot be referred to weakly
        return _Met(lambda: owner, lambda: vars(owner))
    before = dict(vars(owner))
    return _Met(of, lambda: before if (x := of()) is None else vars(x))


def _alike(a: Any, b: Any) -> bool:
    """Whether a trace with the one would be the same as with the other: the same object, or equal plain values."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(_alike, a, b))
    return isinstance(a, PLAIN) and repr(a) == repr(b)  # which tells -0.0 from 0.0, and takes NaN for itself


watched: ContextVar[Watch | None] = ContextVar("watched", default=None)

# What stands in for the members of models, by the id of the owner (which need not be hashable) and the name there.
substituted: ContextVar[dict[tuple[int, str], Any] | None] = ContextVar("substituted", default=None)
