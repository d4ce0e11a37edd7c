"""Layers for sequences: equations, shapes, derivatives, and agreement with PyTorch where it is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import koubai as kb
from koubai import nn
from koubai.nn import functional_call

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 4, 3))
RECURRENT = {
    "rnn": lambda **more: nn.RNN(3, 5, **more),
    "rnn relu": lambda **more: nn.RNN(3, 5, nonlinearity="relu", **more),
    "gru": lambda **more: nn.GRU(3, 5, **more),
    "lstm": lambda **more: nn.LSTM(3, 5, **more),
}
EVERY = pytest.mark.parametrize("name", list(RECURRENT))
OPTIONS = pytest.mark.parametrize(
    "more", [{}, {"bias": False}, {"num_layers": 2}, {"num_layers": 2, "bidirectional": True}], ids=str
)


def made(name: str, **more: Any) -> Any:
    return RECURRENT[name](**more).init(1).astype(float)


def values(tree: Any) -> list[Any]:
    leaves = [tree[0], *(tree[1] if isinstance(tree[1], tuple) else [tree[1]])]
    return [np.asarray(x.detach()) if isinstance(x, kb.Tensor) else x for x in leaves]


def sigmoid(u: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-u))


def by_hand(name: str, p: Any, x: Any, n: int = 5) -> Any:
    """The equations of the docstrings, gate by gate, for one sequence."""
    h = c = np.zeros(n)
    ys = []
    for row in x:
        u, v = row @ p["weight_ih_l0"] + p["bias_ih_l0"], h @ p["weight_hh_l0"] + p["bias_hh_l0"]
        one, two, three, four = (slice(i * n, (i + 1) * n) for i in range(4))
        if name == "gru":
            r, z = sigmoid((u + v)[one]), sigmoid((u + v)[two])
            h = (1 - z) * np.tanh(u[three] + r * v[three]) + z * h
        elif name == "lstm":
            i, f, g, o = sigmoid((u + v)[one]), sigmoid((u + v)[two]), np.tanh((u + v)[three]), sigmoid((u + v)[four])
            c = f * c + i * g
            h = o * np.tanh(c)
        else:
            h = np.tanh(u + v) if name == "rnn" else np.maximum(u + v, 0)
        ys.append(h)
    return np.array(ys), h, c


@EVERY
def test_the_equations(name: str) -> None:
    layer = made(name)
    ys, h, *c = values(layer(X))
    assert (ys.shape, h.shape) == ((2, 4, 5), (1, 2, 5))
    for k in range(2):
        expected = by_hand(name, layer.state_dict(), X[k])
        for found, wanted in zip([ys[k], h[0, k], *(s[0, k] for s in c)], expected):
            np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-13)


@EVERY
@OPTIONS
def test_agreement_with_pytorch(name: str, more: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    layer = made(name, **more)
    options = {"nonlinearity": "relu"} if name == "rnn relu" else {}
    theirs = getattr(torch.nn, name.split()[0].upper())(3, 5, batch_first=True, **options, **more).double()
    theirs.load_state_dict({key: torch.tensor(v.T.copy()) for key, v in layer.state_dict().items()})
    count = sum(map(len, layer._endings()))
    start = [RNG.normal(size=(count, 2, 5)) for _ in layer.states]
    pack = lambda s: tuple(s) if len(s) > 1 else s[0]
    x, tx = kb.tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
    ys, last = layer(x, pack(start))
    tys, tlast = theirs(tx, pack([torch.tensor(s) for s in start]))
    lasts, tlasts = (z if isinstance(z, tuple) else (z,) for z in (last, tlast))
    for a, b in zip((ys, *lasts), (tys, *tlasts)):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-10, atol=1e-13)
    ((ys * ys).sum() + sum((s**3).sum() for s in lasts)).backward()
    ((tys * tys).sum() + sum((s**3).sum() for s in tlasts)).backward()
    np.testing.assert_allclose(x.grad, tx.grad.numpy(), rtol=1e-9, atol=1e-12)
    slopes = dict(theirs.named_parameters())
    for key, p in layer.named_parameters():
        np.testing.assert_allclose(p.grad, slopes[key].grad.numpy().T, rtol=1e-9, atol=1e-12)


@EVERY
def test_derivatives(name: str) -> None:
    layer = made(name, bidirectional=True)

    def f(params: Any, x: Any) -> Any:
        ys, last = functional_call(layer, params, x)
        return ys, last

    assert kb.check_grads(f, layer.state_dict(), X).ok
    single = made(name)
    assert kb.check_grads(lambda p, x: functional_call(single, p, x)[0], single.state_dict(), X[:1, :2], order=2).ok


@EVERY
def test_one_sequence_a_stack_and_compiled_code_agree(name: str) -> None:
    layer = made(name, num_layers=2)
    expected = values(layer(X))
    alone = values(layer(X[1]))
    np.testing.assert_allclose(alone[0], expected[0][1], rtol=1e-10, atol=1e-13)
    for a, b in zip(alone[1:], expected[1:]):
        np.testing.assert_allclose(a, b[:, 1], rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(kb.vmap(lambda x: layer(x)[0])(X).numpy(), expected[0], rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(kb.compile(lambda x: layer(x)[0])(X), expected[0], rtol=1e-10, atol=1e-13)
    loss = lambda p, x: (functional_call(layer, p, x)[0] ** 2).sum()
    each = kb.vmap(kb.grad(loss), in_axes=(None, 0))(layer.state_dict(), X)
    both = kb.grad(loss)(layer.state_dict(), X)
    for key, slope in kb.compile(kb.grad(loss))(layer.state_dict(), X).items():
        np.testing.assert_allclose(slope, both[key], rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(each[key].sum(axis=0), both[key], rtol=1e-11, atol=1e-14)


@EVERY
def test_a_sequence_may_be_read_in_pieces(name: str) -> None:
    layer = made(name, num_layers=2)
    whole = values(layer(X))
    first, state = layer(X[:, :3])
    rest, last = layer(X[:, 3:], state)
    np.testing.assert_allclose(np.concatenate([first.numpy(), rest.numpy()], axis=1), whole[0], rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(values((rest, last))[1], whole[1], rtol=1e-10, atol=1e-13)
    empty = layer(X[:, :0])
    assert values(empty)[0].shape == (2, 0, 5)
    assert not values(empty)[1].any()


def test_recurrent_layers_keep_the_precision() -> None:
    for name in RECURRENT:
        ys, *lasts = values(RECURRENT[name]()(X.astype(np.float32)))
        assert {a.dtype for a in (ys, *lasts)} == {np.dtype(np.float32)}


def test_recurrent_layers_refuse() -> None:
    with pytest.raises(kb.ShapeError, match=r"GRU: expected an input of shape \(batch, time, 3\)"):
        nn.GRU(3, 5)(np.ones((2, 4, 4)))
    with pytest.raises(kb.ShapeError, match=r"the state h of shape \(1, 2, 5\), got \(2, 5\)"):
        nn.RNN(3, 5)(X, np.ones((2, 5)))
    for after in (nn.Linear(5, 1), nn.GRU(5, 1), nn.Sigmoid()):
        with pytest.raises(kb.ShapeError, match=r"expected one array, got a tuple of 2.*lambda r"):
            nn.Sequential(nn.RNN(3, 5), after)(X[:1, :1])
    with pytest.raises(kb.UsageError, match=r"a tuple \(h, c\)"):
        nn.LSTM(3, 5)(X, np.ones((1, 2, 5)))
    with pytest.raises(kb.UsageError, match="'tanh' or 'relu', got 2"):
        nn.RNN(3, 5, 2)
    with pytest.raises(kb.UsageError, match="LSTM: expected hidden_size to be a positive integer, got 0"):
        nn.LSTM(3, 0)


# Embedding


def test_an_embedding_looks_up_rows_and_adds_up_their_gradients() -> None:
    layer = nn.Embedding(4, 2).astype(float)
    index = np.array([[1, 3], [1, 1]], np.int32)
    y = layer(index)
    np.testing.assert_array_equal(y.numpy(), layer.weight.numpy()[index])
    weights = RNG.normal(size=y.shape)
    (y * weights).sum().backward()
    expected = np.zeros((4, 2))
    np.add.at(expected, index, weights)
    np.testing.assert_allclose(layer.weight.grad, expected)
    f = lambda w: functional_call(layer, {"weight": w}, index) ** 2
    assert kb.check_grads(f, layer.weight.numpy(), order=2).ok
    np.testing.assert_array_equal(kb.vmap(layer)(index).numpy(), y.numpy())
    assert layer(2).shape == (2,)
    drawn = nn.Embedding(300, 200).weight.numpy()
    assert abs(drawn.std() - 1) < 0.02


def test_an_index_out_of_range_is_refused_before_anything_is_looked_up() -> None:
    model = nn.Sequential(table=nn.Embedding(5, 2))
    for run in (model, kb.compile(model)):
        for wrong in ([[0, 1], [5, 0]], [[0, 0], [-1, 2]]):
            with pytest.raises(IndexError, match=r"index -?\d at \(1, 0\) is outside 0 to 4; the table has 5 rows"):
                run(np.array(wrong))
    with pytest.raises(kb.LabelError, match="table: index"):
        model([7])
    with pytest.raises(kb.DTypeError, match=r"table: expected integers.*float64"):
        model([1.0])


def test_integer_inputs_stay_integers_for_a_table() -> None:
    model = nn.Sequential(nn.Embedding(20, 3), nn.Flatten(), nn.Linear(6, 2))
    index = np.random.default_rng(1).integers(0, 20, (64, 2))
    t = (index[:, 0] + index[:, 1] > 19).astype(int)
    history = kb.fit(model, (index, t), loss="cross_entropy", optimizer=kb.optim.Adam(lr=0.05), epochs=40)
    assert history.grad_check.ok
    assert kb.evaluate(model, (index, t), "accuracy") == 1.0
    assert model.predict(index).dtype == np.float32
    assert nn.Linear(2, 1).predict(index).dtype == np.float32


# Attention


def attention(p: Any, q: Any, k: Any, v: Any, heads: int, hidden: Any = None) -> Any:
    """One batch element at a time, one head at a time."""
    n = q.shape[-1]
    d = n // heads
    q, k, v = (
        x @ p["in_proj_weight"][:, i * n : (i + 1) * n] + p["in_proj_bias"][i * n : (i + 1) * n]
        for i, x in enumerate((q, k, v))
    )
    found, seen = [], []
    for h in range(heads):
        part = slice(h * d, (h + 1) * d)
        scores = q[:, part] @ k[:, part].T / np.sqrt(d)
        shares = np.exp(scores) * (1.0 if hidden is None else ~hidden)
        shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
        found.append(shares @ v[:, part])
        seen.append(shares)
    return np.concatenate(found, axis=1) @ p["out_proj.weight"] + p["out_proj.bias"], np.mean(seen, axis=0)


Q, K, V = RNG.normal(size=(3, 2, 4, 6))


def heads(**more: Any) -> Any:
    layer = nn.MultiheadAttention(6, 2, **more).init(2).astype(float)
    if layer.bias:
        layer.in_proj_bias.assign(np.random.default_rng(1).normal(size=18))
    return layer


def test_attention_head_by_head() -> None:
    layer = heads()
    y, weights = layer(Q, K[:, :3], V[:, :3], need_weights=True)
    assert (y.shape, weights.shape) == ((2, 4, 6), (2, 4, 3))
    for b in range(2):
        expected = attention(layer.state_dict(), Q[b], K[b, :3], V[b, :3], 2)
        np.testing.assert_allclose(y.numpy()[b], expected[0], rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(weights.numpy()[b], expected[1], rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(layer(Q[0], K[0], V[0]).numpy(), layer(Q, K, V).numpy()[0], rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(layer(Q).numpy(), layer(Q, Q.copy(), Q.copy()).numpy(), rtol=1e-10, atol=1e-13)


def test_masks_hide() -> None:
    layer = heads(causal=True)
    expected = [attention(layer.state_dict(), q, q, q, 2, ~np.tri(4, dtype=bool))[0] for q in Q]
    np.testing.assert_allclose(layer(Q).numpy(), expected, rtol=1e-10, atol=1e-13)
    layer.causal = False
    np.testing.assert_allclose(layer(Q, attn_mask=~np.tri(4, dtype=bool)).numpy(), expected, rtol=1e-10, atol=1e-13)
    added = np.where(np.tri(4), 0.0, -np.inf)
    np.testing.assert_allclose(layer(Q, attn_mask=added).numpy(), expected, rtol=1e-10, atol=1e-13)
    padding = np.array([[False, False, True, True], [False, False, False, False]])
    y = layer(Q, key_padding_mask=padding).numpy()
    np.testing.assert_allclose(y[0], layer(Q[0], Q[0, :2]).numpy(), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(y[1], layer(Q[1]).numpy(), rtol=1e-10, atol=1e-13)


def test_a_query_that_sees_nothing_gets_zeros_and_no_gradient() -> None:
    layer = heads()
    mask = np.zeros((4, 4), bool)
    mask[1] = True
    y = layer(Q, attn_mask=mask).numpy()
    np.testing.assert_allclose(y[:, 1], np.broadcast_to(layer.out_proj.bias.numpy(), (2, 6)))
    slope = kb.grad(lambda q: layer(q, K, V, attn_mask=mask).sum())(Q)
    assert np.isfinite(slope).all()
    assert not slope[:, 1].any()


@pytest.mark.parametrize("mask", [None, "causal", "added"])
def test_attention_derivatives_batches_and_compiles(mask: str | None) -> None:
    layer = heads(causal=mask == "causal")
    added = RNG.normal(size=(4, 4)) if mask == "added" else None
    f = lambda p, q, k: functional_call(layer, p, q, k, attn_mask=added)
    assert kb.check_grads(f, layer.state_dict(), Q, K).ok
    assert kb.check_grads(lambda q: f(layer.state_dict(), q, q), Q[:1], order=2).ok
    expected = layer(Q, K, attn_mask=added).numpy()
    np.testing.assert_allclose(
        kb.vmap(lambda q, k: layer(q, k, attn_mask=added))(Q, K).numpy(), expected, rtol=1e-10, atol=1e-13
    )
    np.testing.assert_allclose(
        kb.compile(lambda q, k: layer(q, k, attn_mask=added))(Q, K), expected, rtol=1e-10, atol=1e-13
    )


@pytest.mark.parametrize("bias", [True, False])
def test_attention_agrees_with_pytorch(bias: bool) -> None:
    torch = pytest.importorskip("torch")
    layer = heads(bias=bias)
    theirs = torch.nn.MultiheadAttention(6, 2, bias=bias, batch_first=True).double()
    theirs.load_state_dict({key: torch.tensor(v.T.copy()) for key, v in layer.state_dict().items()})
    padding = np.array([[False, False, False, True], [False] * 4])
    q, k, v = (torch.tensor(a, requires_grad=True) for a in (Q, K, V))
    mask = ~np.tri(4, dtype=bool)
    y, weights = theirs(q, k, v, attn_mask=torch.tensor(mask), key_padding_mask=torch.tensor(padding))
    (y**2).sum().backward()
    ours = [kb.tensor(a, requires_grad=True) for a in (Q, K, V)]
    found, seen = layer(*ours, attn_mask=mask, key_padding_mask=padding, need_weights=True)
    (found**2).sum().backward()
    np.testing.assert_allclose(found.numpy(), y.detach().numpy(), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(seen.numpy(), weights.detach().numpy(), rtol=1e-10, atol=1e-13)
    for a, b in zip(ours, (q, k, v)):
        np.testing.assert_allclose(a.grad, b.grad.numpy(), rtol=1e-9, atol=1e-12)
    for key, p in theirs.named_parameters():
        np.testing.assert_allclose(dict(layer.named_parameters())[key].grad, p.grad.numpy().T, rtol=1e-9, atol=1e-12)


def test_attention_drops_weights_in_training_only() -> None:
    layer = heads(dropout=0.5)
    assert not np.allclose(layer(Q).numpy(), layer(Q).numpy())
    layer.eval()
    np.testing.assert_array_equal(layer(Q).numpy(), layer(Q).numpy())


def test_attention_refuses() -> None:
    layer = heads()
    for wrong, says in (
        (lambda: nn.MultiheadAttention(6, 4), "multiple of num_heads, got 6 and 4"),
        (lambda: nn.MultiheadAttention(0, 1), "embed_dim to be a positive integer"),
        (lambda: layer(np.ones((2, 4, 5))), r"a query of shape \(batch, length, 6\)"),
        (lambda: layer(Q, K, V[:, :2]), "as many values as keys"),
        (lambda: layer(Q, attn_mask=np.ones((3, 3), bool)), r"broadcasts to \(2, 2, 4, 4\), got \(3, 3\)"),
        (
            lambda: layer(Q, key_padding_mask=np.zeros((2, 4), int)),
            "key_padding_mask holds int64, expected truth values",
        ),
    ):
        with pytest.raises(kb.KoubaiError, match=says):
            wrong()


# Training


class LastState(nn.Module):
    """Reads a sequence and judges it by the state that it leaves."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.head = nn.Linear(layer.hidden_size, 2, dtype=np.float64)

    def forward(self, x: Any) -> Any:
        return self.head(self.layer(x)[0][:, -1])


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_fit_trains_recurrent_networks(kind: Any) -> None:
    x = np.random.default_rng(1).normal(size=(96, 6, 1))
    t = (x[:, 0, 0] * x[:, 5, 0] > 0).astype(int)  # the first step must be remembered until the last
    model = LastState(kind(1, 12, dtype=np.float64)).init(0)
    history = kb.fit(model, (x, t), loss="cross_entropy", optimizer=kb.optim.Adam(lr=0.03), epochs=30)
    assert history.grad_check.max_error < 1e-6
    assert history.history["loss"][-1] < 0.4 < 0.6 < history.history["loss"][0]


def test_fit_trains_attention() -> None:
    tokens = np.random.default_rng(1).integers(0, 6, (96, 5))
    t = (tokens == 3).any(axis=1).astype(int)
    model = nn.Sequential(
        nn.Embedding(6, 8), nn.MultiheadAttention(8, 2), lambda x: x.mean(axis=1), nn.Linear(8, 2)
    ).init(0)
    history = kb.fit(model, (tokens, t), loss="cross_entropy", optimizer=kb.optim.Adam(lr=0.02), epochs=30)
    assert history.history["loss"][-1] < 0.2
