"""Settings of windows as layers take them: one number for all axes, or one an axis."""

from __future__ import annotations

from operator import index
from typing import Any

from koubai.errors import UsageError
from koubai.ops.windows import Pairs

__all__ = ["around", "as_text", "lengths", "per_axis"]

Shape = tuple[int, ...]


def per_axis(name: str, what: str, value: Any, n: int, least: int = 1) -> Shape:
    """One whole number an axis."""
    given = value if isinstance(value, (tuple, list)) else (value,) * n
    if len(given) == n and all(_whole(k, least) for k in given):
        return tuple(map(index, given))
    several = f", or {n} of them, one an axis" if n > 1 else ""
    raise UsageError(f"{name}: expected {what} to be a whole number from {least}{several}; got {value!r}")


def lengths(name: str, shape: Any) -> Shape:
    """The lengths of one axis or several, none of them empty."""
    given = shape if isinstance(shape, (tuple, list)) else (shape,)
    if not given:
        raise UsageError(f"{name}: expected the length of at least one axis, got {shape!r}")
    return per_axis(name, "the lengths of the last axes", given, len(given))


def _whole(value: Any, least: int) -> bool:
    return not isinstance(value, bool) and hasattr(value, "__index__") and index(value) >= least


def around(name: str, padding: Any, kernel: Shape, stride: Shape = (), dilation: Shape = ()) -> Pairs:
    """How much is padded before and behind each axis.

    Parameters
    ----------
    padding : int, a sequence with an int or a pair (before, behind) for each axis, or a word
        ``"valid"`` is 0. ``"same"``, for a convolution of stride 1: as much as keeps the lengths, the odd
        element behind.
    """
    n = len(kernel)
    if padding == "valid" and dilation:
        return ((0, 0),) * n
    if padding == "same" and dilation:
        if set(stride) != {1}:
            raise UsageError(
                f"{name}: padding='same' keeps the lengths, which stride {as_text(stride)} cannot; give it in numbers"
            )
        whole = [d * (k - 1) for k, d in zip(kernel, dilation)]
        return tuple((total // 2, total - total // 2) for total in whole)
    given = padding if isinstance(padding, (tuple, list)) else (padding,) * n
    pairs = [tuple(p) if isinstance(p, (tuple, list)) else (p, p) for p in given]
    if len(pairs) == n and all(len(pair) == 2 and all(_whole(k, 0) for k in pair) for pair in pairs):
        return tuple((index(before), index(behind)) for before, behind in pairs)
    words = ", 'same' or 'valid'" if dilation else ""
    raise UsageError(
        f"{name}: expected padding to be a whole number from 0, or one or a pair (before, behind) for each of the {n} "
        f"axes{words}; got {padding!r}"
    )


def as_text(setting: Any) -> str:
    """As short as it can be given: a number where all axes are alike.

    Examples
    --------
    >>> as_text((2, 2)), as_text((2, 1)), as_text(((1, 1), (1, 1))), as_text(((0, 1), (0, 1)))
    ('2', '(2, 1)', '1', '((0, 1), (0, 1))')
    """
    if isinstance(setting, str):
        return repr(setting)
    short = [p[0] if isinstance(p, tuple) and p[0] == p[1] else p for p in setting]
    if all(isinstance(p, int) for p in short):
        return str(short[0]) if len(set(short)) == 1 else str(tuple(short))
    return str(tuple(setting))
