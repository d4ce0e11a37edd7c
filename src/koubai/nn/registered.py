"""How a module keeps what is assigned to its attributes: parameters, buffers and other modules, each with its path."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any, Self

from koubai.errors import TracingError, UsageError
from koubai.nn.members import refuse_container
from koubai.nn.parameter import Buffer, Parameter
from koubai.tensor.watch import State, Watch, Watched, substituted, watched

__all__ = ["Registered"]

BOOKKEEPING = ("_members", "_version")


class Registered(Watched):
    """Attributes that are registered in the order in which they are assigned; the base of `Module`."""

    _training: bool
    _members: dict[str, Any]
    _parent: tuple[weakref.ref[Registered], str] | None
    _seed: int

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        # Here and not in __init__, so that a subclass need not call super().__init__().
        self = super().__new__(cls)
        self.__dict__.update(_training=True, _members={}, _parent=None, _seed=0, _version=0)
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        old = self._members.get(name)
        if isinstance(value, (Parameter, Buffer, Registered)):
            self._register(name, value)
        elif old is None:
            refuse_container(f"{type(self).__name__}.{name}", value, Registered)
            self._assign(name, value)
        elif isinstance(old, Buffer) and value is not None:
            self._replace_buffer(name, value)
        elif value is None:
            self._remove(name)
            self._assign(name, None)
        else:
            raise UsageError(
                f"{type(self).__name__}.{name} is a {type(old).__name__}; to change its values write "
                f".{name}.assign(array), to replace it assign a new {type(old).__name__}, "
                f"to remove it assign None"
            )

    def _assign(self, name: str, value: Any) -> None:
        """Set an attribute that is not a member, or a mode."""
        self._meet()
        object.__setattr__(self, name, value)
        self.__dict__["_version"] += 1

    def _meet(self) -> None:
        """Let the trace that is under way, if any, depend on what this module's attributes were before it."""
        watch = watched.get()
        if watch is not None:
            watch.meet(self)

    def _settings(self) -> dict[str, Any]:
        found = {name: value for name, value in self.__dict__.items() if name not in BOOKKEEPING}
        # A buffer takes new values all the time, and is a state.
        found.update((name, Buffer if isinstance(x, Buffer) else x) for name, x in self._members.items())
        return found

    def _register(self, name: str, value: Any) -> None:
        kind = type(self).__name__
        if not name or "." in name:
            raise UsageError(f"{kind}: a member's name must not be empty or hold a dot, got {name!r}")
        if hasattr(type(self), name):
            raise UsageError(f"{kind}: {name!r} is an attribute of the class already; choose another name")
        if isinstance(value, Registered) and (value is self or any(member is self for *_, member in value._walk())):
            raise UsageError(f"{kind}.{name}: a module cannot contain itself")
        self._meet()
        self.__dict__.pop(name, None)
        self._members[name] = value
        self.__dict__["_version"] += 1
        value.link(self, name)

    def _remove(self, name: str) -> None:
        self._meet()
        del self._members[name]
        self.__dict__["_version"] += 1

    def _replace_buffer(self, name: str, value: Any) -> None:
        new = self._members[name].successor(value)
        overrides, watch = substituted.get(), watched.get()
        if overrides is not None and (id(self), name) in overrides:
            overrides[id(self), name] = new
        elif watch is not None:
            self._state_of(watch, name).now = new
        elif new.value is None:
            raise TracingError(
                f"{new.name or name}: a layer assigns a traced value to this buffer inside of kb.vmap, kb.scan or "
                f"kb.checkpoint, out of which nothing but the function's results can come; use eval(), or "
                f"kb.nn.stateful_call and return the buffers"
            )
        else:
            self._members[name] = new

    def _state_of(self, watch: Watch, name: str) -> State:
        members = self._members

        def write(value: Any) -> None:
            members[name] = members[name].successor(value)

        return watch.state((id(self), name), members[name].type, lambda: members[name].value, write)

    def __getattr__(self, name: str) -> Any:
        # Reached only for what is not in __dict__: the registered members.
        try:
            member = self._members[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}") from None
        overrides = substituted.get()
        if overrides is not None and (id(self), name) in overrides:
            return overrides[id(self), name]
        watch = watched.get()
        if watch is None:
            return member
        self._present()
        return self._state_of(watch, name).now if isinstance(member, Buffer) else member

    def _present(self) -> dict[str, Any]:
        """The members. A trace that reads them holds until one is replaced, or an attribute of one."""
        watch = watched.get()
        if watch is not None:
            watch.meet(self)
            for member in self._members.values():
                if isinstance(member, Registered):
                    watch.meet(member)
        return self._members

    @property
    def training(self) -> bool:
        """Whether the module is being trained; `train` and `eval` set it, here and in all modules below."""
        watch = watched.get()
        if watch is not None:
            watch.ask(self, "_training")
        return self._training

    @training.setter
    def training(self, mode: bool) -> None:
        if self._training is not bool(mode):  # else no trace need look again
            self._assign("_training", bool(mode))

    def __delattr__(self, name: str) -> None:
        if name in self._members:
            self._remove(name)
        else:
            self._meet()
            object.__delattr__(self, name)
            self.__dict__["_version"] += 1

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._members]

    def link(self, owner: Registered, label: str) -> None:
        """Stand under this name in `owner`, unless it stands in another living module already."""
        if self._parent is None or self._parent[0]() is None:
            self._assign("_parent", (weakref.ref(owner), label))

    def _place(self) -> tuple[Registered, str]:
        """The outermost module above this one, and the path from there."""
        names: list[str] = []
        module: Registered = self
        while module._parent is not None and (above := module._parent[0]()) is not None:
            names.append(module._parent[1])
            module = above
        return module, ".".join(reversed(names))

    @property
    def path(self) -> str:
        """Where this module stands in the outermost one; empty for that one itself."""
        return self._place()[1]

    @property
    def seed(self) -> int:
        """The seed of the outermost module: what its parameters and its dropout draw by."""
        root = self._place()[0]
        watch = watched.get()
        if watch is not None:
            watch.ask(root, "_seed")
        return root._seed

    # What is inside

    def _walk(self) -> Iterator[tuple[str, Registered, str, Any]]:
        """Every member in order of registration: path, owner, the name there, member. Each module once."""
        seen = {id(self)}
        stack = [(name, self, name, member) for name, member in reversed(self._present().items())]
        while stack:
            path, owner, name, member = stack.pop()
            if isinstance(member, Registered):
                if id(member) in seen:
                    continue
                seen.add(id(member))
                inside = reversed(member._present().items())
                stack += [(f"{path}.{key}", member, key, inner) for key, inner in inside]
            yield path, owner, name, member

    # Copies

    def __getstate__(self) -> dict[str, Any]:
        # A copy stands alone: it has no parent, and its own table of members.
        return {**self.__dict__, "_members": dict(self._members), "_parent": None, "_seed": self.seed}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name, member in self._members.items():
            member.link(self, name)
