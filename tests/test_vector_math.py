"""The vector functions keep the bounds in their records, on every kind of processor."""

from pathlib import Path

import numpy as np
import pytest

from koubai.compile.llvm.engine import assembly
from koubai.compile.llvm.machine import aarch64, host, x86_64
from koubai.compile.math import functions
from vector_math_cases import CASES, Compiled, emitted, errors, exact, points

BOTH = [(name, dtype) for name in functions for dtype in ("float32", "float64")]
DOCUMENT = Path(__file__).parents[1] / "docs" / "vector_math.md"
EXTENDED = np.finfo(np.longdouble).nmant >= 63
X86 = host().triple.startswith("x86_64")


def bound(name, dtype):
    return functions[name].ulp32 if dtype == "float32" else functions[name].ulp64


def check(name, dtype, count, **where):
    if dtype == "float64" and not EXTENDED:
        pytest.skip("needs a long double with 64 bits")
    xs = points(name, dtype, count)
    y = Compiled(name, dtype, **where)(*xs)
    off = errors(y, exact(name, *xs))
    k = np.argmax(off)
    assert off[k] <= bound(name, dtype), f"{name}{tuple(float(x[k]) for x in xs)} = {y[k]} is {off[k]:.2f} ulp off"


@pytest.mark.parametrize(("name", "dtype"), BOTH)
def test_errors_stay_below_the_bound(name, dtype):
    check(name, dtype, 2**20 if dtype == "float32" else 2**16)


@pytest.mark.skipif(not X86, reason="an x86-64 processor")
@pytest.mark.parametrize(("name", "dtype"), BOTH)
def test_errors_stay_below_the_bound_on_the_oldest_processor(name, dtype):
    """Vectors of 16 bytes, no fused multiply-add."""
    machine = x86_64()
    check(name, dtype, 2**15, lanes=machine.lanes(np.dtype(dtype).itemsize), machine=machine)


@pytest.mark.parametrize(("name", "dtype"), BOTH)
def test_lanes_do_not_change_the_bits(name, dtype):
    xs = points(name, dtype, 2**12)
    wide = Compiled(name, dtype)(*xs)
    for lanes in (1, 4):
        np.testing.assert_array_equal(Compiled(name, dtype, lanes)(*xs), wide)


@pytest.mark.parametrize("machine", [x86_64(), x86_64("x86-64-v3", level=3), aarch64()], ids=lambda m: m.cpu)
def test_code_is_made_for_every_processor_without_calling_a_library(machine):
    for name, dtype in BOTH:
        text = assembly(emitted(name, dtype, machine.lanes(np.dtype(dtype).itemsize), machine), machine)
        lines = [line.split() for line in text.splitlines() if len(line.split()) > 1 or line.endswith(":")]
        labels = {words[0].rstrip(":") for words in lines}
        # Called by name, or by an address put into a register before.
        called = {words[1] for words in lines if words[0] in ("call", "callq", "bl")}
        called |= {words[1].strip("$,") for words in lines if words[0] == "movabsq" and words[1][1].isalpha()}
        assert {one.removesuffix("@PLT") for one in called if one[0] != "*"} <= labels, (name, dtype)


def test_every_function_has_a_case():
    assert CASES.keys() == functions.keys()


@pytest.mark.skipif(not EXTENDED, reason="needs a long double with 64 bits")
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_angles_next_to_right_angles_lose_nothing(name):
    """The remainders are tiny there; 6381956970095103 2^797 is the float64 next to a multiple of pi/2."""
    right_angle = np.longdouble(np.pi / 2) + np.longdouble(6.123233995736766e-17)
    near = (np.arange(1, 2**20, 61) * right_angle).astype(np.float64)
    x = np.concatenate([near, [6381956970095103 * 2.0**797, 1e22, 2.0**1023]])
    for dtype in ("float32", "float64"):
        angles = x[np.abs(x) < np.finfo(dtype).max].astype(dtype)
        assert errors(Compiled(name, dtype)(angles), exact(name, angles)).max() <= bound(name, dtype)


def test_the_document_shows_the_bounds_and_no_larger_error():
    rows = {}
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            name, dtype, *numbers = (cell.strip(" `") for cell in line.split("|")[1:6])
            rows[name, dtype] = [float(x) for x in numbers]
    assert rows.keys() == set(BOTH)
    for key, (stated, *measured) in rows.items():
        assert stated == bound(*key)
        assert max(measured) <= stated
