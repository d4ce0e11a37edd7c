"""The first value that is not finite: found forward, backward, in leaves, loops and layers of one's own."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import koubai as kb
import koubai.numpy as knp
from koubai import nn
from koubai.explain.spot import batched
from koubai.graph import topological, tracing
from koubai.ops.special.entropy import xlogy


def leaf(data: Any, name: str | None = None) -> kb.Tensor:
    return kb.tensor(np.asarray(data, float), requires_grad=True, name=name)


def trouble(output: Any, **options: Any) -> kb.Trouble:
    with np.errstate(all="ignore"):
        found = kb.find_trouble(output, **options)
    assert found is not None
    return found


P = [[0.5, 0.5], [1.0, 0.0]]


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"):
        yield


def test_the_log_of_zero():
    p = kb.tensor(P, requires_grad=True)
    found = trouble(-np.log(p).sum())
    assert (found.kind, found.op, found.index, found.value) == ("forward", "log", (1, 1), -np.inf)
    assert found.what().startswith("log of 0 gives -inf at row 1, column 1 of p, test_trouble.py:")
    assert found.ja.startswith("p の行 1・列 1 で 0 の対数が -inf になりました(test_trouble.py:")
    assert "above 0" in str(found.advice())
    assert str(found) == found.en


PLANTED = {
    "division": (lambda p: (3.0 / p).sum(), "divide", (1, 1), "3 divided by 0 gives inf"),
    "exp": (lambda p: np.exp(p * 800).sum(), "exp", (1, 0), "exp of 800 gives inf"),
    "root of a negative": (lambda p: np.sqrt(p - 0.75).sum(), "sqrt", (0, 0), "square root of -0.25 gives NaN"),
    "matrix product": (
        lambda p: (p * 1e200 @ (p * 1e200)).sum(),
        "matmul",
        (0, 0),
        "matrix product of 5e+199",
    ),
    "xlogy": (lambda p: xlogy(p, -p).sum(), "xlogy", (0, 0), "xlogy of 0.5 and -0.5 gives NaN"),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_planted_forward(kind):
    make, op, index, says = PLANTED[kind]
    found = trouble(make(leaf(P)))
    assert (found.kind, found.op, found.index) == ("forward", op, index)
    assert found.en.startswith(says)


def _of_a_difference() -> Any:
    a = leaf([1.0, 0.0], "a")
    return knp.log(a - a).sum()


SENTENCES = {
    "one number": (
        lambda: knp.log(leaf(-1.0, "a")),
        "log of -1 gives NaN, where -1 is a, ", "-1 の対数が NaN になりました(-1 は a の値、",
    ),
    "one number of another op": (
        lambda: 1 / (leaf(1.0) - 1),
        "1 divided by 0 gives inf, where 0 is the difference, ", "1 ÷ 0 が inf になりました(0 は減算の結果、",
    ),
    "an array": (
        _of_a_difference,
        "log of 0 gives -inf at element 0 of the difference, ", "減算の結果の要素 0 で 0 の対数が -inf になりました",
    ),
    "a part": (
        lambda: knp.log(leaf([[1.0, 0.0]], "a")[0]).sum(),
        "log of 0 gives -inf at element 1 of a[...], ", "a[...] の要素 1 で 0 の対数が -inf になりました(",
    ),
    "a part of something": (
        lambda: knp.log((leaf([[1.0, 0.0]]) * 1.0)[0]).sum(),
        "log of 0 gives -inf at element 1 of the slice, ", "取り出した値の要素 1 で 0 の対数が -inf になりました(",
    ),
    "ranges": (
        lambda: (leaf([[1e200, 0.0]]) @ leaf([[1e200], [2e200]])).sum(),
        "matrix product of values from 0 to 1e+200 and values from 1e+200 to 2e+200 gives inf",
        "行 0・列 0 で 0 から 1e+200 までの値と 1e+200 から 2e+200 までの値の行列積が inf になりました(",
    ),
    "an op without a Japanese name": (
        lambda: knp.log(knp.tanh(leaf([0.0]))).sum(),
        "log of 0 gives -inf at element 0 of the tanh output, ", "tanh の出力の要素 0 で 0 の対数が -inf になりました(",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", SENTENCES)
def test_sentences(kind):
    make, en, ja = SENTENCES[kind]
    found = trouble(make())
    assert found.en.startswith(en)
    assert found.ja.startswith(ja)


def test_a_sum_shows_what_was_summed():
    found = trouble((leaf([[1.0, 2.0], [1e308, 1.5e308]]) * 1.0).sum(axis=1).max())
    assert (found.op, found.index) == ("sum", (1,))
    assert found.en.startswith("sum of values from 1e+308 to 1.5e+308 gives inf at element 1")


def test_an_infinity_that_becomes_harmless_is_no_trouble():
    p = leaf([800.0, 1.0])
    assert kb.find_trouble((1 / (1 + np.exp(p * 2)) * 0.0 + p).sum().detach() + (p * p).sum()) is None


def test_backward_where_the_slope_is_infinite():
    p = leaf(P, "p")
    found = trouble((np.sqrt(p) * 2.0).sum())
    assert (found.kind, found.op, found.index, found.spot.upstream) == ("backward", "sqrt", (1, 1), 2.0)
    assert found.en.startswith(
        "backward through square root of 0 turns the upstream gradient 2 into inf at row 1, column 1 of p, "
    )
    assert found.ja.startswith("0 の平方根を通る逆伝播で、p の行 1・列 1 に届く勾配が inf になりました(上流の勾配 2、")


def test_backward_along_a_broadcast_axis():
    a = leaf([0.0, 0.0], "a")
    r = np.array([[2.0, 0.25], [0.5, 3.0]])
    found = trouble((a**r).sum())
    assert (found.kind, found.op, found.index, found.spot.target) == ("backward", "power", (0,), "a")
    assert found.en.startswith(
        "backward through 0 to the power 0.5 turns the upstream gradient 1 into inf at element 0"
    )


def test_an_infinity_of_the_forward_pass_that_comes_out_backward():
    p = leaf([800.0, 1.0], "p")
    sigmoid = 1 / (1 + np.exp(p))
    assert np.isfinite(sigmoid.numpy()).all()
    found = trouble(sigmoid.sum())
    assert (found.kind, found.op, found.index) == ("forward", "exp", (0,))


def test_finite_messages_whose_sum_is_not():
    p = leaf(1.0, "p")
    found = trouble(p * 1.0 + p * 1.0, gradient=1.5e308)
    assert (found.kind, found.op) == ("sum", None)
    assert found.what().startswith("the messages to p, each of them finite, add up to inf, test_trouble.py:")
    q = p * 1.0
    assert trouble(q * 1.0 + q * 1.0, gradient=1.5e308).kind == "sum"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_came_in_with_a_leaf(value):
    b = leaf([[1.0, 2.0], [value, 3.0]], "b")
    found = trouble(np.tanh(b * 2.0).sum() * b.sum())
    assert (found.kind, found.op, found.index) == ("leaf", None, (1, 0))
    assert found.en.startswith(f"b holds {'NaN' if value != value else 'inf'} at row 1, column 0 before anything")


def test_parameters_and_data_of_a_model_are_told_apart():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).init(0)
    x, t = np.ones((5, 3)), np.ones((5, 2))
    assert kb.find_trouble(model, x, t, "mse") is None
    x[3, 1] = np.nan
    found = trouble(model, x=x, t=t, loss="mse")
    assert (found.kind, found.spot.target, found.index) == ("leaf", "x", (3, 1))
    found = trouble(model, x=np.ones((5, 3)), t=t * np.nan, loss="mse")
    assert (found.kind, found.spot.target) == ("leaf", "t")
    weight = model[2].weight.numpy().copy()
    weight[2, 1] = np.inf
    model[2].weight.assign(weight)
    found = trouble(model, x=np.ones((5, 3)), t=t, loss="mse")
    assert (found.kind, found.spot.target, found.layer, found.index) == ("leaf", "2.weight", "2", (2, 1))


def test_the_layer_is_named():
    model = nn.Sequential(nn.Linear(2, 3), nn.Softmax()).init(0)
    model[0].weight.assign(np.array([[800.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    found = trouble(model, x=np.ones((4, 2)), t=np.ones((4, 3)), loss=lambda y, t: -(t * np.log(y)).mean())
    assert found.en.startswith("log of 0 gives -inf at row 0, column 1 of the Softmax output, layer 1,")
    assert found.ja.startswith("層 1 の Softmax の出力の行 0・列 1 で 0 の対数が -inf になりました")

    class Exp(nn.Module):
        def forward(self, x):
            return knp.exp(x)

    found = trouble(nn.Sequential(model[0], Exp()), x=np.ones((4, 2)), t=np.ones((4, 3)), loss="mse")
    assert found.layer == "1"
    assert found.en.startswith("exp of 800.246 gives inf at row 0, column 0 of the Linear output, layer 1 (Exp)")


def test_looking_changes_nothing():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)).init(0)
    before = {name: bytes(np.asarray(b.value)) for name, b in model.named_buffers()}
    kb.find_trouble(model, np.ones((5, 3)), np.ones((5, 4)), "mse")
    assert {name: bytes(np.asarray(b.value)) for name, b in model.named_buffers()} == before
    assert all(p.grad is None for p in model.parameters())


def test_a_mask_is_no_trouble_but_what_it_leads_to_is():
    p = leaf(P)
    mask = np.array([[True, False], [True, True]])
    assert kb.find_trouble(nn.softmax(knp.where(mask, p, -np.inf)).sum()) is None
    found = trouble(nn.softmax(knp.where(mask & [[True, True], [False, False]], p, -np.inf)).sum())
    assert (found.op, found.index) == ("subtract", (1, 0))
    assert found.en.startswith("-inf minus -inf gives NaN at row 1, column 0")
    assert trouble((knp.where(mask, p, -np.inf) + np.log(p)).sum()).op == "log"


def test_inside_of_a_loop():
    def f(c, x):
        c = c * x
        return c, knp.log(c)

    _, ys = kb.scan(f, leaf(1.0), leaf([1.0, 2.0, 0.0, 3.0]))
    found = trouble(ys.sum())
    assert (found.op, found.spot.iteration) == ("log", 2)
    assert found.what().startswith("log of 0 gives -inf, where 0 is c, step 2 of the loop, test_trouble.py:")
    g = kb.checkpoint(lambda x: knp.log(x).sum())
    assert trouble(g(leaf(P))).op == "log"


class Inverse(kb.Function):
    def forward(self, x):
        self.x = x
        return 1 / x

    def backward(self, g):
        return -g / self.x**2


class Careless(kb.Function):
    def forward(self, x):
        self.x = x
        return x * 1.0

    def backward(self, g):
        return g / self.x


def test_a_layer_of_ones_own():
    found = trouble(Inverse()(leaf(P)).sum())
    assert (found.kind, found.op, found.index) == ("forward", "Inverse", (1, 1))
    assert found.en.startswith("Inverse of 0 (among values from 0 to 1) gives inf at row 1, column 1")
    found = trouble(Careless()(leaf(P)).sum())
    assert (found.kind, found.op, found.index) == ("backward", "Careless", (1, 1))


def test_ops_with_several_outputs():
    a = leaf(np.eye(2) * 1e200)
    found = trouble(np.linalg.det(a @ a))
    assert found.op == "matmul"
    found = trouble(np.linalg.slogdet(leaf(np.ones((2, 2))))[1])
    assert (found.kind, found.op, found.value) == ("forward", "slogdet", -np.inf)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["log", "sqrt", "divide"]))
def test_the_planted_element_is_found_behind_random_work(seed, kind):
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 5, rng.integers(1, 4)))
    data = rng.uniform(0.5, 1.5, shape)
    index = tuple(int(rng.integers(n)) for n in shape)
    data[index] = 0.0
    h = leaf(data) * 2.0
    y = {"log": np.log, "sqrt": np.sqrt, "divide": lambda v: 1 / v}[kind](h)
    loss = (np.tanh(y) * rng.uniform(1, 2, shape)).sum() if kind == "sqrt" else (y * y).sum()
    found = trouble(loss)
    assert found.op == kind
    assert found.index == index
    assert found.kind == ("backward" if kind == "sqrt" else "forward")


def test_which_nodes_count_examples_along_axis_0():
    x = kb.tensor(np.ones((9, 4)), name="x")
    w = leaf(np.ones((4, 5)))
    token = tracing.set(True)
    try:
        rows = x[np.arange(5)]
        h = rows @ w
        y = knp.tanh(h).sum(axis=1)
        square = w * w  # of shape (4, 5)
        turned = h.T @ h
    finally:
        tracing.reset(token)
    found = batched(topological([y.sum() + square.sum() + turned.sum()]), 5)
    assert {rows, h, y} <= found
    assert not {square, turned, w} & found


def test_as_plain_data():
    data = trouble((1 / leaf(P)).sum()).to_dict()
    assert json.loads(json.dumps(data, allow_nan=False))["value"] == "Infinity"
    assert data["operands"][1]["low"] == 0.0


def test_refused():
    with pytest.raises(kb.DTypeError, match="expected a tensor"):
        kb.find_trouble(3.0)
    with pytest.raises(kb.UsageError, match="pass x, t and loss"):
        kb.find_trouble(nn.Linear(2, 1))
    with pytest.raises(kb.UsageError, match="no loss is named"):
        kb.find_trouble(nn.Linear(2, 1), np.ones((1, 2)), np.ones((1, 1)), "mes")
    with pytest.raises(kb.ShapeError, match="reduce it to one number"):
        kb.find_trouble(leaf(P) * 2.0)


def test_without_gradients_only_the_value_is_looked_at():
    assert kb.find_trouble(kb.tensor(1.0)) is None
    assert trouble(kb.tensor([1.0, np.nan], name="v")).spot.target == "v"


def test_targets_without_an_axis_of_their_own_are_aligned_as_in_fit():
    model, x = nn.Sequential(nn.Linear(2, 1)), np.ones((3, 2))
    assert kb.find_trouble(model, x, np.ones(3), "mse") is None
    found = trouble(model, x=x, t=np.array([1.0, np.nan, 1.0]), loss="mse")
    assert (found.kind, found.index) == ("leaf", (1, 0))
