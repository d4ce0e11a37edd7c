"""Values for people and for the page: short texts, exact tables of small arrays, summaries of large ones."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np

__all__ = ["Budget", "packed", "plain_number", "shape_text", "short"]

MINUS = "\u2212"


def plain_number(x: Any) -> Any:
    """A number as JSON holds it: exactly; what JSON cannot hold, as text."""
    if isinstance(x, (bool, np.bool_)):
        return bool(x)
    if isinstance(x, (int, np.integer)):
        return int(x) if abs(int(x)) < 2**53 else str(int(x))
    if isinstance(x, (complex, np.complexfloating)):
        return f"{x.real:.6g}{x.imag:+.6g}i"
    if isinstance(x, np.floating) and x.dtype.itemsize < 8:
        x = float(str(x))  # the shortest digits that name this float32, not those of the double beside it
    x = float(x)
    if math.isfinite(x):
        return int(x) if x == int(x) and abs(x) < 1e15 and not (x == 0 and math.copysign(1, x) < 0) else x
    return "NaN" if math.isnan(x) else "Infinity" if x > 0 else "-Infinity"


def short(x: Any, digits: int = 6) -> str:
    """A number in a few digits, with a real minus sign; an array by its shape; of several values each.

    Examples
    --------
    >>> short(0.1 + 0.2), short(np.ones((3, 4))), short((4.0, 3.0))
    ('0.3', '3×4', '(4, 3)')
    """
    if isinstance(x, tuple):
        return f"({', '.join(short(part, digits) for part in x)})"
    if isinstance(x, np.ndarray) and x.ndim:
        return shape_text(x.shape)
    if isinstance(x, np.ndarray):
        x = x[()]
    if isinstance(x, (bool, np.bool_, str)) or x is None:
        return str(x)
    if isinstance(x, (complex, np.complexfloating)):
        return f"{x.real:.{digits}g}{x.imag:+.{digits}g}i".replace("-", MINUS)
    if isinstance(x, (int, float, np.integer, np.floating)):
        return f"{x:.{digits}g}".replace("-", MINUS).replace("inf", "∞")
    return str(x)[:24]


def shape_text(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) if len(shape) != 1 else f"{shape[0]}"


class Budget:
    """How large a table or a heat map may be, so that a page with many arrays stays small.

    Parameters
    ----------
    arrays : how many arrays the page shows
    """

    def __init__(self, arrays: int, size: int = 400_000) -> None:
        share = size / max(arrays, 1)
        self.table = int(min(64, max(4, share / 12)))
        self.side = min(32, int(math.sqrt(share * 0.75)))


def packed(x: Any, budget: Budget) -> Any:
    """A value for the page.

    A single number stays one. A small array is a table of its numbers. Of a large one there are shape, smallest and
    largest element, mean and norm, and a heat map of means over blocks, one byte each.
    """
    if x is None:
        return None
    if isinstance(x, tuple):
        return {"several": [packed(part, budget) for part in x]}
    x = np.asarray(x)
    if x.ndim == 0:
        return plain_number(x[()])
    about: dict[str, Any] = {"shape": list(x.shape), "dtype": str(x.dtype)}
    if x.size <= budget.table:
        return {**about, "table": _nested(x)}
    if x.dtype.kind == "c":
        x = np.abs(x)
        about["absolute"] = True
    numbers = x.astype(np.float64)
    finite = numbers[np.isfinite(numbers)]
    if finite.size < x.size:
        about["notFinite"] = int(x.size - finite.size)
    if finite.size:
        about |= {"min": plain_number(finite.min()), "max": plain_number(finite.max())}
        about |= {"mean": plain_number(finite.mean()), "norm": plain_number(np.sqrt((finite * finite).sum()))}
        if budget.side >= 6:
            about["map"] = _heat_map(numbers, budget.side)
    return about


def _nested(x: np.ndarray[Any, Any]) -> Any:
    if not x.size:
        return x.tolist()
    cells: Any = [plain_number(v) for v in x.ravel()]
    for size in reversed(x.shape[1:]):
        cells = [cells[i : i + size] for i in range(0, len(cells), size)]
    return cells


def _heat_map(x: np.ndarray[Any, Any], side: int) -> dict[str, Any]:
    x = x.reshape(-1, x.shape[-1]) if x.ndim > 1 else x.reshape(1, -1)
    x = np.nan_to_num(x, nan=0.0, posinf=0.0, neginf=0.0)
    across = side if x.shape[0] > 1 else side * 4
    x = _block_means(_block_means(x, side).T, across).T
    scale = float(np.abs(x).max())
    levels = np.round(x / scale * 127) if scale > 0 else np.zeros_like(x)
    data = base64.b64encode(levels.astype(np.int8).tobytes()).decode()
    return {"rows": x.shape[0], "columns": x.shape[1], "scale": float(f"{scale:.4g}"), "data": data}


def _block_means(x: np.ndarray[Any, Any], most: int) -> np.ndarray[Any, Any]:
    """Means over blocks of rows, so that at most so many rows are left."""
    if x.shape[0] <= most:
        return x
    starts = np.arange(most) * x.shape[0] // most
    sizes = np.diff([*starts, x.shape[0]])
    means: np.ndarray[Any, Any] = np.add.reduceat(x, starts, axis=0) / sizes[:, None]
    return means
