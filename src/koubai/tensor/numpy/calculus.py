"""NumPy's differences, integrals and interpolation."""

from __future__ import annotations

from typing import Any

from koubai.errors import UsageError
from koubai.ops import elementwise as e
from koubai.ops import shape as s
from koubai.tensor.numpy.arguments import arrayed, like_numpy, one_axis
from koubai.tensor.numpy.join import concatenate

__all__ = ["diff"]


def part(a: Any, axis: int, start: int | None, stop: int | None, step: int | None = None) -> Any:
    """A slice along one axis."""
    return a[(slice(None),) * axis + (slice(start, stop, step),)]


@like_numpy
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """The differences of neighbours along an axis, n times. As `numpy.diff`."""
    a = arrayed(a)
    if n < 0:
        raise UsageError(f"diff: expected n of at least 0, got {n}")
    axis = one_axis("diff", axis, a.ndim)
    ends = [prepend, a, append]
    if prepend is not None or append is not None:
        shape = (*a.shape[:axis], 1, *a.shape[axis + 1 :])
        full = [arrayed(x) for x in ends if x is not None]
        a = concatenate([s.broadcast_to(x, shape=shape) if x.ndim == 0 else x for x in full], axis)
    for _ in range(n):
        later, earlier = part(a, axis, 1, None), part(a, axis, None, -1)
        a = e.not_equal(later, earlier) if a.dtype.kind == "b" else later - earlier
    return a
