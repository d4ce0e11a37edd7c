"""Linear algebra: NumPy's values, gradients of first and second order, batching, singular cases, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import koubai as kb
from koubai.errors import DTypeError, ShapeError, UnsupportedError, UsageError

kl = kb.numpy.linalg
kn = kb.numpy
LinAlgError = np.linalg.LinAlgError
RNG = np.random.default_rng(11)


def real(*shape: int) -> Any:
    return RNG.standard_normal(shape)


def cplx(*shape: int) -> Any:
    return RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)


def regular(*shape: int, kind: Any = real) -> Any:
    """Well-conditioned square matrices with eigenvalues apart."""
    return 0.4 * kind(*shape) + np.diag(np.arange(1.0, shape[-1] + 1))


def positive(*shape: int, kind: Any = real) -> Any:
    a = regular(*shape, kind=kind)
    return a @ np.conj(np.swapaxes(a, -1, -2))


def same(found: Any, expected: Any) -> None:
    if isinstance(expected, tuple):
        assert len(found) == len(expected)
        for a, b in zip(found, expected):
            same(a, b)
        return
    assert np.shape(found) == np.shape(expected)
    assert np.asarray(found).dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


def agree(f: Any, reference: Any, *xs: Any, order: int = 2) -> None:
    """Value, derivatives in both modes, and a batch of two."""
    same(f(*xs), reference(*xs))
    kb.check_grads(f, *xs, order=order)
    stacks = [np.stack([x, 1.1 * x]) for x in xs]
    rows = kb.vmap(f)(*stacks)
    for i in range(2):
        one = reference(*(x[i] for x in stacks))
        for a, b in zip(rows, one) if isinstance(one, tuple) else [(rows, one)]:
            np.testing.assert_allclose(a[i], b, rtol=1e-9, atol=1e-11)


SQUARE = [regular(3, 3), regular(2, 2, 2), regular(3, 3, kind=cplx), np.array([[2.0]])]
CASES: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    *[(name, (a,), {}) for name in ("inv", "det", "slogdet", "pinv") for a in SQUARE],
    *[("cholesky", (positive(3, 3, kind=kind),), {"upper": upper}) for kind in (real, cplx) for upper in (False, True)],
    ("cholesky", (positive(2, 3, 3),), {}),
    *[("solve", (regular(3, 3), b), {}) for b in (real(3), real(3, 2), cplx(3), real(2, 3, 1))],
    ("solve", (regular(2, 3, 3, kind=cplx), real(3)), {}),
    ("solve", (regular(2, 3, 3), cplx(2, 3, 2)), {}),
    *[("pinv", (a,), {}) for a in (real(2, 4), real(4, 2), cplx(3, 2), real(2, 3, 2))],
    ("pinv", (positive(3, 3),), {"hermitian": True}),
    *[("eigh", (regular(3, 3),), {"UPLO": side}) for side in "LU"],
    ("eigh", (regular(2, 3, 3),), {}),
    *[("eigvalsh", (regular(3, 3, kind=cplx),), {"UPLO": side}) for side in "LU"],
    ("eigvals", (regular(3, 3, kind=cplx),), {}),
    *[("svd", (a,), {"full_matrices": False}) for a in (real(3, 3), real(2, 4), real(4, 2), real(2, 3, 2))],
    *[("svd", (a,), {}) for a in (real(3, 3), real(3, 2), real(2, 3))],
    *[("svdvals", (a,), {}) for a in (cplx(3, 3), cplx(2, 4), real(2, 4, 2))],
    ("svd", (cplx(3, 2),), {"compute_uv": False}),
    *[("qr", (a,), {}) for a in (real(3, 3), real(4, 2), real(2, 4), cplx(3, 2), cplx(2, 3), real(2, 3, 2))],
    *[("qr", (a,), {"mode": "complete"}) for a in (real(3, 3), real(3, 2), real(2, 3))],
    ("qr", (real(3, 2),), {"mode": "r"}),
    *[("cond", (regular(3, 3, kind=cplx),), {"p": p}) for p in (None, 2, -2, 1, -1, np.inf, -np.inf, "fro", "nuc")],
    *[("matrix_power", (regular(2, 3, 3, kind=cplx) / 2,), {"n": n}) for n in (1, 2, 5, -1, -3)],
    ("tensorinv", (regular(6, 6).reshape(2, 3, 6),), {}),
    ("tensorinv", (regular(6, 6).reshape(6, 3, 2),), {"ind": 1}),
    ("tensorsolve", (regular(6, 6).reshape(2, 3, 6), real(2, 3)), {}),
    ("tensorsolve", (regular(6, 6).reshape(2, 3, 6).transpose(2, 0, 1), real(2, 3)), {"axes": (0,)}),
    ("matrix_transpose", (cplx(2, 3, 4),), {}),
    *[("diagonal", (real(2, 3, 4),), {"offset": k}) for k in (0, 1, -2)],
    *[("trace", (cplx(2, 3, 4),), {"offset": k}) for k in (0, 1)],
    ("cross", (real(3), cplx(2, 3)), {}),
    ("outer", (real(3), cplx(2)), {}),
    ("vecdot", (cplx(2, 3), cplx(3)), {}),
    ("matmul", (cplx(2, 3), real(3, 2)), {}),
    ("tensordot", (real(2, 3), real(3, 2)), {"axes": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "kwargs"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_function(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    agree(lambda *xs: getattr(kl, name)(*xs, **kwargs), lambda *xs: getattr(np.linalg, name)(*xs, **kwargs), *args)


VECTOR_ORDERS = [None, 2, 1, 3, 2.5, 0.5, -1, -2, np.inf, -np.inf]
MATRIX_ORDERS = [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf]
NORMS: list[tuple[Any, dict[str, Any]]] = [
    *[(x, {"ord": p}) for p in VECTOR_ORDERS for x in (real(4), cplx(4))],
    *[(x, {"ord": p}) for p in MATRIX_ORDERS for x in (real(3, 2), cplx(2, 3))],
    *[(cplx(3, 2, 4), {"ord": p, "axis": 1, "keepdims": True}) for p in (None, 3, np.inf)],
    *[(real(3, 2, 4), {"ord": p, "axis": (2, 0), "keepdims": k}) for p in MATRIX_ORDERS for k in (False, True)],
    (real(3, 2, 4), {}),
    (real(3, 2, 4), {"keepdims": True}),
]


@pytest.mark.parametrize(("x", "kwargs"), NORMS)
def test_norm(x: Any, kwargs: dict[str, Any]) -> None:
    agree(lambda v: kl.norm(v, **kwargs), lambda v: np.linalg.norm(v, **kwargs), x)


def test_norms_of_the_array_api() -> None:
    x = cplx(2, 3, 4)
    agree(kl.matrix_norm, np.linalg.matrix_norm, x)
    agree(lambda v: kl.vector_norm(v, axis=(0, 2), ord=3), lambda v: np.linalg.vector_norm(v, axis=(0, 2), ord=3), x)
    agree(kl.vector_norm, np.linalg.vector_norm, x)
    same(kl.norm(np.array([0.0, 2.0]), ord=0), np.linalg.norm(np.array([0.0, 2.0]), ord=0))


@pytest.mark.parametrize("p", [None, 2, 3, 1.5, 1, np.inf])
def test_the_gradient_of_a_norm_is_zero_at_the_zero_vector(p: Any) -> None:
    np.testing.assert_array_equal(kb.grad(lambda x: kl.norm(x, ord=p))(np.zeros(3)), np.zeros(3))
    np.testing.assert_array_equal(kb.grad(lambda x: kl.norm(x, ord=p))(np.zeros(3, complex)), np.zeros(3))
    assert np.all(np.isfinite(kb.hessian(lambda x: kl.norm(x, ord=p))(np.zeros(3))))


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_det_of_singular_matrices(rank: int) -> None:
    a = real(4, rank) @ real(rank, 4)
    minors = np.array(
        [[(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(a, i, 0), j, 1)) for j in range(4)] for i in range(4)]
    )
    np.testing.assert_allclose(kb.grad(kl.det)(a), minors, atol=1e-12)
    kb.check_grads(kb.grad(kl.det), a, order=1) if rank >= 2 else None
    # the second derivative, from the minors themselves
    slope = kb.hessian(kl.det)(a)
    expected = (a[2, 2] * a[3, 3] - a[2, 3] * a[3, 2]).item()
    np.testing.assert_allclose(slope[0, 0, 1, 1], expected, atol=1e-12)
    np.testing.assert_allclose(slope[0, 1, 1, 0], -expected, atol=1e-12)


def test_det_in_closed_form() -> None:
    np.testing.assert_allclose(kb.grad(kl.det)(np.zeros((2, 2))), np.zeros((2, 2)))
    eye = kb.hessian(kl.det)(np.eye(3))
    assert eye[0, 0, 1, 1] == pytest.approx(1.0)
    assert eye[0, 1, 1, 0] == pytest.approx(-1.0)
    third = kb.grad(lambda x: kb.hvp(kl.det, x, np.diag([1.0, 0.0, 0.0]))[1, 1])(np.eye(3))
    np.testing.assert_allclose(third, np.diag([0.0, 0.0, 1.0]), atol=1e-12)


def test_slogdet_of_a_singular_matrix_has_no_gradient() -> None:
    with pytest.raises(LinAlgError, match="Singular"):
        kb.grad(lambda a: kl.slogdet(a)[1])(np.ones((2, 2)))


def symmetric(a: Any) -> Any:
    return (a + kn.swapaxes(a, -1, -2)) / 2


def test_repeated_eigenvalues() -> None:
    """Symmetric functions of the values, and projectors on a whole space, have the right gradient."""
    turn, _ = np.linalg.qr(real(4, 4))
    a = turn @ np.diag([1.0, 1.0, 1.0, 3.0]) @ turn.T
    kb.check_grads(lambda x: kn.sum(kl.eigvalsh(symmetric(x)) ** 3), a)

    def onto_three(x: Any) -> Any:
        v = kl.eigh(symmetric(x)).eigenvectors[:, :3]
        return v @ v.T

    kb.check_grads(onto_three, a)
    slopes = kb.grad(lambda x: kn.sum(kl.eigh(x).eigenvectors))(np.eye(3))
    np.testing.assert_array_equal(slopes, np.zeros((3, 3)))


def test_repeated_and_vanishing_singular_values() -> None:
    left, _ = np.linalg.qr(real(4, 4))
    right, _ = np.linalg.qr(real(3, 3))
    a = left[:, :3] @ np.diag([2.0, 2.0, 1.0]) @ right
    kb.check_grads(lambda x: kn.sum(kl.svdvals(x) ** 3), a)
    kb.check_grads(lambda x: kl.norm(x, "nuc"), a)
    zero = kb.grad(lambda x: kn.sum(kl.svd(x, full_matrices=False).U))(np.zeros((3, 2)))
    np.testing.assert_array_equal(zero, np.zeros((3, 2)))


def rebuilt(x: Any) -> Any:
    u, s, vh = kl.svd(x, full_matrices=False)
    return kn.matmul(u * s[..., None, :] ** 2, vh)


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 2)])
def test_complex_vectors_in_functions_without_phase(shape: tuple[int, ...]) -> None:
    kb.check_grads(rebuilt, cplx(*shape), order=2)
    kb.check_grads(lambda x: tuple(map(abs, kl.svd(x, full_matrices=False))), cplx(*shape), order=2)


def test_complex_eigenvectors_in_functions_without_phase() -> None:
    kb.check_grads(lambda x: (kl.eigh(x)[0], abs(kl.eigh(x)[1])), regular(2, 3, 3, kind=cplx), order=2)
    kb.check_grads(lambda x: (kl.eig(x)[0], abs(kl.eig(x)[1])), regular(2, 3, 3, kind=cplx), order=2)
    turning = np.array([[1.0, -2.0, 0.3], [2.0, 1.0, 0.1], [0.2, 0.4, 3.0]])
    kb.check_grads(lambda x: (abs(kl.eig(x)[0]), abs(kl.eig(x)[1])), turning, order=2)


def test_eig_is_real_where_numpys_is() -> None:
    a = positive(3, 3)
    w, v = kl.eig(kb.tensor(a))
    expected = np.linalg.eig(a)
    same((w.numpy(), v.numpy()), tuple(expected))
    kb.check_grads(kl.eig, a, order=2)
    kb.check_grads(kl.eigvals, a, order=2)


def test_columns_that_complete_a_basis_span_the_right_space() -> None:
    def beside_svd(x: Any) -> Any:
        u = kl.svd(x).U[..., 2:]
        return kn.matmul(u, kn.conj(kn.swapaxes(u, -1, -2)))

    def beside_qr(x: Any) -> Any:
        q = kl.qr(x, "complete").Q[..., 2:]
        return kn.matmul(q, kn.conj(kn.swapaxes(q, -1, -2)))

    for x in (real(5, 2), cplx(4, 2), real(2, 4, 2)):
        kb.check_grads(beside_svd, x, order=2)
        kb.check_grads(beside_qr, x, order=2)


def test_one_triangle_is_read_and_receives_the_gradient() -> None:
    a = positive(3, 3)
    for f in (kl.cholesky, kl.eigvalsh):
        g = kb.grad(lambda x, f=f: kn.sum(f(x)))(a)
        assert np.all(np.triu(g, 1) == 0)
        assert np.any(np.tril(g, -1) != 0)


@pytest.mark.parametrize("b_shape", [(4,), (4, 2)])
def test_lstsq(b_shape: tuple[int, ...]) -> None:
    for a in (real(4, 2), real(4, 4), real(4, 5)):
        b = real(*b_shape)
        x, residuals, rank, sizes = kl.lstsq(kb.tensor(a, requires_grad=True), b)
        expected = np.linalg.lstsq(a, b)
        same(x.numpy(), expected[0])
        same(np.asarray(residuals.numpy() if isinstance(residuals, kb.Tensor) else residuals), expected[1])
        assert rank == expected[2]
        same(sizes.numpy(), expected[3])
        kb.check_grads(lambda p, q: kl.lstsq(p, q)[0], a, b, order=2)
    kb.check_grads(lambda p, q: kl.lstsq(p, q)[1], real(4, 2), real(*b_shape), order=2)


def test_lstsq_below_full_rank() -> None:
    a = real(5, 1) @ real(1, 3)
    b = real(5)
    found, expected = kl.lstsq(a, b, rcond=1e-10), np.linalg.lstsq(a, b, rcond=1e-10)
    same(tuple(map(np.asarray, found[:2])), tuple(expected[:2]))
    assert found[2] == expected[2] == 1


def test_multi_dot_and_matrix_rank() -> None:
    for xs in ([real(2, 3), cplx(3, 4), real(4, 2), real(2, 5)], [real(3), real(3, 4), real(4)], [real(2, 3), real(3)],
               [real(3), real(3, 2)]):  # fmt: skip
        agree(lambda *v: kl.multi_dot(v), lambda *v: np.linalg.multi_dot(v), *xs)
    for x in (real(3, 2), np.ones((2, 3, 3)), np.zeros((2, 2)), np.ones(3), np.zeros(3)):
        assert np.all(np.asarray(kl.matrix_rank(x)) == np.linalg.matrix_rank(x))
    assert kl.matrix_rank(np.diag([1.0, 1e-3]), tol=1e-2) == 1
    assert kl.matrix_rank(np.diag([1.0, 1e-3]), rtol=1e-2) == 1


def test_cholesky_beyond_the_size_of_a_block() -> None:
    half = real(130, 130)
    a = half @ half.T / 130 + np.eye(130)
    kb.check_grads(lambda x: kn.sum(kl.cholesky(x) ** 2 * np.arange(130.0)), a)
    stack = np.stack([a, 2 * a])
    g = kb.grad(lambda x: kn.sum(kl.cholesky(x)))(stack)
    np.testing.assert_allclose(g[1], kb.grad(lambda x: kn.sum(kl.cholesky(x)))(2 * a), rtol=1e-8, atol=1e-10)


def test_identities_have_no_gradient() -> None:
    a = regular(3, 3)
    np.testing.assert_allclose(kb.jacobian(lambda x: kl.inv(kl.inv(x)) - x)(a), 0, atol=1e-10)
    np.testing.assert_allclose(kb.jacobian(lambda x: kl.matrix_power(x, 0))(a), 0)
    np.testing.assert_allclose(kb.grad(lambda x: kl.det(x) * kl.det(kl.inv(x)))(a), 0, atol=1e-10)


@pytest.mark.parametrize("name", ["inv", "cholesky", "svd", "qr", "eigh", "eig", "slogdet", "det", "pinv"])
def test_empty_matrices_and_stacks(name: str) -> None:
    f, reference = getattr(kl, name), getattr(np.linalg, name)
    for shape in ((0, 0), (0, 2, 2)):
        x = kb.tensor(np.zeros(shape), requires_grad=True)
        found = f(x)
        outputs = found if isinstance(found, tuple) else (found,)
        expected = reference(np.zeros(shape))
        for y, z in zip(outputs, expected if isinstance(expected, tuple) else (expected,)):
            assert y.shape == np.shape(z)
        total = sum((kn.sum(kn.real(y)) for y in outputs), 0.0)
        total.backward()
        assert x.grad.shape == shape


@pytest.mark.parametrize("name", ["inv", "cholesky", "svd", "qr", "eigh", "slogdet", "det", "pinv", "norm"])
def test_single_precision_stays(name: str) -> None:
    x = kb.tensor(positive(3, 3), dtype=np.float32, requires_grad=True)
    y = getattr(kl, name)(x)
    outputs = y if isinstance(y, tuple) else (y,)
    assert {z.dtype for z in outputs} == {np.dtype(np.float32)}
    sum(kn.sum(z) for z in outputs).backward()
    assert x.grad.dtype == np.float32


def test_named_results() -> None:
    x = kb.tensor(positive(2, 2))
    assert kl.svd(x)._fields == np.linalg.svd(np.eye(2))._fields
    assert kl.eigh(x)._fields == np.linalg.eigh(np.eye(2))._fields
    assert kl.eig(x)._fields == np.linalg.eig(np.eye(2))._fields
    assert kl.qr(x)._fields == np.linalg.qr(np.eye(2))._fields
    assert kl.slogdet(x)._fields == np.linalg.slogdet(np.eye(2))._fields


def test_integers_count_as_floats() -> None:
    a = [[2, 1], [1, 3]]
    np.testing.assert_allclose(kl.inv(a), np.linalg.inv(a))
    np.testing.assert_allclose(kl.solve(a, [1, 2]), np.linalg.solve(a, [1, 2]))
    assert kl.matrix_power(np.array(a), 3).tolist() == np.linalg.matrix_power(np.array(a), 3).tolist()


REFUSALS: list[tuple[Any, Any, str]] = [
    (lambda t: kl.inv(t(2, 3)), ShapeError, "square matrix"),
    (lambda t: kl.inv(t(2, 3)), LinAlgError, "square matrix"),
    (lambda t: kl.inv(t(2)), ShapeError, "expected a matrix"),
    (lambda t: kl.inv(t(2, 2) * 0), LinAlgError, "Singular"),
    (lambda t: kl.cholesky(-t(1, 1)), LinAlgError, "positive definite"),
    (lambda t: kl.solve(t(2, 2), 1.0), ShapeError, "got a number"),
    (lambda t: kl.solve(t(2, 2), t(3)), ShapeError, "right side"),
    (lambda t: kl.det(t(2, 2).astype(np.float16)), DTypeError, "single or double"),
    (lambda t: kl.qr(t(2, 2), "raw"), UnsupportedError, "raw"),
    (lambda t: kl.qr(t(2, 2), "full"), UsageError, "mode"),
    (lambda t: kl.eigh(t(2, 2), "X"), UsageError, "UPLO"),
    (lambda t: kl.norm(t(2), "fro"), UsageError, "a number"),
    (lambda t: kl.norm(t(2, 2), 3), UsageError, "matrix norm"),
    (lambda t: kl.norm(t(2, 2, 2), 2), ShapeError, "vector or a matrix"),
    (lambda t: kl.norm(t(2, 2, 2), axis=(0, 1, 2)), ShapeError, "one axis"),
    (lambda t: kl.norm(t(2, 2), axis=(1, 1)), ShapeError, "two different axes"),
    (lambda t: kl.pinv(t(2, 2), 0.1, rtol=0.1), UsageError, "not both"),
    (lambda t: kl.lstsq(t(2, 2), t(3)), ShapeError, "shape"),
    (lambda t: kl.multi_dot([t(2, 2)]), UsageError, "at least two"),
    (lambda t: kl.multi_dot([t(2, 2), t(2, 2, 2)]), ShapeError, "array 1"),
    (lambda t: kl.tensorinv(t(2, 3), 1), ShapeError, "square as a matrix"),
    (lambda t: kl.tensorsolve(t(2, 3), t(2)), ShapeError, "square as a matrix"),
    (lambda t: kl.matrix_power(t(2, 3), 2), ShapeError, "square"),
    (lambda t: kl.cross(t(2), t(2)), ShapeError, "length 3"),
    (lambda t: kl.cond(t(0, 0)), ShapeError, "empty"),
]


@pytest.mark.parametrize("make", [np.ones, lambda shape: kb.tensor(np.ones(shape), requires_grad=True)])
@pytest.mark.parametrize(("call", "error", "says"), REFUSALS)
def test_refusals(call: Any, error: Any, says: str, make: Any) -> None:
    with pytest.raises(error, match=says):
        call(lambda *shape: make(shape))


def test_all_of_numpys_names_are_there() -> None:
    assert set(np.linalg.__all__) <= set(kl.__all__)
    assert set(np.fft.__all__) <= set(kn.fft.__all__)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
@pytest.mark.parametrize("order", [1, 2, np.inf, "nuc", "fro"])
def test_the_norm_of_no_elements_is_zero(shape: tuple[int, int], order: Any) -> None:
    assert kb.numpy.linalg.norm(kb.tensor(np.zeros(shape)), order).numpy() == 0
    assert kb.numpy.linalg.norm(kb.tensor(np.zeros(0)), np.inf).numpy() == 0


def test_linalg_outer_takes_vectors_only() -> None:
    with pytest.raises(ShapeError, match="two vectors"):
        kb.numpy.linalg.outer(kb.tensor(np.ones((2, 2))), kb.tensor(np.ones(2)))


def test_a_singular_matrix_in_a_stack_leaves_the_others_their_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = np.random.default_rng(0).normal(size=(4, 3, 3))
    stack[1] = np.outer([1.0, 2.0, 3.0], [1.0, 0.0, 1.0])
    stack[2] = 0.0
    decomposed = []
    original = np.linalg.svd
    monkeypatch.setattr(np.linalg, "svd", lambda x, *args: decomposed.append(len(x)) or original(x, *args))
    f = lambda x: (kb.numpy.linalg.det(x) ** 2 + kb.numpy.linalg.det(x)).sum()
    found, second = kb.grad(f)(stack), kb.hvp(f, stack, np.ones((4, 3, 3)))
    assert decomposed
    assert max(decomposed) == 2
    for k, x in enumerate(stack):
        np.testing.assert_allclose(found[k], kb.grad(f)(x), atol=1e-12)
        np.testing.assert_allclose(second[k], kb.hvp(f, x, np.ones((3, 3))), atol=1e-12)
