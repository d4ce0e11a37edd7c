"""Compiled convolution and pooling equal the interpreted ones, and run as loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import koubai as kb
from koubai.compile import Program, simplify
from koubai.compile.nest import Nest
from koubai.graph import Type, placeholder
from koubai.ops.conv import convolution, convolution_input, convolution_weight
from koubai.ops.pool import avg_pool, avg_pool_spread, max_pool, max_pool_gather, max_pool_spread
from koubai.tensor import Tensor

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


def all_three(how: dict[str, Any]) -> Any:
    def f(x: Any, w: Any, g: Any) -> Any:
        image = convolution_input(g, w, spatial=x.shape[2:], **how)
        return convolution(x, w, **how), image, convolution_weight(x, g, kernel=w.shape[2:], **how)

    return f


PLAIN = {"padding": ((0, 0), (0, 0)), "stride": (1, 1), "dilation": (1, 1), "groups": 1}


def gradient(x: Any, w: Any, how: dict[str, Any]) -> Any:
    y = convolution(x, w, **how)
    return np.random.default_rng(1).normal(size=y.shape).astype(y.dtype)


@given(problems())
@settings(max_examples=25, deadline=None)
def test_a_convolution_and_its_gradients(problem: Any) -> None:
    x, w, how = problem
    same(all_three(how), x, w, gradient(x, w, how))


# More weights than stay in the first cache; examples, or neighbours, that do not fill their last vector; three axes.
@pytest.mark.parametrize(("x", "w", "how"), [
    ((18, 42, 5, 11), (13, 42, 5, 5), {"padding": ((2, 2), (2, 2)), "stride": (1, 1), "dilation": (1, 1), "groups": 1}),
    ((2, 42, 5, 19), (13, 42, 5, 5), {"padding": ((2, 2), (0, 3)), "stride": (2, 2), "dilation": (1, 1), "groups": 1}),
    ((3, 160, 40), (34, 80, 5), {"padding": ((1, 2),), "stride": (1,), "dilation": (2,), "groups": 2}),
    ((16, 2, 3, 4, 5), (3, 2, 2, 2, 2),
     {"padding": ((0, 1), (1, 0), (0, 0)), "stride": (1, 2, 1), "dilation": (1, 1, 2), "groups": 1}),
])  # fmt: skip
@pytest.mark.parametrize("dtype", DTYPES)
def test_blocks_and_remainders(x: Any, w: Any, how: dict[str, Any], dtype: Any) -> None:
    rng = np.random.default_rng(0)
    x, w = (rng.normal(size=shape).astype(dtype) for shape in (x, w))
    same(all_three(how), x, w, gradient(x, w, how))


def bits_with_threads(f: Any, *xs: Any) -> None:
    """The same bits for any number of threads, and what is interpreted."""
    compiled, before = kb.compile(f), kb.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            kb.set_num_threads(threads)
            found.append(compiled(*xs))
    finally:
        kb.set_num_threads(before)
    for others in found:
        for a, b, c in zip(found[0], others, f(*xs), strict=True):
            np.testing.assert_array_equal(a, b)
            close(b, np.asarray(c))


@pytest.mark.parametrize("examples", [3, 20])
def test_the_same_bits_for_any_number_of_threads(examples: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(examples, 5, 20, 18)).astype(np.float32)
    w = rng.normal(size=(11, 5, 3, 3)).astype(np.float32)
    how = {**PLAIN, "padding": ((1, 1), (1, 1))}
    bits_with_threads(all_three(how), x, w, gradient(x, w, how))


@pytest.mark.parametrize("examples", [1, 3, 32])
def test_windows_that_overlap(examples: int) -> None:
    """Each place receives from several windows, whichever thread computes them."""
    x = np.random.default_rng(0).integers(0, 5, (examples, 1, 64, 65)).astype(np.float32)
    how = {"kernel": (3, 2), "stride": (1, 1), "padding": ((0, 0), (1, 0))}
    f = lambda x: (kb.grad(lambda x: (max_pool(x, **how) * avg_pool(x, **how)).sum())(kb.numpy.sqrt(x)),)
    bits_with_threads(f, x)


def test_threads_do_not_share_places_to_which_several_windows_add() -> None:
    g = placeholder(Type((32, 1, 64, 63), np.dtype(np.float32)), Tensor)
    x = np.zeros((32, 1, 65, 64), np.float32)
    spread = lambda g: avg_pool_spread(g, lengths=(65, 64), kernel=(2, 2), stride=(1, 1), padding=((0, 0), (0, 0)))
    image = convolution(spread(g), np.ones((1, 1, 1, 1), np.float32), **PLAIN)
    nests = Program([g], simplify([image + x], {g: g})).source.nests
    assert [nest.unit for nest in nests if isinstance(nest, Nest) and any(store.add for store in nest.stores)] == [True]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.uint64])
@pytest.mark.parametrize(("shape", "axes"), [
    ((40, 37), (1, 0)), ((16, 64), (1, 0)), ((9, 130, 3), (2, 1, 0)), ((35, 2, 3, 11), (1, 2, 3, 0)),
    ((2, 8, 3, 17), (0, 3, 2, 1)),
])  # fmt: skip
def test_copies_that_lie_the_other_way(shape: Any, axes: Any, dtype: Any) -> None:
    x = np.random.default_rng(0).integers(0, 1000, shape).astype(dtype)
    f = kb.compile(lambda x: x.transpose(axes))
    np.testing.assert_array_equal(f(x), x.transpose(axes))


def test_arrays_that_lie_elsewise() -> None:
    """Turned and skipping arrays from outside, and axes exchanged within the computation."""
    rng = np.random.default_rng(0)
    how = {"padding": ((1, 0), (0, 1)), "stride": (1, 1), "dilation": (1, 1), "groups": 1}
    for examples in (2, 17):
        x = rng.normal(size=(7, 6, 3, 2 * examples)).T[::2]
        w = rng.normal(size=(3, 2, 4, 3))[:, ::-1].transpose(2, 0, 1, 3)
        same(all_three(how), x, w, gradient(x, w, how))

        def turned(x: Any, w: Any) -> Any:
            y = convolution(x.transpose((0, 1, 3, 2)), w[:, :, ::-1], **how)
            rows = y.reshape((-1, y.shape[3]))  # through the axis of the examples
            return kb.numpy.sum(y.transpose((3, 1, 2, 0)) ** 2) + kb.numpy.sum(rows @ kb.numpy.cos(rows.T))

        same(kb.grad(turned, argnums=(0, 1)), np.ascontiguousarray(x), w)


@given(problems())
@settings(max_examples=12, deadline=None)
def test_inside_of_a_computation(problem: Any) -> None:
    """Where no array comes from outside, and each may lie as it suits the loops."""
    x, w, how = problem
    loss = lambda x, w: kb.numpy.sum(kb.numpy.tanh(convolution(kb.numpy.sin(x), w * 0.5, **how)) ** 2)
    gradient = kb.grad(loss, argnums=(0, 1))
    same(gradient, x, w)


@st.composite
def pooled(draw: Any) -> tuple[Any, dict[str, Any]]:
    """An array with equal elements, infinities and sometimes NaN among them, and settings that fit."""
    n = draw(st.integers(1, 2))
    kernel = tuple(draw(st.integers(1, 3)) for _ in range(n))
    stride = kernel if draw(st.booleans()) else tuple(draw(st.integers(1, 4)) for _ in range(n))
    padding = ((0, 0),) * n
    if draw(st.booleans()):
        padding = tuple((draw(st.integers(0, k - 1)), draw(st.integers(0, k - 1))) for k in kernel)
    room = [max(1, k - sum(pair)) for k, pair in zip(kernel, padding)]
    lead = (draw(st.one_of(st.integers(1, 4), st.integers(16, 40))), draw(st.integers(1, 3)))
    lengths = [r + draw(st.integers(0, 3)) * s + draw(st.integers(0, 1)) for r, s in zip(room, stride)]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    values = [-1.0, 0.0, 1.0, 2.0, 3.0, -np.inf, np.nan]
    dtype = draw(st.sampled_from(DTYPES))
    x = rng.choice(values, (*lead, *lengths), p=[0.2, 0.2, 0.2, 0.2, 0.18, 0.01, 0.01]).astype(dtype)
    return x, {"kernel": kernel, "stride": stride, "padding": padding}


@given(pooled())
@settings(max_examples=20, deadline=None)
def test_pooling_and_its_gradients(problem: Any) -> None:
    x, how = problem
    rng = np.random.default_rng(1)
    g = rng.normal(size=max_pool(x, **how).shape).astype(x.dtype)
    t = rng.normal(size=x.shape).astype(x.dtype)
    lengths = x.shape[x.ndim - len(how["kernel"]) :]

    def all_five(x: Any, g: Any, t: Any) -> Any:
        shares = avg_pool_spread(g, lengths=lengths, **how)
        return (
            max_pool(x, **how), max_pool_spread(g, x, **how), max_pool_gather(t, x, **how), avg_pool(x, **how), shares
        )  # fmt: skip

    same(all_five, x, g, t)


@given(pooled())
@settings(max_examples=8, deadline=None)
def test_pooling_of_what_a_convolution_left(problem: Any) -> None:
    x, how = problem
    x = np.nan_to_num(x, neginf=-5.0)
    w = np.random.default_rng(2).normal(size=(2, x.shape[1], *(1,) * (x.ndim - 2))).astype(x.dtype)
    n = x.ndim - 2
    settings = {"stride": (1,) * n, "padding": ((0, 0),) * n, "dilation": (1,) * n, "groups": 1}

    def loss(x: Any, w: Any) -> Any:
        y = kb.nn.relu(convolution(x, w, **settings) + x.dtype.type(0.25))
        return kb.numpy.sum(max_pool(y, **how) ** 2) + kb.numpy.sum(avg_pool(y, **how) ** 2)

    same(kb.grad(loss, argnums=(0, 1)), x, w)


def lenet() -> Any:
    nn = kb.nn
    return nn.Sequential(
        nn.Conv2d(1, 3, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(16, 10),
    )  # fmt: skip


@pytest.mark.parametrize("batch", [5, 24])
def test_training_a_small_network_of_images(batch: int) -> None:
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(60, 1, 12, 12)), rng.integers(0, 10, 60)
    models = []
    for compile in (False, True):
        model = lenet()
        model.init(0)
        kb.fit(model, (x, t), loss="cross_entropy", optimizer="adam", epochs=20, batch_size=batch, compile=compile)
        models.append(model)
    for (name, a), (_, b) in zip(*(model.named_parameters() for model in models)):
        np.testing.assert_allclose(a.value, b.value, rtol=2e-3, atol=2e-4, err_msg=name)
