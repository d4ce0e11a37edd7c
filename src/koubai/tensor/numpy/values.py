"""NumPy's functions without a gradient: predicates, positions, sets, counts, questions about a type."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.errors import UnsupportedError
from koubai.graph import Node
from koubai.tensor.numpy.arguments import arrayed, holds_node
from koubai.tensor.numpy.callback import always, on_values

__all__ = [
    "allclose", "argpartition", "array2string", "array_equal", "array_equiv", "array_repr", "array_str",
    "bitwise_count", "can_cast", "copyto", "diag_indices_from", "digitize", "fill_diagonal", "gcd",
    "histogram2d", "histogram_bin_edges", "histogramdd", "isclose", "iscomplex", "iscomplexobj", "isin",
    "isneginf", "isposinf", "isreal", "isrealobj", "isscalar", "lcm", "lexsort", "may_share_memory",
    "min_scalar_type", "ndim", "nextafter", "packbits", "place", "put", "putmask", "ravel_multi_index",
    "result_type", "save", "savetxt", "shape", "shares_memory", "size",
    "spacing", "tril_indices_from", "triu_indices_from", "unpackbits", "unravel_index",
]  # fmt: skip


def _bins_are_numbers(sample: Any, *args: Any, bins: Any = None, **options: Any) -> bool:
    """Whether the number of bins does not depend on what is counted, as it does by a rule's name."""
    return not any(isinstance(x, str) for x in (*args, bins))


allclose = on_values("allclose", np.allclose, fixed=always)
argpartition = on_values("argpartition", np.argpartition, fixed=always)
array2string = on_values("array2string", np.array2string)
array_equal = on_values("array_equal", np.array_equal, fixed=always)
array_equiv = on_values("array_equiv", np.array_equiv, fixed=always)
array_repr = on_values("array_repr", np.array_repr)
array_str = on_values("array_str", np.array_str)
bitwise_count = on_values("bitwise_count", np.bitwise_count, fixed=always)
digitize = on_values("digitize", np.digitize, fixed=always)
gcd = on_values("gcd", np.gcd, fixed=always)
histogram = on_values("histogram", np.histogram, fixed=_bins_are_numbers)
histogram2d = on_values("histogram2d", np.histogram2d, fixed=_bins_are_numbers)
histogram_bin_edges = on_values("histogram_bin_edges", np.histogram_bin_edges, fixed=_bins_are_numbers)
histogramdd = on_values("histogramdd", np.histogramdd, fixed=_bins_are_numbers)
isclose = on_values("isclose", np.isclose, fixed=always)
isin = on_values("isin", np.isin, fixed=always)
isneginf = on_values("isneginf", np.isneginf, fixed=always)
isposinf = on_values("isposinf", np.isposinf, fixed=always)
lcm = on_values("lcm", np.lcm, fixed=always)
lexsort = on_values("lexsort", np.lexsort, fixed=always)
nextafter = on_values("nextafter", np.nextafter, fixed=always)
packbits = on_values("packbits", np.packbits, fixed=always)
ravel_multi_index = on_values("ravel_multi_index", np.ravel_multi_index, fixed=always)
save = on_values("save", np.save)
savetxt = on_values("savetxt", np.savetxt)
spacing = on_values("spacing", np.spacing, fixed=always)
unpackbits = on_values("unpackbits", np.unpackbits, fixed=always)
unravel_index = on_values("unravel_index", np.unravel_index, fixed=always)
iscomplex = on_values("iscomplex", np.iscomplex, fixed=always)
isreal = on_values("isreal", np.isreal, fixed=always)


# Questions about shape and dtype: answered for traced tensors too.


def shape(a: Any) -> tuple[int, ...]:
    """The shape, as a tuple. As `numpy.shape`."""
    return tuple(arrayed(a).shape) if holds_node(a) else np.shape(a)


def ndim(a: Any) -> int:
    """The number of axes. As `numpy.ndim`."""
    return len(shape(a))


def size(a: Any, axis: Any = None) -> int:
    """The number of elements, or the length of an axis. As `numpy.size`."""
    if not holds_node(a):
        return np.size(a, axis)
    return int(arrayed(a).size) if axis is None else shape(a)[axis]


def iscomplexobj(x: Any) -> bool:
    """Whether the dtype is complex. As `numpy.iscomplexobj`."""
    return arrayed(x).dtype.kind == "c" if holds_node(x) else np.iscomplexobj(x)


def isrealobj(x: Any) -> bool:
    """Whether the dtype is not complex. As `numpy.isrealobj`."""
    return not iscomplexobj(x)


def isscalar(element: Any) -> bool:
    """Whether it is a number and no array; a tensor of shape () is an array. As `numpy.isscalar`."""
    return not isinstance(element, Node) and np.isscalar(element)


def _dtype_of(x: Any) -> Any:
    return x.dtype if isinstance(x, Node) else x


def result_type(*arrays_and_dtypes: Any) -> np.dtype[Any]:
    """The dtype that these promote to. As `numpy.result_type`."""
    return np.result_type(*map(_dtype_of, arrays_and_dtypes))


def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    """Whether a dtype can be cast to another. As `numpy.can_cast`."""
    return np.can_cast(_dtype_of(from_), to, casting)


def min_scalar_type(a: Any, /) -> np.dtype[Any]:
    """The smallest dtype that holds a number; an array's own dtype. As `numpy.min_scalar_type`."""
    return np.min_scalar_type(a.value if isinstance(a, Node) and a.value is not None else _dtype_of(a))


def may_share_memory(a: Any, b: Any, /, max_work: Any = None) -> bool:
    """As `numpy.may_share_memory`, on the values of tensors."""
    a, b = (x.value if isinstance(x, Node) else x for x in (a, b))
    return np.may_share_memory(a, b, max_work)


def shares_memory(a: Any, b: Any, /, max_work: Any = None) -> bool:
    """As `numpy.shares_memory`, on the values of tensors."""
    a, b = (x.value if isinstance(x, Node) else x for x in (a, b))
    return np.shares_memory(a, b, max_work)


def tril_indices_from(arr: Any, k: int = 0) -> Any:
    """The positions of the lower triangle. As `numpy.tril_indices_from`."""
    return np.tril_indices(shape(arr)[-2], k, shape(arr)[-1])


def triu_indices_from(arr: Any, k: int = 0) -> Any:
    """The positions of the upper triangle. As `numpy.triu_indices_from`."""
    return np.triu_indices(shape(arr)[-2], k, shape(arr)[-1])


def diag_indices_from(arr: Any) -> Any:
    """The positions of the main diagonal. As `numpy.diag_indices_from`."""
    return np.diag_indices_from(np.broadcast_to(np.False_, shape(arr)))


# What writes into its argument: NumPy's own on arrays, refused for tensors.


def _in_place(name: str, remedy: str) -> Any:
    original = getattr(np, name)

    def function(*args: Any, **options: Any) -> Any:
        if holds_node(args) or holds_node(tuple(options.values())):
            raise UnsupportedError(
                f"{name}: a tensor cannot be written into, since gradients may need its old value; write {remedy}"
            )
        return original(*args, **options)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"As `numpy.{name}` on plain arrays; for tensors write ``{remedy}``."
    return function


copyto = _in_place("copyto", "t = kb.numpy.where(mask, new, t)")
fill_diagonal = _in_place("fill_diagonal", "t = t.at[kb.numpy.diag_indices_from(t)].set(v)")
place = _in_place("place", "t = t.at[mask].set(v)")
put = _in_place("put", "t = t.ravel().at[i].set(v).reshape(t.shape)")
putmask = _in_place("putmask", "t = kb.numpy.where(mask, v, t)")
