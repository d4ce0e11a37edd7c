"""Modules that hold modules: Sequential, ModuleList, ModuleDict."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from operator import index as as_index
from typing import Any, Self

from koubai.errors import DTypeError, IndexingError, UnsupportedError, UsageError
from koubai.nn.module import Module

__all__ = ["Lambda", "ModuleDict", "ModuleList", "Sequential"]


class Lambda(Module):
    """A function without parameters as a module.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.nn.Lambda(lambda x: 2 * x)(3)
    6
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def forward(self, *args: Any) -> Any:
        return self.function(*args)

    def extra_repr(self) -> str:
        return getattr(self.function, "__name__", repr(self.function))


def _as_module(where: str, layer: Any) -> Module:
    if isinstance(layer, Module):
        return layer
    if isinstance(layer, type):
        raise UsageError(f"{where}: got the class {layer.__name__}; make a layer: {layer.__name__}(...)")
    if callable(layer):
        return Lambda(layer)
    raise DTypeError(f"{where}: expected a module or a function, got {type(layer).__name__}")


class _Ordered(Module):
    """Modules by position."""

    def __len__(self) -> int:
        return len(self._present())

    def __iter__(self) -> Iterator[Module]:
        return iter(list(self._present().values()))

    def __getitem__(self, key: int | slice | str) -> Any:
        if isinstance(key, str):
            if key not in self._present():
                known = ", ".join(self._present())
                raise KeyError(f"{type(self).__name__} has no module named {key!r}; it has {known}")
            return self._present()[key]
        if isinstance(key, slice):
            part = type(self)()
            for name, module in list(self._present().items())[key]:
                part._register(str(len(part)) if name.isdigit() else name, module)
            return part
        return self._present()[self._name(key)]

    def __setitem__(self, key: int | str, module: Any) -> None:
        name = key if isinstance(key, str) else self._name(key)
        self._register(name, _as_module(type(self).__name__, module))

    def _name(self, key: int) -> str:
        names = list(self._present())
        try:
            return names[as_index(key)]
        except IndexError:
            kind = type(self).__name__
            raise IndexingError(f"{kind}: there is no module {key} among {len(names)}") from None

    def append(self, module: Any) -> Self:
        """Add a module at the end, named by its position. Returns self."""
        self._register(str(len(self)), _as_module(type(self).__name__, module))
        return self

    def extend(self, modules: Iterable[Any]) -> Self:
        """Add several modules at the end. Returns self."""
        for module in modules:
            self.append(module)
        return self


class Sequential(_Ordered):
    """Modules one after the other: each one's output is the next one's input.

    Parameters
    ----------
    *layers : modules, or functions of one argument
        Named by position: "0", "1", ...
    **named : modules or functions
        After these, named by keyword.

    Examples
    --------
    >>> import koubai as kb
    >>> model = kb.nn.Sequential(hidden=kb.nn.Linear(2, 4), act=kb.nn.Tanh(), out=kb.nn.Linear(4, 1))
    >>> model.hidden is model[0], len(model[:2])
    (True, 2)
    >>> print(model)
            Sequential
    hidden  Linear(2, 4)  weight 2x4, bias 4  12
    act     Tanh()
    out     Linear(4, 1)  weight 4x1, bias 1   5
    17 parameters, float32
    """

    def __init__(self, *layers: Any, **named: Any) -> None:
        if len(layers) == 1 and isinstance(layers[0], (list, tuple)):
            raise UsageError("Sequential: got one list of layers; unpack it: Sequential(*layers)")
        self.extend(layers)
        for name, layer in named.items():
            self._register(name, _as_module(f"Sequential({name}=...)", layer))

    def forward(self, x: Any) -> Any:
        for module in self._present().values():
            x = module(x)
        return x


class ModuleList(_Ordered):
    """A list of modules, for modules that call them one by one.

    Examples
    --------
    >>> import koubai as kb
    >>> blocks = kb.nn.ModuleList(kb.nn.Linear(2, 2) for _ in range(3))
    >>> len(blocks), blocks[-1].path
    (3, '2')
    """

    def __init__(self, modules: Iterable[Any] = ()) -> None:
        self.extend(modules)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise UnsupportedError("ModuleList only holds modules; call them one by one, or use Sequential")


class ModuleDict(Module):
    """Modules by name.

    Examples
    --------
    >>> import koubai as kb
    >>> heads = kb.nn.ModuleDict({"mean": kb.nn.Linear(4, 1), "scale": kb.nn.Linear(4, 1)})
    >>> list(heads), heads["mean"].path
    (['mean', 'scale'], 'mean')
    """

    def __init__(self, modules: Mapping[str, Any] | None = None) -> None:
        for name, module in (modules or {}).items():
            self[name] = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise UnsupportedError("ModuleDict only holds modules; call them by name")

    def __len__(self) -> int:
        return len(self._present())

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._present()))

    def __contains__(self, name: object) -> bool:
        return name in self._present()

    def __getitem__(self, name: str) -> Any:
        if name not in self._present():
            known = ", ".join(self._present()) or "none"
            raise KeyError(f"ModuleDict has no module named {name!r}; it has {known}")
        return self._present()[name]

    def __setitem__(self, name: str, module: Any) -> None:
        self._register(name, _as_module(f"ModuleDict[{name!r}]", module))

    def __delitem__(self, name: str) -> None:
        self._remove(name)

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._present().keys()

    def values(self) -> ValuesView[Module]:
        """The modules."""
        return self._present().values()

    def items(self) -> ItemsView[str, Module]:
        """Names and modules."""
        return self._present().items()
