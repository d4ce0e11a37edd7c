"""The one family of exceptions. Each is also what a NumPy user would expect to catch.

A message says what was expected, what came, where, and what to do.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AxisError",
    "DTypeError",
    "DataError",
    "GradientError",
    "GradientShapeError",
    "IndexingError",
    "KoubaiError",
    "LabelError",
    "RangeError",
    "ShapeError",
    "TracingError",
    "TrainingError",
    "UnsupportedError",
    "UsageError",
    "VerifyError",
]


class KoubaiError(Exception):
    """Base class of everything that koubai raises on purpose."""


class ShapeError(KoubaiError, ValueError):
    """Shapes, axes or sizes that do not fit together."""


class DTypeError(KoubaiError, TypeError):
    """A dtype or a kind of object that cannot be used here."""


class IndexingError(KoubaiError, IndexError):
    """An index outside its range."""


class AxisError(ShapeError, IndexingError):
    """An axis that an array does not have."""


class UsageError(KoubaiError, ValueError):
    """An argument whose value makes no sense here."""


class UnsupportedError(KoubaiError, TypeError, NotImplementedError):
    """Something that is well defined but that koubai does not do; the message names the remedy."""


class TracingError(KoubaiError, TypeError):
    """A value was asked for where only shape and dtype are known.

    Attributes
    ----------
    around : bool
        Whether what is not known comes from a loop or a vmap that may be at work around the call.
    """

    around: bool = False


class GradientError(KoubaiError, AssertionError):
    """A gradient that is wrong, or that is not defined.

    Attributes
    ----------
    diagnosis : koubai.check.Diagnosis or None
        What `koubai.check_grads` found out: the place, the index, both numbers and the likely cause.
    """

    diagnosis: object = None


class GradientShapeError(GradientError, ShapeError):
    """A gradient whose shape is not that of the value that it belongs to."""


class DataError(KoubaiError, ValueError):
    """Data that cannot be read or used: the message names file, row and column."""


class TrainingError(KoubaiError, ArithmeticError):
    """A training that cannot go on, because its loss or its weights are not finite any more.

    Attributes
    ----------
    trouble : koubai.Trouble or None
        The first value that is not finite: where it came up, and what it was made of.
    """

    trouble: Any = None


class LabelError(DataError, IndexingError):
    """A target outside the range that the loss takes, or an index outside a table; the message names the place.

    Attributes
    ----------
    row : (int, int) or None
        The row in the array that was looked at, and the number of its rows.
    """

    row: tuple[int, int] | None = None


class RangeError(KoubaiError, OverflowError):
    """A Python int that the dtype in which it is used cannot hold."""


class VerifyError(KoubaiError, ValueError):
    """A graph that breaks a rule of the graph."""
