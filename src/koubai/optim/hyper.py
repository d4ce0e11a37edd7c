"""Hyperparameters: what each may be, and the sentence that refuses another value."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Any

from koubai.errors import DTypeError, UsageError

__all__ = ["checked", "is_schedule", "unknown"]


def is_schedule(lr: Any) -> bool:
    """Whether a learning rate is a function of the step, or one that follows a metric."""
    return callable(lr) or hasattr(lr, "observe")


def _number(x: Any) -> bool:
    return isinstance(x, Real) and not isinstance(x, bool) and math.isfinite(x)


def _at_least_zero(x: Any) -> bool:
    return _number(x) and x >= 0


def _fraction(x: Any) -> bool:
    return _number(x) and 0 <= x < 1


def _pair(x: Any, test: Callable[[Any, Any], bool]) -> bool:
    return isinstance(x, (tuple, list)) and len(x) == 2 and all(map(_number, x)) and test(*x)


def _adafactor_eps(x: Any) -> bool:
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        return False
    return (x[0] is None or _at_least_zero(x[0])) and _at_least_zero(x[1])


_FLAG = (lambda x: isinstance(x, bool), "True or False")
_NOT_NEGATIVE = (_at_least_zero, "a number >= 0")
_COUNT = (lambda x: isinstance(x, int) and not isinstance(x, bool) and x >= 1, "an integer >= 1")

_ALLOWED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "lr": (lambda x: is_schedule(x) or _at_least_zero(x), "a number >= 0 or a schedule"),
    "betas": (lambda x: _pair(x, lambda a, b: _fraction(a) and _fraction(b)), "two numbers in [0, 1)"),
    "beta2_decay": (lambda x: _number(x) and x <= 0, "a number <= 0"),
    "dampening": (_number, "a number"),
    "rho": (lambda x: _number(x) and 0 <= x <= 1, "a number in [0, 1]"),
    "etas": (lambda x: _pair(x, lambda a, b: 0 < a < 1 < b), "two numbers, 0 < the first < 1 < the second"),
    "step_sizes": (lambda x: _pair(x, lambda a, b: 0 < a <= b), "two numbers, 0 < smallest <= largest"),
    "d": (lambda x: _number(x) and x >= 1, "a number >= 1"),
    "alpha": _NOT_NEGATIVE,
    "eps": _NOT_NEGATIVE,
    "eps_pair": (_adafactor_eps, "two numbers >= 0, of which the first may be None"),
    "initial_accumulator_value": _NOT_NEGATIVE,
    "lambd": _NOT_NEGATIVE,
    "lr_decay": _NOT_NEGATIVE,
    "momentum": _NOT_NEGATIVE,
    "momentum_decay": _NOT_NEGATIVE,
    "t0": _NOT_NEGATIVE,
    "tolerance_change": _NOT_NEGATIVE,
    "tolerance_grad": _NOT_NEGATIVE,
    "weight_decay": _NOT_NEGATIVE,
    "history_size": _COUNT,
    "max_eval": _COUNT,
    "max_iter": _COUNT,
    "n": _COUNT,
    "amsgrad": _FLAG,
    "centered": _FLAG,
    "decoupled_weight_decay": _FLAG,
    "maximize": _FLAG,
    "nesterov": _FLAG,
}  # fmt: skip


class Fixed(dict[str, Any]):
    """Hyperparameters of an optimizer, which cannot be assigned to: a compiled training holds them as constants.

    Raises
    ------
    UsageError
        On assignment, with what to do instead.
    """

    def __init__(self, where: str, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self.where = where

    def __setitem__(self, name: str, value: Any) -> None:
        raise fixed(self.where, name)

    def __delitem__(self, name: str) -> None:
        raise fixed(self.where, name)

    def update(self, *args: Any, **kwargs: Any) -> None:
        raise fixed(self.where, ", ".join([*dict(*args), *kwargs]))

    def __reduce__(self) -> Any:
        return Fixed, (self.where, dict(self))


def fixed(where: str, name: str) -> UsageError:
    """The refusal of an assignment to the option of an optimizer that is made already."""
    return UsageError(
        f"{where}: {name} cannot be assigned, since a training may be compiled with it. For a learning rate that "
        f"changes pass a schedule (lr=kb.optim.schedules.Cosine(...), or a function of the number of steps); otherwise "
        f"make another optimizer, and in a loop of your own hand it the state (new.state = old.state)"
    )


def checked(where: str, options: Mapping[str, Any], kinds: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The options, if each has a value that makes sense; `kinds` renames the rule of an option.

    Raises
    ------
    UsageError
        That names the option, what it may be and what came.
    """
    for name, value in options.items():
        allowed, says = _ALLOWED[(kinds or {}).get(name, name)]
        if not allowed(value):
            family = UsageError if isinstance(value, (Real, tuple, list)) else DTypeError
            raise family(f"{where}: expected {name} to be {says}, got {value!r}")
    return dict(options)


def unknown(where: str, what: str, name: str, known: Iterable[str]) -> UsageError:
    """The refusal of a name that does not exist, with what there is and what may have been meant."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f", did you mean {close[0]!r}?" if close else ""
    shown = ", ".join(names[:40]) + (", ..." if len(names) > 40 else "")
    return UsageError(f"{where}: there is no {what} {name!r}{hint} (there are: {shown or 'none'})")
