"""What is done with the members of a module by their names: load values, find parameters, refuse others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from koubai.errors import ShapeError, UsageError
from koubai.nn.parameter import Parameter, cast

__all__ = ["loaded", "matching", "refuse_container"]


def loaded(members: dict[str, Any], state: Mapping[str, Any], strict: bool) -> tuple[list[str], list[str]]:
    """Give members the values of `state`, after all has been checked; see `Module.load_state_dict`."""
    if not isinstance(state, Mapping):
        raise UsageError(f"load_state_dict: expected a dict from names to arrays, got {type(state).__name__}")
    missing = [name for name in members if name not in state]
    unexpected = [name for name in state if name not in members]
    if strict and (missing or unexpected):
        faults = [f"missing: {', '.join(missing)}"] * bool(missing)
        faults += [f"unexpected: {', '.join(unexpected)}"] * bool(unexpected)
        raise UsageError(f"load_state_dict: {'; '.join(faults)}; strict=False loads what fits by name")
    values = {name: cast(name, state[name], m.dtype) for name, m in members.items() if name in state}
    wrong = [
        f"{name} has shape {members[name].shape}, got {value.shape}"
        for name, value in values.items()
        if members[name].shape != value.shape
    ]
    if wrong:
        raise ShapeError(f"load_state_dict: {'; '.join(wrong)}")
    for name, value in values.items():
        members[name].value = value[()]
    return missing, unexpected


def matching(what: str, named: Iterable[tuple[str, Parameter]], pattern: str) -> list[Parameter]:
    """The parameters whose path, or whose module's path, fits a pattern as of file names."""
    parameters = dict(named)
    found = [p for name, p in parameters.items() if fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")]
    if not found:
        names = ", ".join(parameters) or "none"
        raise UsageError(f"{what}: no parameter matches {pattern!r}; there are: {names}")
    return found


def refuse_container(where: str, value: Any, module: type) -> None:
    """Refuse a plain list or dict of layers: it would silently not be trained."""
    if isinstance(value, dict):
        kind, inside = "ModuleDict", list(value.values())
    elif isinstance(value, (list, tuple)):
        kind, inside = "ModuleList", list(value)
    else:
        return
    if any(isinstance(item, (module, Parameter)) for item in inside):
        raise UsageError(
            f"{where}: modules and parameters in a {type(value).__name__} are not registered, "
            f"so they would not be trained; use kb.nn.{kind}"
        )
