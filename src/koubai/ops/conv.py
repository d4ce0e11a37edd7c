"""Convolution over any number of spatial axes, and the two ops that close it under differentiation.

The sum ``T = sum of x w g`` over every place where a kernel meets an image is linear in the image x, the
kernel w and the result's gradient g. Each op is the derivative of T by one of the three, so that their rules
are each other, to any order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from koubai.errors import ShapeError, UsageError
from koubai.graph import Op, Refusal, Sample, Type, Words, register
from koubai.ops import lowering
from koubai.ops.define import arrays, conjugated, shape_of
from koubai.ops.shape import reshape, transpose
from koubai.ops.windows import Pairs, Windows, padded, sliding

__all__ = ["convolution", "convolution_input", "convolution_weight"]

Shape = tuple[int, ...]

AT_A_TIME = 1 << 21  # bytes of columns: they stay in the cache, and memory does not grow with the batch
SHORT = 16  # elements: a row that is too short to be copied fast


@dataclass(frozen=True, slots=True)
class Layout:
    """How a convolution becomes products of matrices, one for each group.

    The columns of an image are a matrix: for each place in the kernel and each input channel a row, with what
    stands there in every window. Inside, channels come first; the examples stand before the spatial axes, or
    behind them where the rows of an image are short, so that long runs of elements are copied.
    """

    x: Shape
    w: Shape
    y: Shape
    windows: Windows
    groups: int
    last: bool

    @property
    def first(self) -> int:
        """The first spatial axis, inside."""
        return 1 if self.last else 2

    def enter(self, x: Any) -> Any:
        """(examples, channels, *spatial) as it stands inside."""
        return x.transpose(1, *range(2, x.ndim), 0) if self.last else x.swapaxes(0, 1)

    def leave(self, y: Any) -> Any:
        """The way back."""
        return y.transpose(y.ndim - 1, *range(y.ndim - 1)) if self.last else y.swapaxes(0, 1)

    def inner(self, channels: Shape, spatial: Shape, examples: int) -> Shape:
        """A shape inside."""
        return (*channels, *spatial, examples) if self.last else (*channels, examples, *spatial)

    def parts(self, itemsize: int) -> list[slice]:
        """The examples, as many at a time as `AT_A_TIME` allows."""
        one = prod(self.w[1:]) * self.groups * prod(self.windows.count) * itemsize
        size = max(1, AT_A_TIME // max(one, 1))
        return [slice(start, start + size) for start in range(0, max(self.x[0], 1), size)]

    def columns(self, x: Any) -> Any:
        """The columns of some examples: (groups, rows, columns)."""
        x = padded(self.enter(x), self.windows, self.first)
        if self.last:  # so that the examples lie side by side, whose runs are to be copied
            x = np.ascontiguousarray(x)
        stop = self.first + len(self.windows.kernel)
        steps = x.strides[self.first : stop]
        examples = x.shape[-1] if self.last else x.shape[1]
        shape = self.inner((x.shape[0], *self.windows.kernel), self.windows.count, examples)
        within = [s * d for s, d in zip(steps, self.windows.dilation)]
        between = [s * d for s, d in zip(steps, self.windows.stride)]
        strides = (x.strides[0], *within, *x.strides[1 : self.first], *between, *x.strides[stop:])
        view = np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)
        return view.reshape(self.groups, prod(self.w[1:]), examples * prod(self.windows.count))

    def gathered(self, columns: Any, examples: int) -> Any:
        """The adjoint of `columns`: each element's sum over the windows that hold it."""
        channels = (self.x[1],)
        columns = columns.reshape(self.inner((*channels, *self.windows.kernel), self.windows.count, examples))
        y = np.zeros(self.inner(channels, self.windows.padded, examples), columns.dtype)
        lead = (slice(None),) * self.first
        for place, where in self.windows.places():
            y[(*lead, *where)] += columns[(slice(None), *place)]
        return self.leave(y[(*lead, *self.windows.inside)])

    def rows(self, y: Any) -> Any:
        """Results as a matrix: (groups, output channels of a group, columns)."""
        return self.enter(y).reshape(self.groups, self.w[0] // self.groups, y.shape[0] * prod(self.windows.count))

    def results(self, rows: Any, examples: int) -> Any:
        """The way back."""
        return self.leave(rows.reshape(self.inner((self.w[0],), self.windows.count, examples)))

    def kernel(self, w: Any) -> Any:
        """The kernel as a matrix: (groups, output channels of a group, rows)."""
        return w.reshape(self.groups, self.w[0] // self.groups, prod(self.w[1:]))


@lru_cache(maxsize=4096)
def _layout(name: str, x: Shape, w: Shape, stride: Shape, padding: Pairs, dilation: Shape, groups: int) -> Layout:
    """The layout for an image and a kernel of these shapes, or an error that names the axis that does not fit."""
    if len(x) < 3 or len(x) != len(w):
        raise ShapeError(
            f"{name}: expected an image (examples, channels, *spatial) and a kernel (outputs, channels / groups, "
            f"*spatial) with as many spatial axes, at least one, got {x} and {w}"
        )
    if groups < 1 or w[0] % groups:
        raise UsageError(
            f"{name}: expected groups to divide the {w[0]} output channels (axis 0 of the kernel), got {groups}"
        )
    if x[1] != w[1] * groups:
        raise ShapeError(
            f"{name}: expected {w[1] * groups} channels along axis 1 of the image (axis 1 of the kernel, {w[1]}, times "
            f"{groups} groups), got {x[1]}: image {x}, kernel {w}"
        )
    windows = sliding(name, x, 2, w[2:], stride, padding, dilation)
    last = windows.count[-1] < SHORT and x[0] > 1
    return Layout(x, w, (x[0], w[0], *windows.count), windows, groups, last)


def _joined(parts: list[Any]) -> Any:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


# convolution


def _convolution(x: Any, w: Any, **settings: Any) -> Any:
    layout = _layout("convolution", x.shape, w.shape, **settings)
    kernel = layout.kernel(w)
    found = []
    for part in layout.parts(x.itemsize):
        some = x[part]
        found.append(layout.results(kernel @ layout.columns(some), len(some)))
    return _joined(found)


def _infer(x: Type, w: Type, **settings: Any) -> Type:
    return Type(_layout("convolution", x.shape, w.shape, **settings).y, np.result_type(x.dtype, w.dtype))


# convolution_input


def _input_layout(g: Shape, w: Shape, spatial: Shape, settings: dict[str, Any]) -> Layout:
    x = (*g[:1], w[1] * settings["groups"] if len(w) > 1 else 0, *spatial)
    layout = _layout("convolution_input", x, w, **settings)
    if layout.y != g:
        raise ShapeError(
            f"convolution_input: a convolution of an image {x} with a kernel {w} has the shape {layout.y}, but its "
            f"gradient has {g}"
        )
    return layout


def _convolution_input(g: Any, w: Any, *, spatial: Shape, **settings: Any) -> Any:
    layout = _input_layout(g.shape, w.shape, spatial, settings)
    kernel = layout.kernel(w).swapaxes(1, 2)
    found = []
    for part in layout.parts(g.itemsize):
        some = g[part]
        rows = layout.rows(some)
        # One output channel a group: an outer product, for which NumPy's loop is faster than its matrix product.
        columns = kernel * rows if rows.shape[1] == 1 else kernel @ rows
        found.append(layout.gathered(columns, len(some)))
    return _joined(found)


def _input_infer(g: Type, w: Type, *, spatial: Shape, **settings: Any) -> Type:
    return Type(_input_layout(g.shape, w.shape, spatial, settings).x, np.result_type(g.dtype, w.dtype))


# convolution_weight


def _weight_layout(x: Shape, g: Shape, kernel: Shape, settings: dict[str, Any]) -> Layout:
    groups = settings["groups"]
    if len(x) < 2 or len(g) < 2 or groups < 1 or x[1] % groups:
        raise ShapeError(
            f"convolution_weight: expected an image (examples, channels, *spatial) whose channels {groups} groups "
            f"divide, and a gradient (examples, outputs, *spatial), got {x} and {g}"
        )
    w = (g[1], x[1] // groups, *kernel)
    layout = _layout("convolution_weight", x, w, **settings)
    if layout.y != g:
        raise ShapeError(
            f"convolution_weight: a convolution of an image {x} with a kernel {w} has the shape {layout.y}, but its "
            f"gradient has {g}"
        )
    return layout


def _convolution_weight(x: Any, g: Any, *, kernel: Shape, **settings: Any) -> Any:
    layout = _weight_layout(x.shape, g.shape, kernel, settings)
    parts = (layout.rows(g[part]) @ layout.columns(x[part]).swapaxes(1, 2) for part in layout.parts(x.itemsize))
    y = next(parts)
    for part in parts:
        y += part
    return y.reshape(layout.w)


def _weight_infer(x: Type, g: Type, *, kernel: Shape, **settings: Any) -> Type:
    return Type(_weight_layout(x.shape, g.shape, kernel, settings).w, np.result_type(x.dtype, g.dtype))


# Loops


def _loops(result: str, layout: Callable[..., Layout]) -> lowering.Choice:
    """As loops where there is something to add up, in floating-point numbers."""

    def choose(*inputs: Any, **settings: Any) -> Any:
        found = layout(*inputs, **settings)
        if any(x.dtype.kind != "f" for x in inputs) or 0 in (*found.x, *found.w):
            return None
        return lowering.Convolution(result, found.windows, found.groups)

    return lowering.Choice(choose)


# Batching: the stack goes into an axis that the op treats alike, and comes out of one.

Axis = tuple[int, bool]  # which axis, and whether the stack stands inside each group of its channels


def _folded(x: Any, into: Axis, groups: int) -> Any:
    """A stack (size, *shape) as one array, its axis multiplied into another one."""
    axis, within = into
    (size, *shape), parts = shape_of(x), groups if within else 1
    before, n, after = shape[:axis], shape[axis], shape[axis + 1 :]
    x = reshape(x, shape=(size, *before, parts, n // parts, *after))
    x = transpose(x, axes=(*range(1, axis + 2), 0, *range(axis + 2, x.ndim)))
    return reshape(x, shape=(*before, size * n, *after))


def _unfolded(y: Any, out_of: Axis, groups: int, size: int) -> Any:
    """The way back."""
    axis, within = out_of
    shape, parts = shape_of(y), groups if within else 1
    before, n, after = shape[:axis], shape[axis] // size, shape[axis + 1 :]
    y = reshape(y, shape=(*before, parts, size, n // parts, *after))
    y = transpose(y, axes=(axis + 1, *range(axis + 1), *range(axis + 2, y.ndim)))
    return reshape(y, shape=(size, *before, n, *after))


def _batch_rule(first: tuple[Axis, Axis], second: tuple[Axis, Axis], both: tuple[Axis, Axis, Axis]) -> Any:
    """The batch rule, from where the stack goes in and comes out if one input is a stack, or the other, or both.

    Two stacks become groups: example i of one meets example i of the other only.
    """

    def batch(op: Op, size: int, batched: Sequence[bool], a: Any, b: Any, *, groups: int, **settings: Any) -> Any:
        if all(batched):
            a, b, out_of = _folded(a, both[0], 1), _folded(b, both[1], 1), both[2]
            return _unfolded(op(a, b, groups=size * groups, **settings), out_of, 1, size)
        into, out_of = first if batched[0] else second
        a, b = (_folded(x, into, groups) if on else x for x, on in zip((a, b), batched))
        return _unfolded(op(a, b, groups=groups, **settings), out_of, groups, size)

    return batch


EXAMPLES, CHANNELS, OF_EACH_GROUP = (0, False), (1, False), (1, True)
OUTPUTS, OUTPUTS_OF_EACH_GROUP = (0, False), (0, True)


# The records


def _settings(n: int, **others: Any) -> dict[str, Any]:
    plain = {"stride": (1,) * n, "padding": ((0, 0),) * n, "dilation": (1,) * n, "groups": 1}
    return {**plain, **others}


def _cases() -> list[tuple[Shape, Shape, dict[str, Any]]]:
    return [
        ((2, 2, 5), (3, 2, 2), _settings(1)),
        ((2, 1, 4, 5), (2, 1, 3, 2), _settings(2, stride=(2, 1), padding=((1, 1), (0, 2)))),
        ((1, 4, 5, 4), (2, 2, 2, 3), _settings(2, dilation=(2, 1), stride=(1, 2), padding=((0, 1), (1, 1)), groups=2)),
        ((0, 2, 3), (2, 2, 2), _settings(1)),
    ]


def _samples(form: Callable[..., Sample]) -> Callable[[], list[Sample]]:
    """Samples made of an image, a kernel and a gradient that fit; the last ones complex."""

    def samples() -> list[Sample]:
        found = []
        for x, w, settings in _cases():
            y = _layout("samples", x, w, **settings).y
            found.append(form(*arrays(x, w, y), settings))
        x, w, y = arrays((1, 2, 3), (2, 2, 2), (1, 2, 2))
        turned = (a + 1j * b for a, b in zip((x, w, y), arrays(x.shape, w.shape, y.shape, seed=1)))
        return [*found, form(*turned, _settings(1))]

    return samples


convolution = register(Op(
    "convolution", _convolution, _infer,
    vjp=(lambda g, y, x, w, **p: convolution_input(g, conjugated(w), spatial=shape_of(x)[2:], **p),
         lambda g, y, x, w, **p: convolution_weight(conjugated(x), g, kernel=shape_of(w)[2:], **p)),
    linear=True, batch=_batch_rule((EXAMPLES, EXAMPLES), (OUTPUTS_OF_EACH_GROUP, OF_EACH_GROUP),
                                   (CHANNELS, OUTPUTS, CHANNELS)),
    lower=_loops("y", lambda x, w, **p: _layout("convolution", shape_of(x), shape_of(w), **p)),
    words=Words("y[n, o, p] = sum_{c, k} w[o, c, k] x[n, c, p stride + k dilation - padding]",
                "dE/dx[n, c, i] = sum_{o, p, k} g[n, o, p] w[o, c, k] (p stride + k dilation - padding == i), "
                "dE/dw[o, c, k] = sum_{n, p} g[n, o, p] x[n, c, p stride + k dilation - padding]",
                "A kernel slides over an image and takes a weighted sum at every place; each weight's gradient sums "
                "over all the places where it was used.",
                "カーネルを画像上で滑らせ、各位置で重み付き和をとる。重みの勾配は、使われた全位置についての和になる。",
                symbols=("x", "w")),
    samples=_samples(lambda x, w, g, settings: Sample((x, w), settings)),
    refuses=lambda: [
        Refusal(arrays((1, 3, 5), (2, 2, 2)), _settings(1), ShapeError, "expected 2 channels along axis 1"),
        Refusal(arrays((1, 2, 5), (2, 2, 2, 2)), _settings(2), ShapeError, "as many spatial axes"),
        Refusal(arrays((1, 2, 5, 2), (2, 2, 2, 3)), _settings(2), ShapeError, "along axis 3 the kernel covers 3"),
        Refusal(arrays((1, 2, 5), (3, 1, 2)), _settings(1, groups=2), UsageError, "divide the 3 output channels"),
        Refusal(arrays((1, 2, 5), (3, 2, 2)), _settings(1, stride=(0,)), UsageError, "at least 1"),
        Refusal(arrays((1, 2, 5), (3, 2, 2)), _settings(2), UsageError, "expected 1 entries in stride"),
    ],
))  # fmt: skip
convolution_input = register(Op(
    "convolution_input", _convolution_input, _input_infer,
    vjp=(lambda h, y, g, w, *, spatial, **p: convolution(h, conjugated(w), **p),
         lambda h, y, g, w, *, spatial, **p: convolution_weight(h, conjugated(g), kernel=shape_of(w)[2:], **p)),
    linear=True, batch=_batch_rule((EXAMPLES, EXAMPLES), (CHANNELS, OF_EACH_GROUP), (CHANNELS, OUTPUTS, CHANNELS)),
    lower=_loops("x", lambda g, w, *, spatial, **p: _input_layout(shape_of(g), shape_of(w), spatial, p)),
    words=Words("y[n, c, i] = sum_{o, p, k} x[n, o, p] w[o, c, k] (p stride + k dilation - padding == i)",
                "dE/dx[n, o, p] = sum_{c, k} w[o, c, k] g[n, c, p stride + k dilation - padding], "
                "dE/dw[o, c, k] = sum_{n, p} x[n, o, p] g[n, c, p stride + k dilation - padding]",
                "The transposed convolution: every number spreads out over its window, as much as the kernel says; the "
                "gradient of a convolution by its image.",
                "転置畳み込み。各要素をカーネルの重みで窓全体へ配る。畳み込みを入力画像で微分した勾配にあたる。",
                symbols=("x", "w")),
    samples=_samples(lambda x, w, g, settings: Sample((g, w), {**settings, "spatial": x.shape[2:]})),
    refuses=lambda: [
        Refusal(arrays((1, 3, 4), (3, 2, 2)), _settings(1, spatial=(6,)), ShapeError, "(1, 3, 5), but its gradient"),
        Refusal(arrays((1, 3, 4), (3, 2, 2)), _settings(1, spatial=(1,)), ShapeError, "covers 2 elements"),
    ],
))  # fmt: skip
convolution_weight = register(Op(
    "convolution_weight", _convolution_weight, _weight_infer,
    vjp=(lambda h, y, x, g, *, kernel, **p: convolution_input(conjugated(g), h, spatial=shape_of(x)[2:], **p),
         lambda h, y, x, g, *, kernel, **p: convolution(conjugated(x), h, **p)),
    linear=True, batch=_batch_rule((OF_EACH_GROUP, CHANNELS), (OF_EACH_GROUP, OUTPUTS_OF_EACH_GROUP),
                                   (CHANNELS, CHANNELS, OUTPUTS)),
    lower=_loops("w", lambda x, g, *, kernel, **p: _weight_layout(shape_of(x), shape_of(g), kernel, p)),
    words=Words("y[o, c, k] = sum_{n, p} z[n, o, p] x[n, c, p stride + k dilation - padding]",
                "dE/dx[n, c, i] = sum_{o, p, k} z[n, o, p] g[o, c, k] (p stride + k dilation - padding == i), "
                "dE/dz[n, o, p] = sum_{c, k} g[o, c, k] x[n, c, p stride + k dilation - padding]",
                "The windows of an image, weighted and summed; the gradient of a convolution by its kernel.",
                "画像の各窓に重みを掛けて足し合わせる。畳み込みをカーネルで微分した勾配にあたる。",
                symbols=("x", "z")),
    samples=_samples(lambda x, w, g, settings: Sample((x, g), {**settings, "kernel": w.shape[2:]})),
    refuses=lambda: [
        Refusal(arrays((1, 2, 5), (1, 3, 5)), _settings(1, kernel=(2,)), ShapeError, "(1, 3, 4), but its gradient"),
        Refusal(arrays((1, 3, 5), (1, 2, 4)), _settings(1, kernel=(2,), groups=2), ShapeError, "2 groups"),
    ],
))  # fmt: skip
