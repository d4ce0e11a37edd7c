"""NumPy's own functions on the values of tensors: at once, or in a traced graph as a step of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from koubai.graph import Node, Op, Type, Words, tracing
from koubai.ops.structure import outputs_of
from koubai.tensor.numpy.arguments import concrete, constants, holds_node, kind_of, refuse
from koubai.tensor.trees import flatten

__all__ = ["always", "on_values"]


def always(*args: Any, **options: Any) -> bool:
    """The types of the arguments say what shape a result has."""
    return True


def on_values(
    name: str, original: Callable[..., Any], *, fixed: Callable[..., bool] | None = None, remedy: str = ""
) -> Callable[..., Any]:
    """A function without a gradient: NumPy's own, computed on the values of tensors.

    Parameters
    ----------
    fixed : callable, optional
        Whether the arguments' types say which shape and dtype the result has, of the same arguments: then it is
        recorded while a function is traced, and runs in NumPy inside of the compiled program.
    remedy : str, optional
        What to do instead while a function is traced, for one that cannot be.
    """

    def function(*args: Any, **options: Any) -> Any:
        if not (holds_node(args) or (options and holds_node(tuple(options.values())))):
            return original(*args, **options)
        if options.get("out") is not None:
            refuse(name, out=options["out"])
        if fixed is not None and fixed(*args, **options) and _unknown((args, options)):
            return _recorded(name, original, args, options)
        values = [concrete(name, x, remedy) for x in args]
        result = original(*values, **{key: concrete(name, x, remedy) for key, x in options.items()})
        return constants(result, kind_of((*args, *options.values())))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"As `numpy.{name}`, on values: no gradient flows through it."
    return function


def _unknown(arguments: Any) -> bool:
    """Whether a value is not there yet, or may be another one when a traced function runs."""
    nodes = [x for x in flatten(arguments)[0] if isinstance(x, Node)]
    return tracing.get() or any(x.value is None for x in nodes)


def _recorded(name: str, original: Callable[..., Any], args: Any, options: Any) -> Any:
    leaves, rebuild = flatten((args, options))
    places = [k for k, x in enumerate(leaves) if isinstance(x, Node)]
    back: list[Any] = []  # from the results' leaves to what the function returns

    def called(*values: Any) -> list[Any]:
        given = list(leaves)
        for k, value in zip(places, values):
            given[k] = value
        args, options = rebuild(given)
        found, back[:] = _apart(original(*args, **options))
        return [np.asarray(y)[()] for y in found]

    def forward(*values: Any) -> Any:
        found = called(*values)
        return found[0] if len(found) == 1 else tuple(found)

    def infer(*types: Type) -> Any:
        # Zeros are sorted and stand at every place: no function that is recorded refuses them.
        found = called(*(np.zeros(t.shape, t.dtype)[()] for t in types))
        made = tuple(Type(np.shape(y), y.dtype) for y in found)
        return made[0] if len(made) == 1 else made

    words = Words(f"y = {name}(x_1, x_2, ...)", "0", "A function of NumPy's, on values; no gradient.",
                  "NumPy の関数を値に適用する。勾配は流れない。", symbols=("x...",))  # fmt: skip
    y = Op(name, forward, infer, words)(*(leaves[k] for k in places))
    return back[0](list(outputs_of(y)) if isinstance(y.type, tuple) else [y])


def _apart(result: Any) -> tuple[list[Any], list[Any]]:
    leaves, rebuild = flatten(result)
    return leaves, [rebuild]
