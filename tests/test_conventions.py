"""The table of docs/conventions.md, row by row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as onp
import pytest
from numpy.testing import assert_array_equal

import koubai as kb
import koubai.numpy as np

DOCUMENT = Path(__file__).parents[1] / "docs" / "conventions.md"


def slopes(f: Callable[..., Any], *xs: Any) -> Any:
    """The gradient by reverse mode, after a check that forward mode says the same."""
    args = [onp.asarray(x, float)[()] for x in xs]
    found = kb.grad(f, tuple(range(len(args))))(*args)
    for k, x in enumerate(args):
        basis = onp.eye(x.size).reshape(x.size, *x.shape)
        pushed = [kb.jvp(lambda v, k=k: f(*args[:k], v, *args[k + 1 :]), (x,), (e[()],))[1] for e in basis]
        assert_array_equal(onp.reshape(pushed, x.shape), found[k])
    return found if len(found) > 1 else found[0]


@pytest.mark.parametrize("f", [np.max, np.amax, lambda x: -np.min(-x), lambda x: -np.amin(-x)])
def test_ties_in_a_reduction_share(f: Any) -> None:
    x = [1.0, 3.0, 3.0]
    assert_array_equal(slopes(f, x), [0, 0.5, 0.5])
    assert_array_equal(kb.hessian(lambda x: f(x) ** 2)(onp.array(x)), [[0, 0, 0], [0, 0.5, 0.5], [0, 0.5, 0.5]])


@pytest.mark.parametrize("f", [np.max, np.min])
def test_a_nan_takes_the_gradient_of_an_extremum(f: Any) -> None:
    assert_array_equal(slopes(f, [1.0, onp.nan, 3.0]), [0, 1, 0])


def test_ties_in_a_window_share() -> None:
    x = onp.array([3.0, 3.0, 1.0, 3.0, 2.0])
    pooled = lambda x: kb.nn.max_pool1d(x, 3, stride=2)
    assert_array_equal(slopes(lambda x: pooled(x).sum(), x), [0.5, 0.5, 0, 1, 0])
    halves = onp.zeros((5, 5))
    halves[:2, :2], halves[3, 3] = 0.5, 2
    assert_array_equal(kb.hessian(lambda x: (pooled(x) ** 2).sum())(x), halves)
    square = onp.array([[1.0, 4.0], [4.0, 4.0]])
    assert_array_equal(slopes(lambda x: kb.nn.max_pool2d(x, 2).sum(), square), onp.array([[0, 1], [1, 1]]) / 3)


def test_nan_and_padding_in_a_window() -> None:
    pooled = lambda x: kb.nn.max_pool1d(x, 3, padding=1).sum()
    assert_array_equal(slopes(pooled, [onp.nan, onp.nan, 1.0, 2.0]), [0.5, 0.5, 0, 1])
    assert_array_equal(slopes(pooled, [-onp.inf, -onp.inf, 1.0, 2.0]), [0.5, 0.5, 0, 1])


def test_ptp_of_equal_elements() -> None:
    assert_array_equal(slopes(np.ptp, [2.0, 2.0]), [0, 0])


@pytest.mark.parametrize("f", [np.maximum, np.minimum, np.fmax, np.fmin])
def test_ties_of_two_share(f: Any) -> None:
    assert slopes(f, 2.0, 2.0) == (0.5, 0.5)
    assert slopes(lambda x: f(x, 0.0), 0.0) == 0.5


def test_relu() -> None:
    assert slopes(kb.nn.relu, 0.0) == 0.0


def test_absolute_value() -> None:
    assert slopes(np.abs, 0.0) == 0.0
    assert kb.grad(kb.grad(np.abs))(0.0) == 0.0
    assert kb.vjp(np.abs, 0j)[1](1.0)[0] == 0


def test_sign() -> None:
    assert slopes(np.sign, 0.0) == 0.0
    assert slopes(np.sign, 2.0) == 0.0


def test_clip_passes_on_its_bounds() -> None:
    assert [slopes(lambda x: np.clip(x, -1.0, 1.0), v) for v in (-1.1, -1.0, 0.0, 1.0, 1.1)] == [0, 1, 1, 1, 0]
    assert slopes(lambda x: np.clip(x, -1.0, None), -1.0) == 1.0


@pytest.mark.parametrize("how", [{"kind": "stable"}, {"stable": True}])
def test_stable_sorting_keeps_the_order_of_equal_elements(how: dict[str, Any]) -> None:
    weights = onp.arange(60.0)
    x = onp.tile([2.0, 1.0, 3.0], 20)
    expected = onp.empty(60)
    expected[onp.argsort(x, kind="stable")] = weights
    assert_array_equal(slopes(lambda x: (np.sort(x, **how) * weights).sum(), x), expected)


def test_sorting_gives_each_of_equal_elements_one_place() -> None:
    weights = onp.array([1.0, 2.0, 3.0])
    assert_array_equal(onp.sort(slopes(lambda x: (np.sort(x) * weights).sum(), [2.0, 2.0, 1.0])), [1, 2, 3])
    assert_array_equal(slopes(np.median, [1.0, 2.0, 2.0, 3.0]), [0, 0.5, 0.5, 0])


def test_product_with_zeros() -> None:
    assert_array_equal(slopes(np.prod, [2.0, 0.0, 3.0]), [0, 6, 0])
    assert_array_equal(slopes(np.prod, [2.0, 0.0, 0.0]), [0, 0, 0])
    assert_array_equal(kb.hessian(np.prod)(onp.array([2.0, 0.0, 0.0])), [[0, 0, 0], [0, 0, 2], [0, 2, 0]])
    cumulated = kb.hessian(lambda x: np.cumprod(x).sum())(onp.array([2.0, 0.0, 0.0]))
    assert_array_equal(cumulated, [[0, 1, 0], [1, 0, 2], [0, 2, 0]])


@pytest.mark.parametrize("zero", [0, 0.0])
@pytest.mark.parametrize("x", [0.0, 2.0, -1.0])
def test_power_zero(x: float, zero: float) -> None:
    assert slopes(lambda x: x**zero, x) == 0.0
    assert kb.grad(kb.grad(lambda x: x**zero))(x) == 0.0


def test_power_at_zero() -> None:
    assert slopes(np.power, 0.0, 0.0) == (0.0, 0.0)
    assert slopes(np.power, 0.0, 1.0) == (1.0, 0.0)
    assert slopes(np.power, 0.0, 2.0) == (0.0, 0.0)
    assert [kb.grad(kb.grad(lambda x, n=n: x**n))(0.0) for n in (1, 2, 3)] == [0.0, 2.0, 0.0]
    assert_array_equal(kb.hessian(lambda v: v[0] ** v[1])(onp.array([0.0, 2.0])), [[2, 0], [0, 0]])


@pytest.mark.parametrize("f", [lambda x: x**0.5, np.sqrt, np.cbrt])
def test_roots_at_zero(f: Any) -> None:
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert kb.grad(f)(0.0) == onp.inf


def test_norm() -> None:
    assert_array_equal(slopes(np.linalg.norm, [0.0, 0.0]), [0, 0])


def test_singular_determinant() -> None:
    onp.testing.assert_allclose(kb.grad(np.linalg.det)(onp.diag([0.0, 2.0])), [[2, 0], [0, 0]], atol=1e-15)
    onp.testing.assert_allclose(kb.grad(np.linalg.det)(onp.zeros((2, 2))), onp.zeros((2, 2)))


@pytest.mark.parametrize("matrix", [onp.eye(3), onp.diag([1.0, 1.0, 2.0])], ids=["all equal", "two equal"])
def test_repeated_eigenvalues(matrix: Any) -> None:
    for values in (lambda a: np.linalg.eigh(a)[0].sum(), lambda a: np.linalg.svd(a)[1].sum()):
        onp.testing.assert_allclose(kb.grad(values)(matrix), onp.eye(3), atol=1e-14)
    for vectors in (lambda a: (np.linalg.eigh(a)[1] ** 3).sum(), lambda a: (np.linalg.svd(a)[0] ** 3).sum()):
        assert onp.isfinite(kb.grad(vectors)(matrix)).all()
    projector = kb.grad(lambda a: (np.linalg.eigh(a)[1] @ np.linalg.eigh(a)[1].T).sum())(matrix)
    onp.testing.assert_allclose(projector, onp.zeros((3, 3)), atol=1e-14)


@pytest.mark.parametrize("f", [np.hypot, np.arctan2])
def test_origin(f: Any) -> None:
    assert slopes(f, 0.0, 0.0) == (0.0, 0.0)
    assert_array_equal(kb.hessian(lambda v: f(v[0], v[1]))(onp.zeros(2)), onp.zeros((2, 2)))


def test_angle() -> None:
    assert kb.vjp(np.angle, 0j)[1](1.0)[0] == 0


def test_deviation_of_a_constant() -> None:
    x = [2.0, 2.0, 2.0]
    for f in (np.std, np.nanstd, np.var):
        assert_array_equal(slopes(f, x), [0, 0, 0])
    assert_array_equal(kb.hessian(np.std)(onp.array(x)), onp.zeros((3, 3)))
    onp.testing.assert_allclose(kb.hessian(np.var)(onp.array(x)), (2 * onp.eye(3) - 2 / 3) / 3)


def test_sinc() -> None:
    assert slopes(np.sinc, 0.0) == 0.0
    assert kb.grad(kb.grad(np.sinc))(0.0) == pytest.approx(-(onp.pi**2) / 3)


@pytest.mark.parametrize("f", [np.floor, np.ceil, np.trunc, np.rint, np.round, lambda x: (x > 1) * 1.0])
def test_steps(f: Any) -> None:
    assert slopes(f, 1.0) == 0.0


def test_remainders() -> None:
    assert slopes(lambda x: np.remainder(x, 0.5), 1.0) == 1.0
    assert slopes(lambda x: np.fmod(x, 0.5), 1.0) == 1.0
    assert slopes(lambda x: np.modf(x)[0], 1.0) == 1.0


def test_heaviside_and_copysign() -> None:
    assert slopes(np.heaviside, 0.0, 0.5) == (0.0, 0.0)
    assert slopes(lambda x: np.copysign(x, -1.0), 0.0) == 0.0


def test_nan() -> None:
    assert kb.grad(np.nan_to_num)(onp.nan) == 0.0
    assert_array_equal(kb.grad(np.nansum)(onp.array([1.0, onp.nan])), [1, 0])
    assert_array_equal(kb.grad(np.nanmean)(onp.array([1.0, onp.nan])), [1, 0])


def test_attention_to_nothing() -> None:
    layer = kb.nn.MultiheadAttention(4, 2, bias=False).astype(float)
    hidden = onp.array([[True, True], [False, False]])
    f = lambda q: layer(q, attn_mask=hidden)
    q = onp.array([[1.0, 2.0, 0.5, -1.0], [0.3, -0.7, 1.1, 0.2]])
    assert not f(q).numpy()[0].any()
    assert not kb.grad(lambda q: layer(q, onp.ones((2, 4)), attn_mask=hidden)[0].sum())(q).any()


def test_the_branch_not_chosen() -> None:
    blocks = [part.split("```")[0] for part in DOCUMENT.read_text(encoding="utf-8").split("```python\n")[1:]]
    names: dict[str, Any] = {}
    exec(blocks[0].rsplit("\n", 2)[0], names)
    with pytest.warns(RuntimeWarning):
        assert onp.isnan(eval(blocks[0].strip().splitlines()[-1], names))
    exec(blocks[1], names)
    assert eval(blocks[1].strip().splitlines()[-1], names) == 0.0
