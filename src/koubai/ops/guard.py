"""Ops that let values through after looking at them: targets within the range that a loss takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.errors import LabelError
from koubai.graph import Op, Refusal, Sample, Type, Words, register
from koubai.ops.define import arrays
from koubai.ops.lowering import Guard

__all__ = ["within"]


def _within(x: Any, *, low: float, high: float, ignore: int | None, what: str, remedy: str = "") -> Any:
    fits = (x >= low) & (x <= high)
    if ignore is not None:
        fits |= x == ignore
    if not np.all(fits):
        place = tuple(map(int, np.unravel_index(int(np.argmin(fits)), np.shape(x))))
        fault = f"is outside {low} to {high}" if low < high else f"is not {low}"
        other = "" if ignore is None else f" and not {ignore}"
        error = LabelError(f"{what} {np.asarray(x)[place]}{_where(place)} {fault}{other}{remedy}")
        error.row = (place[0], len(x)) if place else None
        raise error
    return x


def _where(place: tuple[int, ...]) -> str:
    if not place:
        return ""
    return f" in row {place[0]}" if len(place) == 1 else f" at {place}"


def _fits(e: Any, x: Any, *, low: float, high: float, ignore: int | None, what: str, remedy: str = "") -> Any:
    if x.dtype.kind in "iu":  # in the dtype of the targets a bound might wrap round
        x = e.cast(x, np.int64)
    fits = e.both(e.ge(x, e.number(low, x)), e.le(x, e.number(high, x)))
    return fits if ignore is None else e.either(fits, e.eq(x, e.number(ignore, x)))


def _infer(x: Type, *, low: float, high: float, ignore: int | None, what: str, remedy: str = "") -> Type:
    return x


within = register(Op(
    "within", _within, _infer, linear=True,
    vjp=(lambda g, y, x, **params: g,),
    batch=lambda op, size, batched, x, **params: op(x, **params),
    lower=Guard(_fits),
    words=Words("y = x", "dy/dx = 1",
                "Passes values and gradient on, and refuses values outside the bounds, NaN included.",
                "範囲内かどうかを確かめて、値も勾配もそのまま通す。範囲外の値や NaN は拒否する。"),
    samples=lambda: [Sample((x,), {"low": -3, "high": 3, "ignore": None, "what": "value"})
                     for x in arrays((), (3,), (2, 3), (0, 2))],
    refuses=lambda: [Refusal((np.array([0, 1, 7]),), {"low": 0, "high": 6, "ignore": -1, "what": "label"},
                             LabelError, "label 7 in row 2 is outside 0 to 6 and not -1"),
                     Refusal((np.array([[0.5, np.nan]]),),
                             {"low": 0, "high": 1, "ignore": None, "what": "target"}, LabelError, "at (0, 1)")],
))  # fmt: skip
