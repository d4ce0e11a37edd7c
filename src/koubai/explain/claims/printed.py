"""Claimed numbers as they were printed, with what their last digit leaves open."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import isinf
from typing import Any

import numpy as np

from koubai.errors import UsageError
from koubai.explain.claims.expressions import plainly
from koubai.graph import Node

__all__ = ["Printed", "printed", "written"]

Array = np.ndarray[Any, Any]
WHOLE = r"[-+]?\d{1,3}"
NUMBER = re.compile(
    r"(?P<over>[-+]?\d+)\s*/\s*(?P<under>\d+)(?![\d.eE])"
    r"|(?P<digits>[-+]?(?:\d+\.?\d*|\.\d+))"
    rf"(?:[eE](?P<e>{WHOLE})|\s*(?:[×·*x]|\\times|\\cdot)\s*10\s*(?:\^|\*\*)\s*"
    rf"(?P<power>{WHOLE}|\{{{WHOLE}\}}|\({WHOLE}\)))?"
    r"\s*(?P<percent>%)?"
)
ABOUT = "≈≒~"
ROUNDING = 1e-12  # of the right value: what two computations in float64 may differ by
EXACT = 17  # digits: what a float64 can hold
OF_DTYPE = {"float16": 1e-2, "float32": 1e-5}


@dataclass(frozen=True, slots=True)
class Printed:
    """A claimed number or array.

    Attributes
    ----------
    text : str
    value : array
    unit : array
        One in the last printed place; 0 for a whole number or a fraction, which are meant exactly.
    significant : int
        How many digits the number has, leading zeros aside; of an array the fewest.
    loose : float
        What may be off besides, as a share of the right value.
    """

    text: str
    value: Array
    unit: Array
    significant: int
    loose: float = ROUNDING

    def fits(self, right: Any) -> bool:
        """Whether `right`, rounded to the printed digits, is what was printed."""
        right = np.asarray(right)
        if right.shape != self.value.shape or not np.isfinite(right).all():
            return False
        open_ = 0.5 * self.unit * (1 + 1e-9) + self.loose * np.maximum(np.abs(right), np.abs(self.value))
        return bool((np.abs(right - self.value) <= open_).all())


def printed(claim: Any) -> Printed:
    """A claim's value: text such as ``0.3775`` or ``[[1, 2.50], [3, 4]]``, a number, or an array.

    A number in a text may also be written ``-1.6×10^-1``, ``42.9%`` (for 0.429) or ``3/7``; ``≈`` may stand before it.

    Raises
    ------
    UsageError
        If it is no number and no list of numbers.

    Examples
    --------
    >>> printed("0.3775").fits(0.37754), printed("0.3775").fits(0.37756)
    (True, False)
    """
    text = claim.strip() if isinstance(claim, str) else written(claim)
    loose = ROUNDING if isinstance(claim, str) else OF_DTYPE.get(str(getattr(claim, "dtype", "")), ROUNDING)
    plain = plainly(text).replace("−", "-")
    about, plain = plain[:1] in ABOUT and bool(plain), plain.lstrip(ABOUT).strip()
    found = [_number(match, text, about) for match in NUMBER.finditer(plain)]
    frame = NUMBER.sub(" 0 ", plain).strip()
    if frame != "0" and not re.fullmatch(r"[\[(][\s\[\](),0]+", frame):
        raise UsageError(f"{text!r} is no number and no list of numbers")
    try:
        shape = np.asarray(ast.literal_eval(frame), np.float64).shape
        value, unit = (np.asarray([n[i] for n in found], np.float64).reshape(shape) for i in (0, 1))
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        raise UsageError(f"{text!r} is no list of numbers whose rows have the same length") from None
    return Printed(text, value, unit, min((n[2] for n in found), default=0), loose)


def _number(match: re.Match[str], text: str, about: bool) -> tuple[float, float, int]:
    """A number's value, one in its last place (0 where it is meant exactly), and how many digits it has."""
    try:
        if match["over"]:
            return float(Fraction(int(match["over"]), int(match["under"]))), 0.0, EXACT
        power = match["e"] or (match["power"] or "").strip("{}()")
        exact = Decimal(f"{match['digits']}e{power or 0}").scaleb(-2 if match["percent"] else 0)
        _, digits, exponent = exact.as_tuple()
        assert isinstance(exponent, int)
        if isinf(float(exact)):
            raise OverflowError
    except (ZeroDivisionError, OverflowError, ValueError):
        raise UsageError(f"{text[:40]!r} holds a number that is not finite, or too large") from None
    whole = "." not in match["digits"] and not power and not match["percent"] and not about
    return float(exact), 0.0 if whole else float(Decimal(1).scaleb(exponent)), len(digits)


def written(value: Any) -> str:
    """A number or an array with the digits that Python prints."""
    if isinstance(value, Node):
        value = value.value
    if isinstance(value, bool) or (not isinstance(value, (list, tuple)) and np.asarray(value).dtype.kind not in "iuf"):
        raise UsageError(f"a claim is a number or an array of numbers, got {type(value).__name__}")
    if np.ndim(value) == 0:
        return str(value)
    return f"[{', '.join(written(v) for v in value)}]"
