"""Generated matrix products against NumPy: layouts, splits, edges of memory, epilogues, other vector widths."""

import ctypes
import itertools
import mmap
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from koubai.compile.llvm import Machine, Module, host
from koubai.compile.llvm.engine import Code, assembly
from koubai.compile.llvm.machine import aarch64, x86_64
from koubai.compile.product import lane_axis, write_product

ORDERS = ["".join(order) for order in itertools.product("NT", repeat=3)]
WORD = ctypes.c_int64


def strides(x):
    return tuple(s // x.itemsize for s in x.strides)


def laid_out(x, order):
    return np.asfortranarray(x) if order == "T" else np.ascontiguousarray(x)


def inputs(n, k, m, orders, dtype):
    rng = np.random.default_rng(n * 1000 + k * 100 + m)
    shapes = [(n, k), (k, m), (n, m)]
    return [laid_out(rng.standard_normal(shape).astype(dtype), order) for shape, order in zip(shapes, orders)]


def whole(first, last):
    return [(first, last)]


def one_by_one(first, last):
    return [(unit, unit + 1) for unit in range(first, last)][::-1]


def multiply(a, b, c, *, machine=None, accumulate=False, splits=whole, epilogue=None, extra=()):
    """C = A B by generated code; `extra` pairs an argument's name with an array for the epilogue."""
    module, (n, k), m = Module(), a.shape, b.shape[1]
    product = write_product(
        module,
        machine or host(),
        "f",
        n,
        k,
        m,
        a.dtype,
        *map(strides, (a, b, c)),
        epilogue=epilogue,
        accumulate=accumulate,
        extra=[("ptr", name) for name, _ in extra],
    )
    code = Code(module.text(), machine)
    scratch = np.full(product.scratch + 128, 0xFF, np.uint8)
    place = scratch.ctypes.data + -scratch.ctypes.data % 64
    kinds = [ctypes.c_void_p] * 4 + [WORD] * 2 + [ctypes.c_void_p] * len(extra)
    for name, first, last in product.phases:
        function = code.function(name, *kinds)
        for part in splits(first, last):
            function(*(x.ctypes.data for x in (a, b, c)), place, *part, *(x.ctypes.data for _, x in extra))
    assert np.all(scratch[place - scratch.ctypes.data + product.scratch :] == 0xFF)
    return c


def check(n, k, m, orders="NNN", dtype="float32", **given):
    a, b, c = inputs(n, k, m, orders, dtype)
    start = c.astype("float64") * given.get("accumulate", False)
    multiply(a, b, c, **given)
    exact = a.astype("float64") @ b.astype("float64") + start
    size = np.abs(a.astype("float64")) @ np.abs(b.astype("float64")) + np.abs(start)
    assert np.all(np.abs(c - exact) <= (k + 2) * np.finfo(dtype).eps * size)
    return c


SHAPES = [
    (1, 1, 1),
    (7, 5, 3),
    (32, 32, 10),
    (1, 64, 64),
    (64, 1, 64),
    (20, 1, 1),
    (1, 37, 1),
    (13, 17, 37),
    (70, 40, 50),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_equals_numpy_in_every_layout(shape):
    for number, orders in enumerate(ORDERS):
        check(*shape, orders, ["float32", "float64"][number % 2], accumulate=number in (1, 2, 5, 6))


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(*[st.integers(1, 70)] * 3),
    st.sampled_from(ORDERS),
    st.sampled_from(["float32", "float64"]),
    st.booleans(),
)
def test_equals_numpy_for_any_small_shape(shape, orders, dtype, accumulate):
    check(*shape, orders, dtype, accumulate=accumulate)


@pytest.mark.parametrize(
    ("shape", "orders"),
    [
        ((100, 784, 130), "NNN"),
        ((257, 300, 211), "TNN"),
        ((90, 700, 300), "NTN"),
        ((333, 600, 50), "NNT"),
        ((700, 520, 9), "TTN"),
    ],
)
def test_equals_numpy_for_large_shapes(shape, orders):
    check(*shape, orders)
    check(*shape, orders, accumulate=True)


@pytest.mark.parametrize("shape", [(5, 7, 9), (20, 300, 70), (1, 30, 20), (30, 20, 1), (1, 1, 9), (40, 3, 10)])
def test_strides_of_any_kind(shape):
    for steps in itertools.product([(1, 1), (2, 3), (3, 1)], repeat=3):
        plain = inputs(*shape, "NTN", "float64")
        places = [np.zeros((step[0] * x.shape[0], step[1] * x.shape[1])) for x, step in zip(plain, steps)]
        a, b, c = (place[:: step[0], :: step[1]] for place, step in zip(places, steps))
        a[...], b[...], c[...] = plain
        multiply(a, b, c, accumulate=True)
        np.testing.assert_allclose(c, plain[2] + plain[0] @ plain[1], rtol=1e-11, atol=1e-11)
        places[2][:: steps[2][0], :: steps[2][1]] = 0
        assert not places[2].any()


def test_a_factor_that_repeats_itself():
    a, b, c = (
        np.broadcast_to(np.arange(5.0), (9, 5)),
        np.broadcast_to(np.arange(5.0)[:, None], (5, 40)),
        np.ones((9, 40)),
    )
    assert np.array_equal(multiply(a, b, c), a @ b)


def test_arrays_without_elements():
    for shape in [(0, 3, 4), (3, 4, 0)]:
        check(*shape)
    for shape in [(3, 0, 4), (35, 0, 70)]:
        assert np.all(check(*shape) == 0)


@pytest.mark.parametrize("shape", [(32, 64, 32), (100, 300, 77), (20, 600, 400), (400, 20, 90), (1, 50, 200)])
@pytest.mark.parametrize("orders", ["NNN", "TTN", "NTT"])
def test_any_division_of_the_work_gives_the_same_bits(shape, orders):
    def in_thirds(first, last):
        cuts = [first + (last - first) * k // 3 for k in range(4)]
        return list(itertools.pairwise(cuts))

    expected = check(*shape, orders)
    for splits in (one_by_one, in_thirds):
        assert np.array_equal(check(*shape, orders, splits=splits), expected)


LESSER = {
    "sse2": replace(x86_64(level=1), triple=host().triple),
    "avx2": replace(x86_64("x86-64-v3", level=3), triple=host().triple),
    "many registers": replace(host(), vector_bytes=16, registers=32),
}


@pytest.mark.parametrize("machine", LESSER.values(), ids=LESSER)
def test_lesser_processors(machine):
    if machine.cpu != host().cpu and not (x86_64().triple[:6] == host().triple[:6] and host().vector_bytes >= 32):
        pytest.skip("this processor is no such one")
    for shape, orders in [((33, 20, 19), "NNN"), ((70, 300, 66), "TNN"), ((40, 70, 45), "NTN"), ((2, 30, 43), "NTN")]:
        check(*shape, orders, machine=machine)
        check(*shape, orders, "float64", machine=machine)


@pytest.mark.parametrize("machine", [x86_64(), x86_64("x86-64-v3", level=3), aarch64()], ids=["sse2", "avx2", "neon"])
def test_other_processors_get_code_of_their_own(machine: Machine):
    module = Module(machine.triple)
    for name, orders in (("f", "NNN"), ("g", "TTN")):
        a, b, c = inputs(40, 30, 21, orders, "float32")
        write_product(module, machine, name, 40, 30, 21, "float32", *map(strides, (a, b, c)))
    text = assembly(module.text(), machine)
    assert "f:" in text
    assert ("fmla" in text) if machine.triple.startswith("aarch64") else (("vfmadd" in text) == machine.fma)


def test_what_is_not_finite_reaches_exactly_its_sums():
    for shape, orders in [((30, 40, 50), "NNN"), ((300, 40, 150), "TTN"), ((1, 9, 21), "NTN")]:
        a, b, c = inputs(*shape, orders, "float32")
        a[-1, 3], b[2, -1] = np.nan, np.inf
        b[2, 0] = 0
        a[0, 2] = 0.0
        multiply(a, b, c)
        with np.errstate(invalid="ignore"):
            exact = a.astype("float64") @ b
        np.testing.assert_array_equal(np.isnan(c), np.isnan(exact))
        np.testing.assert_array_equal(np.isinf(c), np.isinf(exact))


class Guarded:
    """Memory of whole pages between two that may not be touched."""

    def __init__(self, size):
        page = mmap.PAGESIZE
        self.size = -(-size // page) * page
        self.map = mmap.mmap(-1, self.size + 2 * page)
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self.map)) + page
        for wall in (self.start - page, self.start + self.size):
            assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(wall), ctypes.c_size_t(page), 0) == 0

    def array(self, like, at_end):
        """A copy of an array with the same layout, against one of the walls."""
        where = self.start + (self.size - like.nbytes if at_end else 0)
        flat = np.frombuffer((ctypes.c_char * like.nbytes).from_address(where), like.dtype)
        made = flat.reshape(like.shape) if like.flags.c_contiguous else flat.reshape(like.shape[::-1]).T
        made[...] = like
        return made


@pytest.mark.skipif(sys.platform == "win32", reason="needs mprotect")
@pytest.mark.parametrize("shape", [(5, 7, 9), (33, 13, 30), (40, 70, 101), (1, 19, 23), (67, 300, 130)])
def test_nothing_beyond_the_arrays_is_touched(shape):
    for orders, at_end in itertools.product(ORDERS[::3] + ["NTN"], (True, False)):
        plain = inputs(*shape, orders, "float32")
        memory = [Guarded(x.nbytes) for x in plain]
        a, b, c = (place.array(x, at_end) for place, x in zip(memory, plain))
        assert np.array_equal(multiply(a, b, c), multiply(*plain))


def test_a_part_of_a_larger_array_leaves_the_rest_alone():
    for shape, orders in [((5, 7, 9), "NNN"), ((40, 300, 70), "TTT"), ((70, 300, 140), "NTN")]:
        plain = inputs(*shape, orders, "float32")
        parts = []
        for x in plain:
            around = np.full((x.shape[0] + 8, x.shape[1] + 8), np.nan, "float32")
            if not x.flags.c_contiguous:
                around = np.asfortranarray(around)
            around[3:-5, 3:-5] = x
            parts.append(around)
        a, b, c = (x[3:-5, 3:-5] for x in parts)
        multiply(a, b, c)
        assert np.array_equal(c, multiply(*plain))
        c[...] = np.nan
        assert np.isnan(parts[2]).all()


@pytest.mark.parametrize("shape", [(32, 64, 32), (13, 5, 37), (100, 700, 130), (1, 30, 40), (40, 30, 1)])
@pytest.mark.parametrize("order", ["N", "T"])
def test_an_epilogue_sees_each_finished_vector_once(shape, order):
    n, _, m = shape
    a, b, c = inputs(*shape, "NN" + order, "float32")
    bias = np.arange(m, dtype="float32")
    seen = laid_out(np.zeros((n, m), "float32"), order)
    along = lane_axis(n, m, strides(c))

    def epilogue(f, value, row, column, mask):
        lanes = 1 if value.type == "float" else int(value.type[1:].split(" ")[0])
        place = f.offset(f.argument("bias"), column, "float")
        if along == 0:
            added = f.splat(f.load(place, "float"), lanes)
        else:
            added = f.load(place, value.type) if mask is None else f.masked_load(place, value.type, mask)
        made = f.add(value, added)
        steps = [f.mul(x, f.integer(s)) for x, s in zip((row, column), strides(seen))]
        there = f.offset(f.argument("seen"), f.add(*steps), "float")
        before = f.load(there, value.type) if mask is None else f.masked_load(there, value.type, mask)
        made = f.add(made, before)
        if mask is None:
            f.store(made, there)
        else:
            f.masked_store(made, there, mask)
        return

    multiply(a, b, c, epilogue=epilogue, extra=[("bias", bias), ("seen", seen)])
    expected = multiply(a, b, np.zeros_like(c)) + bias
    assert np.array_equal(seen, expected)
    doubled = multiply(a, b, np.zeros_like(c), epilogue=lambda f, value, row, column, mask: f.add(value, value))
    assert np.array_equal(doubled, 2 * multiply(a, b, np.zeros_like(c)))
