"""A model as a pure function of its parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from koubai.errors import ShapeError, UsageError
from koubai.graph import Node, value_of
from koubai.nn.module import Module
from koubai.nn.parameter import Buffer
from koubai.tensor.watch import substituted

__all__ = ["functional_call", "standing_in", "stateful_call"]


def functional_call(model: Module, params: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
    """``model(*args)`` with other values for its parameters; the model itself does not change.

    Parameters
    ----------
    model : Module
    params : mapping from path to array or tensor
        Parameters or buffers, as `named_parameters` and `named_buffers` name them; what is not named keeps
        the model's own value. A tied parameter is replaced in all its places. dtypes are kept.
    *args, **kwargs
        For the model's `forward`.

    Returns
    -------
    The model's output: a plain array if everything that it is computed from is plain. What the model
    assigns to its buffers meanwhile is dropped.

    Raises
    ------
    UsageError
        If a name is not one of the model's.
    ShapeError
        If a shape is another.

    Examples
    --------
    >>> import koubai as kb
    >>> model = kb.nn.Linear(2, 1)
    >>> x, params = np.array([3.0, 4.0]), {"weight": np.ones((2, 1)), "bias": np.zeros(1)}
    >>> functional_call(model, params, x)
    array([7.])
    >>> slopes = kb.grad(lambda p: functional_call(model, p, x).sum())(params)
    >>> slopes["weight"].ravel(), slopes["bias"]
    (array([3., 4.]), array([1.]))
    """
    with standing_in(model, params):
        return model(*args, **kwargs)


def stateful_call(model: Module, values: Mapping[str, Any], *args: Any, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
    """As `functional_call`, but returns what the model assigned to its buffers too, by path.

    A training step as a pure function takes the buffers among `values` and hands their successors on.

    Examples
    --------
    >>> import koubai as kb
    >>> model = kb.nn.Dropout(0.5)
    >>> y, buffers = stateful_call(model, {"steps": 7}, np.ones(3))
    >>> int(buffers["steps"]), int(model.steps.item())
    (8, 0)
    """
    with standing_in(model, values) as buffers:
        y = model(*args, **kwargs)
        return y, buffers()


@contextmanager
def standing_in(model: Module, values: Mapping[str, Any]) -> Iterator[Callable[[], dict[str, Any]]]:
    """While this lasts, the model's parameters and buffers are these values, whoever reads them.

    Yields
    ------
    callable
        Gives the present values of the buffers, by path.
    """
    # A tied parameter must be replaced in all its places, so members are told apart by identity.
    first: dict[str, Any] = {}
    present: dict[str, Any] = {}
    places: dict[Any, list[tuple[int, str]]] = {}
    for path, owner, name, member in model._walk():
        if not isinstance(member, Module):
            if member not in places:
                first[path] = member
                if isinstance(member, Buffer) and path not in values:
                    present[path] = getattr(owner, name)
            places.setdefault(member, []).append((id(owner), name))
    unknown = [name for name in values if name not in first]
    if unknown:
        raise UsageError(
            f"functional_call: the model has no parameter {', '.join(map(repr, unknown))}; it has {', '.join(first)}"
        )
    overrides = dict(substituted.get() or {})
    for path, member in first.items():
        if path not in values and not isinstance(member, Buffer):
            continue
        value = values[path] if path in values else present[path]
        if not isinstance(value, Node):
            value = np.asarray(value)[()]
        if value.shape != member.shape:
            raise ShapeError(f"functional_call: {path} has shape {member.shape}, got {value.shape}")
        for place in places[member]:
            overrides[place] = value

    def buffers() -> dict[str, Any]:
        found = {path: overrides[places[m][0]] for path, m in first.items() if isinstance(m, Buffer)}
        return {path: v if value_of(v) is None else value_of(v) for path, v in found.items()}

    token = substituted.set(overrides)
    try:
        yield buffers
    finally:
        substituted.reset(token)
