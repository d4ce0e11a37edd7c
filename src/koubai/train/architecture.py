"""A model's build as JSON, for models made of koubai's own layers; and a model from such a description.

A description names classes of `koubai.nn` and the plain arguments of their constructors. Nothing else can be
named, so that nothing that is loaded can run code.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from koubai import nn
from koubai.errors import DataError, KoubaiError
from koubai.nn import Buffer, Module, Parameter
from koubai.train import scaling

__all__ = ["build", "describe"]

PLAIN = (bool, int, float, str, type(None))
DEEPEST = 64
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def _known() -> dict[str, type[Module]]:
    """The classes that a description may name."""
    found = {}
    for home in (nn, scaling):
        for name in home.__all__:
            kind = getattr(home, name)
            if isinstance(kind, type) and issubclass(kind, Module) and kind not in (Module, nn.Lambda):
                found[name] = kind
    return found


def _functions() -> dict[str, Any]:
    return {name: getattr(nn, name) for name in nn.__all__ if inspect.isfunction(getattr(nn, name))}


def describe(model: Module) -> Any:
    """The description, or None where a module is not one of koubai's own or has an argument that is not plain."""
    try:
        description = _describe(model, {})
        twin = build(description)
    except KoubaiError:
        return None
    return description if _alike(model, twin) else None


def _describe(module: Module, seen: dict[Module, int], depth: int = 0) -> Any:
    if module in seen:
        return {"same as": seen[module]}
    seen[module] = len(seen)
    if depth > DEEPEST:
        raise DataError("the model is nested too deep")
    kind = type(module)
    if isinstance(module, nn.Lambda):
        for name, function in _functions().items():
            if function is module.function:
                return {"function": name}
    if _known().get(kind.__name__) is not kind:
        raise DataError(f"{kind.__name__} is not a layer of koubai.nn")
    if isinstance(module, CONTAINERS):
        inner = [[name, _describe(child, seen, depth + 1)] for name, child in module.named_children()]
        return {"class": kind.__name__, "modules": inner}
    return {"class": kind.__name__, "arguments": _arguments(module)}


def _arguments(module: Module) -> dict[str, Any]:
    """The constructor's arguments, read back from the attributes of the same names."""
    found: dict[str, Any] = {}
    for name, parameter in inspect.signature(type(module).__init__).parameters.items():
        if name == "self" or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if name == "dtype":
            found[name] = _dtype(module)
            continue
        value = getattr(module, name, parameter.default)
        if isinstance(value, (Parameter, Buffer)) or (value is None and isinstance(parameter.default, bool)):
            if isinstance(parameter.default, bool):
                found[name] = value is not None
            continue
        value = _plain(value)
        if value is not inspect.Parameter.empty:
            found[name] = value
    return found


def _dtype(module: Module) -> str:
    """That of the module's numbers: a layer may have none but buffers."""
    own = [member.dtype for member in (*module.parameters(), *module.buffers())]
    return str(next((dtype for dtype in own if dtype.kind in "fc"), module.dtype))


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, (tuple, list)) and all(isinstance(v, PLAIN) or _pair(v) for v in value):
        return [list(v) if _pair(v) else v for v in value]
    return inspect.Parameter.empty


def _pair(value: Any) -> bool:
    """Whether it is what one axis is padded with before and behind."""
    return isinstance(value, (tuple, list)) and len(value) == 2 and all(isinstance(v, PLAIN) for v in value)


def _alike(model: Module, twin: Module) -> bool:
    """Whether both have the same modules with the same settings, and parameters of the same names and shapes."""
    modules, twins = list(model.named_modules()), list(twin.named_modules())
    if [(path, type(m), repr(m)) for path, m in modules] != [(path, type(m), repr(m)) for path, m in twins]:
        return False
    if any(_settings(a) != _settings(b) for (_, a), (_, b) in zip(modules, twins)):
        return False
    mine, other = _state(model), _state(twin)
    return mine == other


def _settings(module: Module) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and name != "training" and not callable(value)
    }


def _state(model: Module) -> list[Any]:
    both = [*model.named_parameters(), *model.named_buffers()]
    return [(name, tuple(member.shape)) for name, member in both]


def build(description: Any) -> Module:
    """A model from its description, its parameters not drawn yet.

    Raises
    ------
    DataError
        If the description is not one.
    """
    return _build(description, [], 0)


def _build(description: Any, built: list[Module | None], depth: int) -> Module:
    if not isinstance(description, dict) or depth > DEEPEST:
        raise DataError("the description of the model is damaged")
    if "same as" in description:
        number = description["same as"]
        found = built[number] if isinstance(number, int) and 0 <= number < len(built) else None
        if found is None:
            raise DataError("the description of the model is damaged")
        return found
    place = len(built)
    built.append(None)
    module = _one(description, built, depth)
    built[place] = module
    return module


def _one(description: dict[str, Any], built: list[Module | None], depth: int) -> Module:
    if "function" in description:
        function = _functions().get(str(description["function"]))
        if function is None:
            raise DataError(f"koubai.nn has no function {description['function']!r}; it may be of a newer version")
        return nn.Lambda(function)
    kind = _known().get(str(description.get("class")))
    if kind is None:
        raise DataError(f"koubai.nn has no layer {description.get('class')!r}; it may be of a newer version")
    if issubclass(kind, CONTAINERS):
        return _filled(kind, description.get("modules"), built, depth)
    arguments = description.get("arguments")
    if not isinstance(arguments, dict) or any(_plain(v) is inspect.Parameter.empty for v in arguments.values()):
        raise DataError("the description of the model is damaged")
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in arguments.items()}
    try:
        return kind(**given)
    except (TypeError, ValueError) as error:
        raise DataError(f"the description of layer {kind.__name__} does not fit: {error}") from None


def _filled(kind: type[Module], inner: Any, built: list[Module | None], depth: int) -> Module:
    if not isinstance(inner, list) or not all(isinstance(item, list) and len(item) == 2 for item in inner):
        raise DataError("the description of the model is damaged")
    module: Any = kind()
    for name, child in inner:
        if not isinstance(name, str) or "." in name:
            raise DataError("the description of the model is damaged")
        module[name] = _build(child, built, depth + 1)
    return module  # type: ignore[no-any-return]
