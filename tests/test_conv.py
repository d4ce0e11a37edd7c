"""Convolution: PyTorch as the oracle on random settings, derivatives to second order, batching, memory, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import koubai as kb
from koubai.ops import conv
from koubai.ops.conv import convolution, convolution_input, convolution_weight


def plain(n: int, **others: Any) -> dict[str, Any]:
    return {"stride": (1,) * n, "padding": ((0, 0),) * n, "dilation": (1,) * n, "groups": 1, **others}


def by_definition(x: Any, w: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """The sum written out, one window at a time."""
    x = np.pad(x, ((0, 0), (0, 0), *padding))
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, w.shape[2:])]
    count = [(n - r) // s + 1 for n, r, s in zip(x.shape[2:], reach, stride)]
    y = np.zeros((len(x), len(w), *count), np.result_type(x, w))
    per, inputs = len(w) // groups, w.shape[1]
    for o in range(len(w)):
        first = o // per * inputs
        for p in np.ndindex(*count):
            where = tuple(slice(i * s, i * s + r, d) for i, s, r, d in zip(p, stride, reach, dilation))
            window = x[(slice(None), slice(first, first + inputs), *where)]
            y[(slice(None), o, *p)] = (window * w[o]).sum(axis=tuple(range(1, x.ndim)))
    return y


@st.composite
def problems(draw: Any, most_axes: int = 3) -> tuple[Any, Any, dict[str, Any]]:
    """An image, a kernel and settings that fit."""
    n = draw(st.integers(1, most_axes))
    small = lambda low, high: draw(st.lists(st.integers(low, high), min_size=n, max_size=n))
    groups, examples = draw(st.integers(1, 3)), draw(st.integers(0, 3))
    inputs, outputs = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    kernel, stride, dilation = small(1, 3), small(1, 3), small(1, 2)
    padding = tuple(zip(small(0, 2), small(0, 2)))
    room = [d * (k - 1) + 1 - sum(p) for k, d, p in zip(kernel, dilation, padding)]
    lengths = [max(1, r) + extra for r, extra in zip(room, small(0, 3))]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    x = rng.normal(size=(examples, groups * inputs, *lengths)).astype(dtype)
    w = rng.normal(size=(groups * outputs, inputs, *kernel)).astype(dtype)
    return x, w, {"stride": tuple(stride), "padding": padding, "dilation": tuple(dilation), "groups": groups}


def close(found: Any, expected: Any) -> None:
    assert found.dtype == expected.dtype
    tolerance = 1e-4 if found.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@given(problems(2))
@settings(max_examples=40, deadline=None)
def test_the_sum_by_its_definition(problem: Any) -> None:
    x, w, how = problem
    close(convolution(x, w, **how), by_definition(x, w, **how))


@given(problems())
@settings(max_examples=50, deadline=None)
def test_values_and_both_gradients_are_pytorchs(problem: Any) -> None:
    torch = pytest.importorskip("torch")
    x, w, how = problem
    y = convolution(x, w, **how)
    g = np.random.default_rng(0).normal(size=y.shape).astype(y.dtype)
    a, b = (torch.tensor(v, requires_grad=True) for v in (x, w))
    around = [n for pair in reversed(how["padding"]) for n in pair]  # PyTorch names the last axis first
    function = getattr(torch.nn.functional, f"conv{x.ndim - 2}d")
    wanted = function(torch.nn.functional.pad(a, around), b, None, how["stride"], 0, how["dilation"], how["groups"])
    wanted.backward(torch.tensor(g))
    close(y, wanted.detach().numpy())
    close(convolution_input(g, w, spatial=x.shape[2:], **how), a.grad.numpy())
    close(convolution_weight(x, g, kernel=w.shape[2:], **how), b.grad.numpy())


@pytest.mark.parametrize("how", [
    plain(2), plain(2, stride=(2, 1), padding=((1, 0), (2, 1))), plain(2, dilation=(2, 1), groups=2),
])  # fmt: skip
def test_derivatives_of_both_orders(how: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 2, 4, 5)), rng.normal(size=(2, 2 // how["groups"], 2, 3))
    f = lambda x, w: kb.numpy.sum(kb.numpy.sin(convolution(x, w, **how)) ** 2)
    kb.check_grads(f, x, w, order=2)


def test_second_derivatives_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 2, 4)), rng.normal(size=(3, 2, 2))
    found = kb.hessian(lambda w: (convolution(x, w, **plain(1)) ** 3).sum())(w)
    wanted = torch.autograd.functional.hessian(
        lambda w: (torch.nn.functional.conv1d(torch.tensor(x), w) ** 3).sum(), torch.tensor(w)
    )
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-10, atol=1e-10)


def test_gradients_of_single_examples() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(3, 2, 5, 5)), rng.normal(size=(2, 2, 3, 3))
    loss = lambda w, x: (convolution(x[None], w, **plain(2)) ** 2).sum()
    each = kb.vmap(kb.grad(loss), in_axes=(None, 0))(w, x)
    for k in range(3):
        np.testing.assert_allclose(each[k], kb.grad(loss)(w, x[k]), rtol=1e-12)


@given(problems(2))
@settings(max_examples=30, deadline=None)
def test_few_examples_at_a_time_or_all_at_once(problem: Any) -> None:
    x, w, how = problem
    x = np.concatenate([x, x, x])
    y = convolution(x, w, **how)
    ops = {
        convolution: ((x, w), {}),
        convolution_input: ((y, w), {"spatial": x.shape[2:]}),
        convolution_weight: ((x, y), {"kernel": w.shape[2:]}),
    }
    for op, (args, more) in ops.items():
        at_once = op(*args, **how, **more)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(conv, "AT_A_TIME", 1)
            close(op(*args, **how, **more), at_once)


def test_the_examples_may_stand_inside_or_outside() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(3, 2, 4, 5)), rng.normal(size=(3, 2, 3, 3))
    how = plain(2, padding=((1, 1), (1, 1)), stride=(1, 2))
    ways = {}
    for length in (1, 100):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(conv, "SHORT", length)
            conv._layout.cache_clear()
            y = convolution(x, w, **how)
            assert conv._layout("", x.shape, w.shape, **how).last == (length == 100)
            back = convolution_input(y, w, spatial=(4, 5), **how), convolution_weight(x, y, kernel=(3, 3), **how)
            ways[length] = y, *back
    conv._layout.cache_clear()
    for a, b in zip(ways[1], ways[100]):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_strided_and_reversed_images() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(4, 6, 5, 8)), rng.normal(size=(2, 3, 2, 2))
    for view, kernel in ((x[::2, ::-2, :, ::2], w), (x[::-1, :3].swapaxes(2, 3), w[:, ::-1, ::-1])):
        np.testing.assert_array_equal(convolution(view, kernel, **plain(2)),
                                      convolution(view.copy(), kernel.copy(), **plain(2)))  # fmt: skip


def test_a_kernel_larger_than_the_padded_image_is_refused_in_words() -> None:
    x, w = np.zeros((1, 1, 4, 3)), np.zeros((1, 1, 3, 3))
    words = r"along axis 3 the kernel covers 5 elements \(kernel 3, dilation 2\), but an input of shape " \
            r"\(1, 1, 4, 3\) has only 4 with padding \(1, 0\)"  # fmt: skip
    how = plain(2, padding=((1, 0), (1, 0)), dilation=(2, 2))
    for image in (x, kb.tensor(x)):
        with pytest.raises(kb.ShapeError, match=words):
            convolution(image, w, **how)
