"""Slips: by which mistake a wrong number may have come about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np

from koubai.explain.claims.printed import Printed
from koubai.explain.claims.quantity import Derivative, Quantity, Value
from koubai.explain.mistakes import MISTAKES, gradients_with, gradients_without

__all__ = ["Slip", "common_factor", "find_slip"]

MOST_EDGES = 200
MANY_DIGITS = 3
NEAR = 1e-5


@dataclass(frozen=True, slots=True)
class Slip:
    """A likely mistake.

    Attributes
    ----------
    key : str
    en, ja : str
        What was done.
    weak : bool
        Whether another explanation, which covers several claims, is better.
    """

    key: str
    en: str
    ja: str
    weak: bool = False


def find_slip(what: Quantity, claim: Printed, right: Any) -> Slip | None:
    """The first slip that gives just the claimed number."""
    if not np.isfinite(right).all() or not np.isfinite(claim.value).all():
        return None
    with np.errstate(all="ignore"):
        for value, slip in _candidates(what, claim, np.asarray(right)):
            if claim.fits(value) and not np.array_equal(value, right):
                return slip
    return _of_digits(claim, right) if np.ndim(right) == 0 else None


def _candidates(what: Quantity, claim: Printed, right: Any) -> Iterator[tuple[Any, Slip]]:
    """Wrong values with the slips that lead to them, the likeliest first."""
    yield -right, Slip("sign", "the sign is the other one", "符号が逆")
    if isinstance(what, Value):
        yield from _of_steps(what)
    if isinstance(what, Derivative):
        yield from _of_backward(what)
        if right.ndim == 0 and right != 0:
            yield 1 / right, Slip("inverted", "this is the reciprocal: numerator and denominator are exchanged",
                                  "逆数になっている(分子と分母が入れ替わっている)")  # fmt: skip
    yield right / 2, Slip("factor_missing", "a factor of 2 is missing", "係数2が抜けている")
    yield right * 2, Slip("factor_extra", "there is a factor of 2 too many", "係数2が余分に掛かっている")
    for n in _counts(what):
        yield right * n, Slip("undivided", f"it is not divided by the number of examples or terms, {n}",
                              f"サンプル数や項数 {n} で割っていない")  # fmt: skip
        yield right / n, Slip("divided_twice", f"it is divided by {n} once too often", f"{n} で余分に割っている")
    yield from _transposed(what, right)
    if claim.significant >= MANY_DIGITS:
        yield from _others(what)


def _of_steps(what: Value) -> Iterator[tuple[Any, Slip]]:
    descent = what.example.descent
    if descent is None or not what.after or what.name not in descent.over:
        return
    before = what.example.values(what.after - 1)
    old, slope = before[what.name], what.example.slopes(before)[what.name]
    pick = (lambda v: v) if what.index is None else (lambda v: np.asarray(v)[what.index])
    yield pick(old + descent.rate * slope), Slip(
        "ascent", "the step goes uphill: the rate times the gradient is added, not subtracted",
        "勾配に学習率を掛けたものを、引くのではなく足している(符号が逆)",
    )  # fmt: skip
    yield pick(old - slope), Slip("rate_missing", "the gradient is not multiplied by the rate", "学習率を掛けていない")
    yield pick(old), Slip("not_updated", "this is the value before the step", "更新前の値になっている")


def _of_backward(what: Derivative) -> Iterator[tuple[Any, Slip]]:
    record, place = what.record(), what.place()
    if record is None or place is None:
        return
    for mistake in MISTAKES:
        yield what.at(gradients_with(record, mistake).get(place)), Slip(mistake.key, mistake.en, mistake.ja)
    several = [edge for edge in record.edges if len(edge.source.messages) > 1]
    for edge in several[:MOST_EDGES]:
        symbol = edge.target.symbol
        into = edge.source.symbol
        yield what.at(gradients_without(record, edge).get(place)), Slip(
            "path", f"one path is missing in the sum: that through {symbol} into {into}",
            f"和の中で、{symbol} を通って {into} に至る経路が一つ抜けている",
        )  # fmt: skip


def _counts(what: Quantity) -> list[int]:
    shapes = [np.shape(v) for v in what.example.start.values()]
    return sorted({n for shape in shapes for n in (*shape, int(np.prod(shape))) if n > 2})


def _transposed(what: Quantity, right: Any) -> Iterator[tuple[Any, Slip]]:
    slip = Slip("transposed", "rows and columns are exchanged", "行と列が入れ替わっている(転置)")
    if right.ndim == 2:
        yield right.T, slip
    if isinstance(what, (Value, Derivative)) and what.index is not None and len(what.index) == 2:
        whole = replace(what, index=None).compute()
        i, j = what.index
        if np.ndim(whole) == 2 and j < whole.shape[0] and i < whole.shape[1]:
            yield whole[j, i], slip


def _others(what: Quantity) -> Iterator[tuple[Any, Slip]]:
    """Numbers of the example that were meant for another place."""
    if isinstance(what, Derivative):
        record = what.record()
        for node in record.nodes if record is not None else ():
            name = next((n for n, v in what.example.quantities(what.after).items() if v is node._made), None)
            if name is not None and np.ndim(node.grad) == 0 and node.grad is not None:
                yield node.grad, Slip("other", f"this is d{what.name}/d{name}", f"これは d{what.name}/d{name} の値",
                                      weak=True)  # fmt: skip
    after = 0 if not isinstance(what, (Value, Derivative)) else what.after
    for name, node in what.example.quantities(after).items():
        if node.ndim == 0:
            shown = name + "'" * after if after < 4 else name
            yield node.value, Slip("other", f"this is the value of {shown}", f"これは {shown} の値", weak=True)


def _of_digits(claim: Printed, right: Any) -> Slip | None:
    """Slips of the pen, found in the digits themselves."""
    unit, value = float(claim.unit), float(claim.value)
    if unit and abs(value - right) < unit * (1 + 1e-9) and abs(value) < abs(right):
        return Slip("cut", "the digits are cut off, not rounded", "四捨五入せずに切り捨てている")
    places = max(-int(Decimal(repr(unit)).adjusted()), 0) if unit else 0
    ours, theirs = f"{abs(right):.{places}f}", f"{abs(value):.{places}f}"
    told = unit or value.is_integer()  # the digits of a fraction are not those that were printed
    if told and claim.significant >= MANY_DIGITS and np.sign(value) == np.sign(right) and len(ours) == len(theirs):
        differ = [i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b]
        if len(differ) == 1 and not _is_rounding(value, right):
            return Slip("digit", f"one digit is another: {theirs} for {ours}",
                        f"数字が一つ違う({ours} のところ {theirs})", weak=True)  # fmt: skip
        if len(differ) == 2 and differ[1] == differ[0] + 1 and ours[differ[0]] == theirs[differ[1]] and (
            ours[differ[1]] == theirs[differ[0]]
        ):  # fmt: skip
            return Slip("swapped", f"two digits are exchanged: {theirs} for {ours}",
                        f"隣り合う数字が入れ替わっている({ours} のところ {theirs})", weak=True)  # fmt: skip
    if right:
        for k in (1, -1, 2, -2, 3, -3):
            if claim.fits(right * 10.0**k):
                return Slip("point", "the decimal point is at another place", "小数点の位置がずれている", weak=True)
    if _is_rounding(value, right):
        agree = int(-np.log10(abs(value - right) / abs(right)))
        return Slip("rounding", f"it agrees to {agree} digits; rounded numbers were used on the way",
                    f"{agree}桁までは一致する。途中で丸めた値を使ったと考えられる")  # fmt: skip
    return None


def _is_rounding(value: float, right: float) -> bool:
    return bool(right) and abs(value - right) <= NEAR * abs(right)


def common_factor(pairs: list[tuple[Printed, Any]], name: str) -> Slip | None:
    """The slip of several derivatives of one quantity that are all wrong by the same factor."""
    ratios = [float(claim.value) / float(right) for claim, right in pairs if np.ndim(right) == 0 and right]
    if len(ratios) < 2 or len(ratios) < len(pairs):
        return None
    factor = round(float(np.median(ratios)), 6)
    if not all(claim.fits(factor * right) for claim, right in pairs):
        return None
    n, k = len(pairs), f"{factor:g}"
    return Slip(
        "factor",
        f"{n} derivatives of {name} are {k} times the right ones, as if the backward pass had started from {k}, not 1",
        f"{name} の{n}個の微分がどれも正しい値の{k}倍。逆伝播を1ではなく{k}から始めた値に等しい",
    )
