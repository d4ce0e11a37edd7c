"""Losses by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from inspect import Parameter, signature
from typing import Any

from koubai.errors import UsageError
from koubai.nn import losses

__all__ = ["loss_function", "loss_names", "unknown"]


def loss_function(loss: Any) -> Callable[[Any, Any], Any]:
    """The loss of this name, or the callable itself.

    Raises
    ------
    UsageError
        If no loss has the name; the message lists those there are.
    """
    if callable(loss):
        return loss  # type: ignore[no-any-return]
    names = loss_names()
    if not isinstance(loss, str) or loss not in names:
        raise unknown("loss", loss, names)
    return getattr(losses, loss)  # type: ignore[no-any-return]


def loss_names() -> list[str]:
    """The losses of outputs and targets; those of three arrays (triplets, variances) need a function around them."""
    return [name for name in losses.__all__ if name.islower() and _of_two(getattr(losses, name))]


def _of_two(loss: Any) -> bool:
    if not callable(loss):
        return False
    return sum(p.default is Parameter.empty for p in signature(loss).parameters.values()) == 2


def unknown(what: str, name: Any, known: Iterable[str]) -> UsageError:
    """The error for a name that is not among those known."""
    near = get_close_matches(str(name), known, n=1)
    hint = f"did you mean {near[0]!r}? Give" if near else "give"
    return UsageError(f"no {what} is named {name!r}; {hint} a function, or one of {', '.join(known)}")
