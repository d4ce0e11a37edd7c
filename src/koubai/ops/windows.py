"""Windows that slide over the axes of an array: where each stands, for convolution and pooling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from koubai.errors import ShapeError, UsageError

__all__ = ["Pairs", "Windows", "padded", "sliding"]

Shape = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows over some axes of an array, one entry an axis.

    Window p of an axis holds the elements ``p stride + k dilation - padding[0]`` for k below `kernel`.

    Parameters
    ----------
    lengths : the axes' lengths without padding
    kernel, stride, padding, dilation
    count : how many windows there are
    """

    lengths: Shape
    kernel: Shape
    stride: Shape
    padding: Pairs
    dilation: Shape
    count: Shape

    @property
    def padded(self) -> Shape:
        """The axes' lengths with padding."""
        return tuple(n + before + after for n, (before, after) in zip(self.lengths, self.padding))

    @property
    def inside(self) -> tuple[slice, ...]:
        """Where the elements stand in the padded axes."""
        return tuple(slice(before, before + n) for n, (before, _) in zip(self.lengths, self.padding))

    def along(self, axis: int) -> list[slice]:
        """For each place in the kernel along this axis: where all windows have it, in the padded axis."""
        step, count = self.stride[axis], self.count[axis]
        starts = range(0, self.kernel[axis] * self.dilation[axis], self.dilation[axis])
        return [slice(k, k + step * (count - 1) + 1, step) for k in starts]

    def places(self) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
        """Each place in the kernel, and where all windows have it in the padded axes."""
        axes = range(len(self.kernel))
        return zip(product(*map(range, self.kernel)), product(*map(self.along, axes)))


@lru_cache(maxsize=4096)
def sliding(
    name: str, shape: Shape, first: int, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape
) -> Windows:
    """The windows over the axes of `shape` from number `first` on.

    Raises
    ------
    ShapeError, UsageError
        If there is no window, or a setting makes no sense; names the op and the axis.
    """
    lengths = shape[first:]
    for what, given in (("kernel", kernel), ("stride", stride), ("padding", padding), ("dilation", dilation)):
        if len(given) != len(lengths):
            raise UsageError(f"{name}: expected {len(lengths)} entries in {what}, one for each axis, got {given}")
    count = []
    for k, n in enumerate(lengths):
        if kernel[k] < 1 or stride[k] < 1 or dilation[k] < 1 or min(padding[k]) < 0:
            raise UsageError(
                f"{name}: along axis {first + k} expected kernel, stride and dilation of at least 1 and padding of at "
                f"least 0, got kernel {kernel[k]}, stride {stride[k]}, dilation {dilation[k]}, padding {padding[k]}"
            )
        reach, room = dilation[k] * (kernel[k] - 1) + 1, n + sum(padding[k])
        if reach > room:
            spread = f" (kernel {kernel[k]}, dilation {dilation[k]})" * (dilation[k] > 1)
            around = f" with padding {padding[k]}" * (room > n)
            raise ShapeError(
                f"{name}: along axis {first + k} the kernel covers {reach} elements{spread}, but an input of shape "
                f"{shape} has only {room}{around}; use a smaller kernel, or more padding"
            )
        count.append((room - reach) // stride[k] + 1)
    return Windows(lengths, kernel, stride, padding, dilation, tuple(count))


def padded(x: Any, windows: Windows, first: int, value: float = 0.0) -> Any:
    """`x` with `value` around the axes of the windows, the first of which is number `first`; `x` itself without."""
    if windows.padded == windows.lengths:
        return x
    lead, rest = x.shape[:first], x.shape[first + len(windows.lengths) :]
    y = np.full_like(x, value, shape=(*lead, *windows.padded, *rest))
    y[(*(slice(None),) * first, *windows.inside)] = x
    return y
