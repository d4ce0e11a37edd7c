"""Claimed numbers as they were printed, with what their last digit leaves open."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from koubai.errors import UsageError
from koubai.explain.claims.expressions import plainly
from koubai.graph import Node

__all__ = ["Printed", "printed", "written"]

Array = np.ndarray[Any, Any]
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?")
ROUNDING = 1e-12  # of the right value: what two computations in float64 may differ by
OF_DTYPE = {"float16": 1e-2, "float32": 1e-5}


@dataclass(frozen=True, slots=True)
class Printed:
    """A claimed number or array.

    Attributes
    ----------
    text : str
    value : array
    unit : array
        One in the last printed place; 0 for a whole number, which is meant exactly.
    loose : float
        What may be off besides, as a share of the right value.
    """

    text: str
    value: Array
    unit: Array
    loose: float = ROUNDING

    def fits(self, right: Any) -> bool:
        """Whether `right`, rounded to the printed digits, is what was printed."""
        right = np.asarray(right)
        if right.shape != self.value.shape or not np.isfinite(right).all():
            return False
        open_ = 0.5 * self.unit * (1 + 1e-9) + self.loose * np.maximum(np.abs(right), np.abs(self.value))
        return bool((np.abs(right - self.value) <= open_).all())

    @property
    def significant(self) -> int:
        """How many digits the number has, leading zeros aside; of an array the fewest."""
        return min((len(Decimal(t).as_tuple().digits) for t in number_texts(self.text)), default=0)


def number_texts(text: str) -> Iterator[str]:
    """Each number of the text, as it stands there."""
    return (match.group() for match in NUMBER.finditer(text))


def printed(claim: Any) -> Printed:
    """A claim's value: text such as ``0.3775`` or ``[[1, 2.50], [3, 4]]``, a number, or an array.

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
    if NUMBER.fullmatch(plain):
        return Printed(text, np.asarray(float(plain)), np.asarray(_unit(plain)), loose)
    if not re.fullmatch(r"[\s\[\](),\d.eE+-]+", plain) or not plain.startswith(("[", "(")):
        raise UsageError(f"{text!r} is no number and no list of numbers")
    try:
        value = np.asarray(ast.literal_eval(plain), np.float64)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        raise UsageError(f"{text!r} is no list of numbers whose rows have the same length") from None
    units = np.asarray([_unit(t) for t in number_texts(plain)]).reshape(value.shape)
    return Printed(text, value, units, loose)


def _unit(text: str) -> float:
    """One in the last place."""
    if "." not in text and "e" not in text.lower():
        return 0.0
    exponent = Decimal(text).as_tuple().exponent
    assert isinstance(exponent, int)
    return float(Decimal(1).scaleb(exponent))


def written(value: Any) -> str:
    """A number or an array with the digits that Python prints."""
    if isinstance(value, Node):
        value = value.value
    if isinstance(value, bool) or (not isinstance(value, (list, tuple)) and np.asarray(value).dtype.kind not in "iuf"):
        raise UsageError(f"a claim is a number or an array of numbers, got {type(value).__name__}")
    if np.ndim(value) == 0:
        return str(value)
    return f"[{', '.join(written(v) for v in value)}]"
