"""Initializers."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import koubai as kb
from koubai.nn import init
from koubai.ops.random import key_of

KEY = key_of(0, "w")


def draw(initializer, *shape: int, dtype=np.float64):  # type: ignore[no-untyped-def]
    return initializer(KEY, shape, np.dtype(dtype))


@pytest.mark.parametrize(
    ("initializer", "std"),
    [
        (init.normal(1.0, 0.5), 0.5),
        (init.uniform(-1.0, 3.0), 4 / np.sqrt(12)),
        (init.xavier_uniform(), np.sqrt(2 / 500)),
        (init.xavier_normal(3.0), 3 * np.sqrt(2 / 500)),
        (init.kaiming_uniform(), np.sqrt(2 / 200)),
        (init.kaiming_normal(mode="fan_out"), np.sqrt(2 / 300)),
        (init.kaiming_normal(1.0), np.sqrt(1 / 200)),
        (init.kaiming_uniform(nonlinearity="tanh"), 5 / 3 / np.sqrt(200)),
        (init.lecun_uniform(), np.sqrt(1 / 200)),
        (init.lecun_normal(in_axis=1, out_axis=0), np.sqrt(1 / 300)),
        (init.truncated_normal(0.0, 2.0, -2.0, 2.0), 2 * 0.5396),  # published: var of N(0, 1) on [-1, 1] is 0.2911
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_standard_deviations(initializer, std, dtype) -> None:  # type: ignore[no-untyped-def]
    values = draw(initializer, 200, 300, dtype=dtype)
    assert values.dtype == dtype
    assert abs(values.std() / std - 1) < 0.01


def test_bounds() -> None:
    bound = np.sqrt(6 / (200 + 300))
    values = draw(init.xavier_uniform(), 200, 300)
    assert 0.999 * bound < np.abs(values).max() <= bound
    values = draw(init.truncated_normal(0.5, 1.0, 0.0, 0.75), 100, 100)
    assert values.min() >= 0
    assert values.max() <= 0.75


def test_kernels_count_in_both_fans() -> None:
    values = draw(init.kaiming_normal(in_axis=1, out_axis=0), 40, 30, 5, 5)
    assert abs(values.std() / np.sqrt(2 / (30 * 25)) - 1) < 0.02


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (3, 2, 2)])
def test_orthogonal(shape) -> None:  # type: ignore[no-untyped-def]
    w = draw(init.orthogonal(2.0), *shape).reshape(shape[0], -1)
    small = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-12)


def test_constants_and_patterns() -> None:
    assert draw(init.zeros(), 2, 3).tolist() == [[0, 0, 0]] * 2
    assert draw(init.ones(), 2).tolist() == [1, 1]
    assert draw(init.constant(2.5), dtype=np.float32).item() == 2.5
    assert draw(init.identity(3.0), 2, 3).tolist() == [[3, 0, 0], [0, 3, 0]]
    values = draw(init.sparse(0.25, 1.0), 10, 50)
    assert (np.count_nonzero(values == 0, axis=0) == 3).all()
    assert len({tuple(column) for column in (values == 0).T}) > 10


def test_gains() -> None:
    assert init.gain("relu") == np.sqrt(2)
    assert init.gain("leaky_relu", 0.2) == np.sqrt(2 / 1.04)
    assert init.gain("tanh") == 5 / 3


def test_initializers_can_be_pickled_and_given_to_layers() -> None:
    layer = kb.nn.Linear(3, 2, weight_init=init.orthogonal(), bias_init=init.constant(0.5))
    assert layer.bias.numpy().tolist() == [0.5, 0.5]
    twin = pickle.loads(pickle.dumps(layer)).init(4)
    np.testing.assert_array_equal(twin.weight.numpy(), layer.init(4).weight.numpy())
    own = kb.nn.Parameter(shape=(2,), initializer=lambda key, shape, dtype: np.arange(3))
    with pytest.raises(kb.ShapeError, match=r"returned shape \(3,\), expected \(2,\)"):
        own.numpy()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: init.gain("cube"), "unknown nonlinearity 'cube'; choose one of identity"),
        (lambda: draw(init.xavier_normal(), 3), "at least two axes"),
        (lambda: draw(init.orthogonal(), 3), "at least two axes"),
        (lambda: draw(init.identity(), 3), "matrix"),
        (lambda: draw(init.sparse(0.5), 3), "matrix"),
        (lambda: init.sparse(1.5), "from 0 to 1"),
        (lambda: init.uniform(1, 0), "low <= high"),
        (lambda: init.normal(0, -1), "not negative"),
        (lambda: init.truncated_normal(0, 1, 9, 10), "4 standard deviations"),
        (lambda: init.kaiming_normal(mode="fan"), "mode 'fan_in', 'fan_out' or 'fan_avg', got 'fan'"),
    ],
)
def test_refusals(call, says) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(kb.KoubaiError, match=says):
        call()
