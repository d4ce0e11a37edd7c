"""Generated matrix products against NumPy."""

import ctypes
import itertools

import numpy as np
import pytest

from koubai.compile.llvm import Module, host
from koubai.compile.llvm.engine import Code
from koubai.compile.product import write_product

KINDS = [ctypes.c_void_p] * 4 + [ctypes.c_int64] * 2


def strides(x):
    return tuple(s // x.itemsize for s in x.strides)


def matrix(rng, rows, columns, order, dtype):
    x = rng.standard_normal((rows, columns)).astype(dtype)
    return np.asfortranarray(x) if order == "T" else x


def run(n, k, m, orders="NNN", dtype="float32", accumulate=False, splits=lambda first, last: [(first, last)]):
    rng = np.random.default_rng(n * 1000 + k * 100 + m)
    shapes = [(n, k), (k, m), (n, m)]
    a, b, c = (matrix(rng, *shape, order, dtype) for shape, order in zip(shapes, orders))
    start = c.astype("float64")
    module = Module()
    product = write_product(
        module, host(), "f", n, k, m, dtype, strides(a), strides(b), strides(c), accumulate=accumulate
    )
    code = Code(module.text())
    scratch = np.zeros(product.scratch + 64, np.uint8)
    place = scratch.ctypes.data + -scratch.ctypes.data % 64
    for name, first, last in product.phases:
        function = code.function(name, *KINDS)
        for part in splits(first, last):
            function(a.ctypes.data, b.ctypes.data, c.ctypes.data, place, *part)
    exact = a.astype("float64") @ b.astype("float64") + (start if accumulate else 0)
    size = np.abs(a.astype("float64")) @ np.abs(b.astype("float64")) + np.abs(start)
    assert np.all(np.abs(c - exact) <= (k + 2) * np.finfo(dtype).eps * size)
    return c


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (7, 5, 3), (32, 32, 10), (1, 64, 64), (64, 1, 64), (20, 1, 1), (13, 17, 37)]
)
def test_equals_numpy_in_every_layout(shape):
    for orders in itertools.product("NT", repeat=3):
        run(*shape, orders, "float32")
        run(*shape, orders, "float64", accumulate=True)
