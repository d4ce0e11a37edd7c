"""Compiled convolution and pooling equal the interpreted ones, and run as loops."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import koubai as kb
from koubai.ops.conv import convolution, convolution_input, convolution_weight

DTYPES = [np.float32, np.float64]


def close(found: Any, wanted: Any) -> None:
    assert np.shape(found) == wanted.shape
    assert found.dtype == wanted.dtype
    # Sums of up to some thousand terms of about 1, in another order.
    tolerance = 2e-4 if wanted.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


def same(f: Any, *xs: Any) -> None:
    """What `f` returns compiled, without a callback, and interpreted."""
    compiled = kb.compile(f)
    found, wanted = compiled(*xs), f(*xs)
    assert "callback" not in compiled.loops()
    for a, b in zip(found, wanted, strict=True):
        close(a, np.asarray(b))


@st.composite
def problems(draw: Any, most_axes: int = 2) -> tuple[Any, Any, dict[str, Any]]:
    """An image, a kernel and settings that fit."""
    n = draw(st.integers(1, most_axes))
    several = lambda low, high: draw(st.lists(st.integers(low, high), min_size=n, max_size=n))
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    examples = draw(st.one_of(st.integers(1, 5), st.integers(16, 40)))
    inputs, outputs = draw(st.integers(1, 4)), draw(st.integers(1, 7))
    kernel, stride, dilation = several(1, 4), several(1, 3), several(1, 3)
    padding = tuple(zip(several(0, 3), several(0, 3)))
    room = [d * (k - 1) + 1 - sum(p) for k, d, p in zip(kernel, dilation, padding)]
    lengths = [max(1, r) + extra for r, extra in zip(room, several(0, 9))]
    if draw(st.booleans()):
        lengths[-1] += 15
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    dtype = draw(st.sampled_from(DTYPES))
    x = rng.normal(size=(examples, groups * inputs, *lengths)).astype(dtype)
    w = rng.normal(size=(groups * outputs, inputs, *kernel)).astype(dtype)
    return x, w, {"stride": tuple(stride), "padding": padding, "dilation": tuple(dilation), "groups": groups}


@given(problems())
@settings(max_examples=60, deadline=None)
def test_a_convolution_and_its_gradients(problem: Any) -> None:
    x, w, how = problem
    g = np.random.default_rng(1).normal(size=convolution(x, w, **how).shape).astype(x.dtype)

    def all_three(x: Any, w: Any, g: Any) -> Any:
        image = convolution_input(g, w, spatial=x.shape[2:], **how)
        return convolution(x, w, **how), image, convolution_weight(x, g, kernel=w.shape[2:], **how)

    same(all_three, x, w, g)


@given(problems())
@settings(max_examples=30, deadline=None)
def test_inside_of_a_computation(problem: Any) -> None:
    """Where no array comes from outside, and each may lie as it suits the loops."""
    x, w, how = problem
    loss = lambda x, w: kb.numpy.sum(kb.numpy.tanh(convolution(kb.numpy.sin(x), w * 0.5, **how)) ** 2)
    gradient = kb.grad(loss, argnums=(0, 1))
    same(gradient, x, w)
