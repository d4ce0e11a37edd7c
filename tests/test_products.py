"""Products: NumPy's values, gradients of first and second order, batching, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import koubai as kb
from koubai.errors import ShapeError, UnsupportedError, UsageError

kn = kb.numpy
RNG = np.random.default_rng(5)


def real(*shape: int) -> Any:
    return RNG.standard_normal(shape)[()]


def cplx(*shape: int) -> Any:
    return (RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape))[()]


def agree(f: Any, reference: Any, *xs: Any) -> None:
    """Value, first and second derivatives in both modes, and a batch of two."""
    value, expected = f(*xs), reference(*xs)
    assert np.shape(value) == np.shape(expected)
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-13)
    assert np.asarray(value).dtype == np.asarray(expected).dtype
    kb.check_grads(f, *xs, order=2)
    stacks = [np.stack([x, 2 * x, -x]) for x in map(np.asarray, xs)]
    rows = kb.vmap(f)(*stacks)
    for i in range(3):
        np.testing.assert_allclose(rows[i], reference(*(s[i] for s in stacks)), rtol=1e-11, atol=1e-12)


PRODUCTS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    *[("matmul", (real(*a), cplx(*b)), {}) for a, b in [
        ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)),
        ((3,), (5, 3, 2)), ((4, 5, 2, 3), (3,)), ((2, 1, 2, 3), (4, 3, 2)), ((2, 0), (0, 3)),
    ]],
    *[("dot", (cplx(*a), real(*b)), {}) for a, b in [
        ((), ()), ((), (3,)), ((2, 3), ()), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)),
        ((5, 2, 3), (2, 3, 2)), ((3,), (5, 3, 2)),
    ]],
    *[("inner", (real(*a), cplx(*b)), {}) for a, b in [((), ()), ((3,), (3,)), ((2, 3), (4, 3)), ((2, 3), (3,))]],
    ("vdot", (cplx(2, 3), cplx(6)), {}),
    ("outer", (cplx(2, 3), real(3)), {}),
    ("vecdot", (cplx(2, 3), cplx(3)), {}),
    ("vecdot", (cplx(3, 2), real(3, 2)), {"axis": 0}),
    ("matvec", (cplx(2, 3), real(5, 3)), {}),
    ("vecmat", (cplx(5, 2), cplx(2, 3)), {}),
    *[("kron", (real(*a), cplx(*b)), {}) for a, b in [((2,), (3,)), ((2, 3), (2, 2)), ((2,), (3, 2)), ((), (2,))]],
    ("cross", (real(4, 3), cplx(3)), {}),
    ("cross", (real(3, 4), real(4, 3)), {"axisa": 0, "axisc": 0}),
    *[("trace", (cplx(4, 5),), {"offset": k}) for k in (-1, 0, 2)],
    ("trace", (real(3, 4, 5),), {"axis1": 2, "axis2": 0}),
    *[("tensordot", (real(3, 3), cplx(3, 3)), {"axes": axes}) for axes in (0, 1, 2, ([1], [0]), ([-1, 0], [1, 0]))],
    ("tensordot", (real(3, 3), cplx(3, 3)), {"axes": (0, 1)}),
    ("tensordot", (real(2, 3, 4), cplx(4, 3, 5)), {"axes": ([1, 2], [1, 0])}),
    *[(name, (cplx(n), cplx(m)), {"mode": mode})
      for name in ("convolve", "correlate") for n, m in [(5, 3), (4, 2), (2, 5), (3, 6)]
      for mode in ("full", "same", "valid")],
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "kwargs"), PRODUCTS, ids=[f"{p[0]}{i}" for i, p in enumerate(PRODUCTS)])
def test_product(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    agree(lambda *xs: getattr(kn, name)(*xs, **kwargs), lambda *xs: getattr(np, name)(*xs, **kwargs), *args)


EINSUMS: list[tuple[str, tuple[Any, ...]]] = [
    ("ij->ji", (real(3, 4),)),
    ("ba", (real(2, 3),)),
    ("i->", (real(3),)),
    ("ij,jk->ik", (cplx(2, 3), real(3, 4))),
    (" i j , j k ", (real(2, 3), real(3, 2))),
    ("...ij,...jk->...ik", (real(2, 3), real(2, 3, 4))),
    ("...ij,...jk->...ik", (real(0, 2, 3), real(0, 3, 4))),
    ("i...,j...->ij...", (real(2, 1, 4), real(3, 5, 1))),
    ("j...k,lj...->lk...", (real(2, 2), real(2, 2, 2))),
    ("...i,...i", (real(2, 3), real(3))),
    ("ij,ij->ij", (real(1, 3), real(2, 3))),
    (",ij->ji", (np.float64(2.0), real(2, 3))),
    ("ii", (real(3, 3),)),
    ("ii->i", (cplx(3, 3),)),
    ("iii->i", (real(3, 3, 3),)),
    ("abcd->bd", (real(3, 2, 3, 2),)),
    ("ijk,lji,lli->lki", (real(3, 4, 4), real(4, 4, 3), real(4, 4, 3))),
    ("ij,jk,kl,lm->im", (real(2, 3), real(3, 2), real(2, 4), real(4, 2))),
    ("i,i,i->", (real(3), real(3), cplx(3))),
    ("ij,k", (real(3, 4), real(3))),
    ("bij,bj->bi", (real(2, 3, 4), cplx(2, 4))),
    ("bij,bij->b", (real(2, 3, 4), cplx(2, 3, 4))),
    ("ab,ab,c->", (real(2, 2), real(2, 2), real(2))),
]


@pytest.mark.parametrize(("subscripts", "args"), EINSUMS, ids=[s for s, _ in EINSUMS])
def test_einsum(subscripts: str, args: tuple[Any, ...]) -> None:
    agree(lambda *xs: kn.einsum(subscripts, *xs), lambda *xs: np.einsum(subscripts, *xs), *args)


@st.composite
def einsums(draw: Any) -> tuple[str, list[Any]]:
    """Up to three operands over four indices, with repeats, ellipses, axes of length one, and results of any order."""
    length = {"a": 2, "b": 3, "c": 1, "d": 2}
    dots = draw(st.booleans())
    parts, arrays = [], []
    for _ in range(draw(st.integers(1, 3))):
        part = "".join(draw(st.lists(st.sampled_from("abcd"), max_size=3)))
        shape = [length[k] if part.count(k) > 1 or draw(st.integers(0, 3)) else 1 for k in part]
        spread = draw(st.lists(st.sampled_from([1, 2]), max_size=2)) if dots else []
        place = draw(st.integers(0, len(part))) if dots else 0
        parts.append(part[:place] + "..." * dots + part[place:])
        arrays.append(real(*shape[:place], *spread, *shape[place:]))
    subscripts = ",".join(parts)
    if draw(st.booleans()):
        named = sorted(set(subscripts) & set(length))
        kept = draw(st.lists(st.sampled_from(named), unique=True)) if named else []
        subscripts += "->" + "..." * dots + "".join(kept)
    return subscripts, arrays


@settings(max_examples=80, deadline=None)
@given(einsums())
def test_any_einsum(case: tuple[str, list[Any]]) -> None:
    subscripts, arrays = case
    expected = np.einsum(subscripts, *arrays)
    found = kn.einsum(subscripts, *arrays)
    assert np.shape(found) == np.shape(expected)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    kb.check_grads(lambda *xs: kn.einsum(subscripts, *xs), *arrays)


@pytest.mark.parametrize("dtype", [np.bool_, np.int32, np.uint8])
@pytest.mark.parametrize("subscripts", ["ij->j", "ii", "ij,jk->ik", "ij,ij->"])
def test_einsum_keeps_small_integers(subscripts: str, dtype: Any) -> None:
    xs = [np.eye(3).astype(dtype)] * (1 + subscripts.count(","))
    found, expected = kn.einsum(subscripts, *xs), np.einsum(subscripts, *xs)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_einsum_takes_lists_of_numbers() -> None:
    a, b = real(2, 3), real(3, 4)
    agree(lambda x, z: kn.einsum(x, [0, 1], z, [1, 2], [0, 2]), lambda x, z: x @ z, a, b)
    agree(lambda x, z: kn.einsum(x, [0, 1], z, [1, 2]), lambda x, z: x @ z, a, b)
    agree(lambda x: kn.einsum(x, [..., 30], [..., 30]), lambda x: np.einsum(x, [..., 30], [..., 30]), a)


def test_einsum_with_an_order_of_products_given() -> None:
    xs = real(2, 3), real(3, 4), real(4, 2)
    expected = xs[0] @ xs[1] @ xs[2]
    for optimize in (True, False, "optimal", ["einsum_path", (1, 2), (0, 1)], ["einsum_path", (0, 1, 2)]):
        np.testing.assert_allclose(kn.einsum("ij,jk,kl", *xs, optimize=optimize), expected)


def test_einsum_path_reads_shapes_only() -> None:
    xs = [kb.tensor(real(*shape), requires_grad=True) for shape in ((2, 30), (30, 4), (4, 2))]
    assert kn.einsum_path("ij,jk,kl", *xs)[0] == np.einsum_path("ij,jk,kl", *(x.detach().numpy() for x in xs))[0]


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: kn.einsum("ij,jk", np.ones((2, 3))), UsageError, "names 2 operands, but 1"),
        (lambda: kn.einsum("ij->ijk", np.ones((2, 3))), UsageError, "which no operand has"),
        (lambda: kn.einsum("i->ii", np.ones(2)), UsageError, "names index 'i' twice"),
        (lambda: kn.einsum("ij,jk->ik", np.ones((2, 3)), np.ones((2, 3))), ShapeError, "index 'j' has length 3"),
        (lambda: kn.einsum("ij", np.ones(3)), ShapeError, "has 1 axes"),
        (lambda: kn.einsum("ii", np.ones((2, 3))), ShapeError, "index 'i'"),
        (lambda: kn.einsum("...i->i", np.ones((2, 3))), UsageError, "the result needs ..."),
        (lambda: kn.einsum("i!", np.ones((2, 3))), UsageError, "expected letters"),
        (lambda: kn.einsum(), UsageError, "got nothing"),
        (lambda: kn.einsum("i->i", np.ones(2), out=np.ones(2)), UnsupportedError, "out="),
        (lambda: kn.matmul(np.ones((2, 3)), np.ones(2)), ShapeError, "the same k"),
        (lambda: kn.matmul(2.0, np.ones(2)), ShapeError, "at least one axis"),
        (lambda: kn.tensordot(np.ones((2, 3)), np.ones((2, 3)), axes=1), ShapeError, "the same lengths"),
        (lambda: kn.tensordot(np.ones((2, 3)), np.ones(3), axes=2), ShapeError, "axes=2"),
        (lambda: kn.cross(np.ones(4), np.ones(4)), ShapeError, "length 3"),
        (lambda: kn.vdot(np.ones(4), np.ones(3)), ShapeError, "same size"),
        (lambda: kn.trace(np.ones(4)), ShapeError, "two axes"),
        (lambda: kn.convolve(np.ones(3), np.ones(2), "all"), UsageError, "mode"),
        (lambda: kn.convolve(np.ones((3, 2)), np.ones(2)), ShapeError, "1-d"),
        (lambda: kn.convolve(kb.tensor(np.ones(0)), np.ones(2)), ShapeError, "not empty"),
    ],
)
def test_refusals(call: Any, error: Any, says: str) -> None:
    with pytest.raises(error, match=says):
        call()


def test_einsum_of_many_arrays_is_a_chain_of_products() -> None:
    """Then the gradients by all n of them cost O(n) products, not O(n^2)."""
    n = 12
    xs = [kb.tensor(real(2, 2), requires_grad=True) for _ in range(n)]
    letters = "abcdefghijklm"
    y = kn.einsum(",".join(letters[i : i + 2] for i in range(n)) + "->am", *xs)
    products = y.graph().count("einsum(")
    assert products == n - 1
