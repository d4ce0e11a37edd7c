"""Choices between values: extrema, conditions, bounds.

Ties in maximum and minimum share the gradient equally; relu has derivative 0 at 0; clip passes the gradient on
its inclusive bounds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.graph import Sample, Words
from koubai.ops.define import Through, arrays, binary, elementwise, unary
from koubai.ops.elementwise.comparison import isfinite
from koubai.ops.lowering import Choice, Scalar


def _picked(g: Any, y: Any, mine: Any, other: Any) -> Any:
    return where(mine == other, 0.5 * g, where(mine == y, g, 0.0))


def _extremum(name: str, forward: Any, en: str, ja: str) -> Any:
    short = name[-3:] if name[0] == "f" else name[:3]
    better = "gt" if short == "max" else "lt"

    def body(e: Any, x: Any, z: Any) -> Any:
        unknown = z if name[0] == "f" else x  # the first is taken too where this one is NaN
        return e.select(e.either(getattr(e, better)(x, z), e.ne(unknown, unknown)), x, z)

    numbers = f"{short}(a, b)"
    formula = f"y = a if b != b else b if a != a else {numbers}" if name[0] == "f" else f"y = {numbers}"
    slopes = ", ".join(f"dy/d{x} = 1/2 if a == b else 1 if y == {x} else 0" for x in "ab")
    return elementwise(
        name, forward, Through(lambda g, y, x, z: _picked(g, y, x, z)), Through(lambda g, y, x, z: _picked(g, y, z, x)),
        lower=Scalar(body),
        words=Words(formula, slopes, en, ja),
        samples=binary(complex=False),
    )  # fmt: skip


maximum = _extremum("maximum", np.maximum, "The larger input receives the whole gradient; a tie shares it equally.",
                    "大きいほうの入力が勾配をすべて受け取る。等しいときは半分ずつ。")  # fmt: skip
minimum = _extremum("minimum", np.minimum, "The smaller input receives the whole gradient; a tie shares it equally.",
                    "小さいほうの入力が勾配をすべて受け取る。等しいときは半分ずつ。")  # fmt: skip
fmax = _extremum("fmax", np.fmax, "As maximum, but a NaN loses against a number.",
                 "maximum と同じ。ただし NaN は数に負ける。")  # fmt: skip
fmin = _extremum("fmin", np.fmin, "As minimum, but a NaN loses against a number.",
                 "minimum と同じ。ただし NaN は数に負ける。")  # fmt: skip


def _where(c: Any, x: Any, z: Any) -> Any:
    y: Any = np.where(c, x, z)
    return y[()]


where = elementwise(
    "where", _where,
    None, Through(lambda g, y, c, x, z: where(c, g, 0.0)), Through(lambda g, y, c, x, z: where(c, 0.0, g)),
    lower=Scalar(lambda e, c, x, z: e.select(e.cast(c, np.bool_), x, z), as_is=(0,)),
    words=Words("y = a if c else b", "dy/da = 1 if c else 0, dy/db = 0 if c else 1",
                "A choice sends the gradient to the branch that was taken.",
                "条件選択。選ばれたほうだけに勾配を流す。", symbols=("c", "a", "b")),
    samples=lambda: [Sample((arrays(shape)[0] > 0, *arrays(shape, other, seed=1)))
                     for shape, other in [((), ()), ((3,), (3,)), ((2, 3), (3,)), ((0, 2), (1, 2))]],
)  # fmt: skip


def _clipped(e: Any, x: Any, lo: Any, hi: Any) -> Any:
    """A bound that is NaN makes the result NaN; where the bounds are the wrong way round, the upper one is taken."""
    y = e.select(e.either(e.lt(x, lo), e.ne(lo, lo)), lo, x)
    return e.select(e.either(e.gt(y, hi), e.ne(hi, hi)), hi, y)


clip = elementwise(
    "clip", np.clip,
    Through(lambda g, y, x, lo, hi: where(x == y, g, 0.0)),
    Through(lambda g, y, x, lo, hi: where((x < lo) & (lo < hi), g, 0.0)),
    Through(lambda g, y, x, lo, hi: where((x > hi) | (lo > hi), g, 0.0)),
    lower=Scalar(_clipped),
    words=Words("y = min(max(x, lo), hi)",
                "dy/dx = 1 if lo <= x and x <= hi else 0, dy/dlo = 1 if x < lo and lo < hi else 0, "
                "dy/dhi = 1 if x > hi or lo > hi else 0",
                "Gradient passes between the bounds, the bounds included; outside it goes to the bound.",
                "範囲内(境界を含む)では勾配を通し、範囲外では境界値のほうへ流す。"),
    samples=lambda: [Sample((x, -1.03, 1.01)) for x in arrays((), (3,), (2, 3), (0, 2))]
    + [Sample((*arrays((2, 3)), *arrays((3,), low=-1.5, high=-0.5), *arrays((2, 1), low=0.5, high=1.5)))],
)  # fmt: skip
relu = elementwise(
    "relu", lambda x: np.maximum(x, 0), Through(lambda g, y, x: where(y > 0, g, 0.0)),
    lower=Scalar(lambda e, x: e.select(e.le(x, e.number(0, x)), e.number(0, x), x)),
    words=Words("y = max(x, 0)", "dy/dx = 1 if x > 0 else 0",
                "The rectifier passes the gradient where its input is positive, and nothing elsewhere (0 at 0).",
                "ReLU。入力が正のところだけ勾配を通す。0での微分は0とする。"),
    samples=unary(complex=False),
)  # fmt: skip


def _replaced(e: Any, x: Any, *, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    if x.dtype.kind != "f":
        return x
    largest = np.finfo(x.dtype).max
    y = e.select(e.ne(x, x), e.number(nan, x), x)
    y = e.select(e.eq(x, e.number(np.inf, x)), e.number(largest if posinf is None else posinf, x), y)
    return e.select(e.eq(x, e.number(-np.inf, x)), e.number(-largest if neginf is None else neginf, x), y)


def _replacing(x: Any, **params: Any) -> Scalar | None:
    return Scalar(_replaced) if all(np.ndim(v) == 0 for v in params.values()) else None


nan_to_num = elementwise(
    "nan_to_num", lambda x, **params: np.nan_to_num(x, **params)[()],
    Through(lambda g, y, x, **params: where(isfinite(x), g, 0.0)),
    lower=Choice(_replacing),
    words=Words("y = nan if x != x else posinf if x == inf else neginf if x == -inf else x",
                "dy/dx = 1 if |x| < inf else 0",
                "Gradient passes where the input was a finite number.", "有限の値だったところだけ勾配を通す。"),
    samples=unary(),
)  # fmt: skip
