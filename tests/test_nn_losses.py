"""Losses: values by hand, derivatives, stability, refusals, and agreement with PyTorch where it is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import koubai as kb
from koubai import nn
from koubai.nn import losses

RNG = np.random.default_rng(0)
Y, T = RNG.normal(size=(6, 4)), RNG.normal(size=(6, 4))
LABELS = np.array([0, 3, 1, 1, 2, 0])
P = RNG.dirichlet(np.ones(4), size=6)
SIGNS = np.where(RNG.random((6, 4)) < 0.5, -1.0, 1.0)
PAIRS = np.array([1, -1, 1, 1, -1, -1])
COUNTS = RNG.poisson(2.0, size=(6, 4))
WEIGHT = np.array([1.0, 2.0, 0.5, 3.0])


def log_p(y: Any) -> Any:
    return np.log(np.exp(y) / np.exp(y).sum(axis=1, keepdims=True))


def chosen(x: Any) -> Any:
    return x[np.arange(6), LABELS]


D = Y - T

# name: the loss of Y, and its value for each element or example, written out.
CASES: dict[str, tuple[Any, Any]] = {
    "mse": (lambda y, **o: losses.mse(y, T, **o), D**2),
    "mae": (lambda y, **o: losses.mae(y, T, **o), abs(D)),
    "huber": (
        lambda y, **o: losses.huber(y, T, delta=0.7, **o),
        np.where(abs(D) <= 0.7, D**2 / 2, 0.7 * (abs(D) - 0.35)),
    ),
    "smooth_l1": (
        lambda y, **o: losses.smooth_l1(y, T, beta=0.7, **o),
        np.where(abs(D) < 0.7, D**2 / 1.4, abs(D) - 0.35),
    ),
    "cross_entropy": (lambda y, **o: losses.cross_entropy(y, LABELS, **o), -chosen(log_p(Y))),
    "cross_entropy, probabilities": (
        lambda y, **o: losses.cross_entropy(y, P, **o),
        -(P * log_p(Y)).sum(axis=1),
    ),
    "cross_entropy, smoothed": (
        lambda y, **o: losses.cross_entropy(y, LABELS, label_smoothing=0.2, **o),
        -0.8 * chosen(log_p(Y)) - 0.2 * log_p(Y).mean(axis=1),
    ),
    "nll": (lambda y, **o: losses.nll(y, LABELS, **o), -chosen(Y)),
    "binary_cross_entropy": (
        lambda y, **o: losses.binary_cross_entropy(y, P, **o),
        -P * np.log(1 / (1 + np.exp(-Y))) - (1 - P) * np.log(1 / (1 + np.exp(Y))),
    ),
    "kl_div": (lambda y, **o: losses.kl_div(y, P, **o), P * (np.log(P) - Y)),
    "kl_div, logarithms": (lambda y, **o: losses.kl_div(y, T, log_target=True, **o), np.exp(T) * (T - Y)),
    "poisson_nll": (lambda y, **o: losses.poisson_nll(y, COUNTS, **o), np.exp(Y) - COUNTS * Y),
    "poisson_nll, rate": (
        lambda y, **o: losses.poisson_nll(y * y + 1, COUNTS, log_input=False, **o),
        Y**2 + 1 - COUNTS * np.log(Y**2 + 1 + 1e-8),
    ),
    "gaussian_nll": (
        lambda y, **o: losses.gaussian_nll(y, T, P, full=True, **o),
        (np.log(2 * np.pi * P) + D**2 / P) / 2,
    ),
    "hinge": (lambda y, **o: losses.hinge(y, SIGNS, **o), np.maximum(0, 1 - SIGNS * Y)),
    "soft_margin": (lambda y, **o: losses.soft_margin(y, SIGNS, **o), np.log(1 + np.exp(-SIGNS * Y))),
    "hinge_embedding": (
        lambda y, **o: losses.hinge_embedding(y, SIGNS, **o),
        np.where(SIGNS == 1, Y, np.maximum(0, 1 - Y)),
    ),
    "margin_ranking": (
        lambda y, **o: losses.margin_ranking(y, T, SIGNS, margin=0.3, **o),
        np.maximum(0, 0.3 - SIGNS * D),
    ),
    "multi_margin": (
        lambda y, **o: losses.multi_margin(y, LABELS, **o),
        (np.maximum(0, 1 - chosen(Y)[:, None] + Y).sum(axis=1) - 1) / 4,
    ),
    "multi_margin, squared": (
        lambda y, **o: losses.multi_margin(y, LABELS, p=2, weight=WEIGHT, **o),
        WEIGHT[LABELS] * ((np.maximum(0, 1 - chosen(Y)[:, None] + Y) ** 2).sum(axis=1) - 1) / 4,
    ),
    "cosine_embedding": (
        lambda y, **o: losses.cosine_embedding(y, T, PAIRS, margin=-0.5, **o),
        np.where(
            PAIRS == 1,
            1 - (Y * T).sum(1) / np.sqrt((Y**2).sum(1) * (T**2).sum(1)),
            np.maximum(0, (Y * T).sum(1) / np.sqrt((Y**2).sum(1) * (T**2).sum(1)) + 0.5),
        ),
    ),
    "triplet_margin": (
        lambda y, **o: losses.triplet_margin(y, T, P, **o),
        np.maximum(0, np.sqrt(((D + 1e-6) ** 2).sum(1)) - np.sqrt(((Y - P + 1e-6) ** 2).sum(1)) + 1),
    ),
    "triplet_margin, swapped": (
        lambda y, **o: losses.triplet_margin(y, T, P, p=1, swap=True, **o),
        np.maximum(
            0,
            abs(D + 1e-6).sum(1) - np.minimum(abs(Y - P + 1e-6).sum(1), abs(T - P + 1e-6).sum(1)) + 1,
        ),
    ),
}  # fmt: skip
EVERY = pytest.mark.parametrize("name", list(CASES))


@EVERY
def test_values_and_reductions(name: str) -> None:
    loss, expected = CASES[name]
    np.testing.assert_allclose(loss(Y, reduction="none"), expected, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(loss(Y, reduction="sum"), expected.sum(), rtol=1e-11)
    np.testing.assert_allclose(loss(Y), expected.mean(), rtol=1e-11)
    with pytest.raises(kb.UsageError, match="reduction 'mean', 'sum' or 'none', got 'average'"):
        loss(Y, reduction="average")


@EVERY
def test_derivatives_of_both_orders(name: str) -> None:
    assert kb.check_grads(CASES[name][0], Y, order=2).ok


@EVERY
def test_the_prediction_decides_the_dtype(name: str) -> None:
    loss = CASES[name][0]
    value, slope = kb.value_and_grad(loss)(Y.astype(np.float32))
    assert value.dtype == slope.dtype == np.float32
    np.testing.assert_allclose(value, loss(Y), rtol=1e-5)


def test_known_numbers() -> None:
    logits, labels = [[2.0, 1.0, 0.1]], [0]
    assert float(losses.cross_entropy(logits, labels)) == pytest.approx(0.4170300162778335, rel=1e-14)
    assert float(losses.binary_cross_entropy([1.5], [0])) == pytest.approx(1.7014132779827524, rel=1e-14)
    slopes = kb.grad(losses.cross_entropy)(np.array(logits), labels)
    np.testing.assert_allclose(slopes, [[0.6590011388859679 - 1, 0.2424329707047139, 0.0985658904093182]], rtol=1e-14)
    slope = kb.grad(losses.binary_cross_entropy)(np.array([1.5]), [0])
    assert slope.item() == pytest.approx(0.8175744761936437, rel=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_logits_cost_what_they_should(dtype) -> None:  # type: ignore[no-untyped-def]
    logits = np.array([[1e3, -1e3], [-1e3, 1e3], [1e3, 999.0]], dtype)
    value, slope = kb.value_and_grad(lambda u: losses.cross_entropy(u, [0, 0, 1], reduction="sum"))(logits)
    np.testing.assert_allclose(value, 2000 + np.log(1 + np.e), rtol=1e-6)
    third = 1 / (1 + np.exp(-1))
    np.testing.assert_allclose(slope, [[0, 0], [-1, 1], [third, -third]], rtol=1e-6, atol=1e-30)
    value, slope = kb.value_and_grad(lambda u: losses.binary_cross_entropy(u, [1, 0, 1, 0], reduction="sum"))(
        np.array([1e3, 1e3, -1e3, -1e3], dtype)
    )
    assert value == 2000
    assert slope.tolist() == [0, 1, -1, 0]
    assert losses.cross_entropy(np.array([[0.0, -np.inf]], dtype), [[1.0, 0.0]]) == 0
    for name in ("mse", "mae", "huber", "smooth_l1", "hinge", "soft_margin", "multi_margin", "cosine_embedding"):
        value, slope = kb.value_and_grad(CASES[name][0])(np.where(SIGNS > 0, 1e3, -1e3).astype(dtype))
        assert np.isfinite(value), name
        assert np.isfinite(slope).all(), name


def test_class_weights_ignored_labels_and_smoothing_together() -> None:
    labels = np.array([0, 3, -1, 1, 2, -1])
    kept = labels >= 0
    w = WEIGHT[labels[kept]]
    nll = -log_p(Y)[kept, labels[kept]]
    got = losses.cross_entropy(Y, labels, weight=WEIGHT, ignore_index=-1)
    np.testing.assert_allclose(got, (w * nll).sum() / w.sum(), rtol=1e-12)
    np.testing.assert_allclose(losses.cross_entropy(Y, labels, ignore_index=-1), nll.mean(), rtol=1e-12)
    each = losses.cross_entropy(Y, labels, weight=WEIGHT, ignore_index=-1, reduction="none")
    np.testing.assert_allclose(each[kept], w * nll, rtol=1e-12)
    assert each[~kept].tolist() == [0, 0]
    slope = kb.grad(lambda y: losses.cross_entropy(y, labels, ignore_index=-1))(Y)
    assert not slope[~kept].any()


def test_one_example_and_classes_on_the_second_axis() -> None:
    one = losses.cross_entropy(Y[2], LABELS[2])
    np.testing.assert_allclose(one, -log_p(Y)[2, 1], rtol=1e-12)
    maps = RNG.normal(size=(2, 4, 3, 5))
    labels = RNG.integers(0, 4, size=(2, 3, 5))
    flat = losses.cross_entropy(maps.transpose(0, 2, 3, 1).reshape(-1, 4), labels.ravel())
    np.testing.assert_allclose(losses.cross_entropy(maps, labels), flat, rtol=1e-12)


def test_gradients_of_single_examples() -> None:
    each = kb.vmap(kb.grad(losses.cross_entropy))(Y, LABELS)
    together = kb.grad(lambda y: losses.cross_entropy(y, LABELS, reduction="sum"))(Y)
    np.testing.assert_allclose(each, together, rtol=1e-12)
    with pytest.raises(kb.LabelError, match="label 4 in row 1 is outside 0 to 3; labels number the 4 classes"):
        kb.vmap(losses.cross_entropy)(Y, np.array([0, 4, 1, 1, 2, 0]))


def test_positive_weights() -> None:
    got = losses.binary_cross_entropy(Y, P, pos_weight=WEIGHT, weight=np.arange(6.0)[:, None], reduction="none")
    want = -WEIGHT * P * np.log(1 / (1 + np.exp(-Y))) - (1 - P) * np.log(1 / (1 + np.exp(Y)))
    np.testing.assert_allclose(got, np.arange(6.0)[:, None] * want, rtol=1e-12)


def test_distributions_at_their_limits() -> None:
    p, q = np.array([[0.0, 1.0]]), np.array([[-np.inf, 0.0]])
    assert losses.kl_div(q, p) == 0
    assert losses.kl_div(np.log([[0.5, 0.5]]), p, reduction="batchmean") == np.log(2)
    full = losses.poisson_nll([0.0, 0.0], [0, 5], full=True, reduction="none")
    np.testing.assert_allclose(full, [1, 1 + 5 * np.log(5) - 5 + np.log(10 * np.pi) / 2], rtol=1e-14)
    assert kb.grad(lambda v: losses.gaussian_nll([1.0], [1.0], v))(np.array([0.0])) == 0
    np.testing.assert_allclose(losses.gaussian_nll(Y, T, 4.0), (np.log(4) + D**2 / 4).mean() / 2, rtol=1e-14)
    assert losses.cosine_embedding([[0.0, 0.0]], [[1.0, 0.0]], [1]) == 1


BAD_LABELS = np.array([0, 3, 4, 1, 2, 0])


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: losses.cross_entropy(Y, BAD_LABELS), IndexError, "cross_entropy: label 4 in row 2 is outside 0 to 3"),
        (lambda: losses.cross_entropy(Y, BAD_LABELS - 1), ValueError, "label -1 in row 0"),
        (lambda: losses.cross_entropy(Y, LABELS[:, None]), kb.ShapeError, r"got \(6, 1\); write labels\.reshape\(6,\)"),
        (lambda: losses.cross_entropy(Y, LABELS * 1.0), kb.DTypeError, r"integer labels, got float64; .*astype\(int\)"),
        (lambda: losses.cross_entropy(Y, np.eye(4, dtype=int)[LABELS]), kb.ShapeError, "must be floating point"),
        (lambda: losses.cross_entropy(Y, P * 2), kb.LabelError, "probability .* at .* is outside 0 to 1"),
        (lambda: losses.cross_entropy(Y, P, ignore_index=0), kb.UsageError, "not for probabilities"),
        (lambda: losses.cross_entropy(Y, LABELS, weight=[1.0]), kb.ShapeError, "4 class weights"),
        (lambda: losses.cross_entropy(Y, LABELS, label_smoothing=2), kb.UsageError, "from 0 to 1"),
        (lambda: losses.cross_entropy(3.0, 0), kb.ShapeError, "got one number"),
        (lambda: losses.cross_entropy(Y[:0], LABELS[:0]), kb.ShapeError, "no examples"),
        (lambda: losses.binary_cross_entropy([0.0, 0.0], [1.0, 1.5]), kb.LabelError, "target 1.5 in row 1"),
        (lambda: losses.binary_cross_entropy([[0.0]], [[np.nan]]), kb.LabelError, r"target nan at \(0, 0\)"),
        (lambda: losses.binary_cross_entropy(Y, P, weight=np.ones((2, 6, 4))), kb.ShapeError, "weight to broadcast"),
        (lambda: losses.mse(Y[:, :1], T[:, 0]), kb.ShapeError, r"shape \(6, 1\), got \(6,\); reshape"),
        (lambda: losses.mse(Y, 0.0), kb.ShapeError, "predictions' shape"),
        (lambda: losses.mse(Y, T * 1j), kb.DTypeError, "real numbers"),
        (lambda: losses.huber(Y, T, delta=0), kb.UsageError, "delta > 0"),
        (lambda: losses.hinge(Y, P), kb.LabelError, r"at \(0, 0\) is not 1 and not -1"),
        (lambda: losses.multi_margin(Y, BAD_LABELS), kb.LabelError, "label 4 in row 2"),
        (lambda: losses.multi_margin(Y, LABELS[:5]), kb.ShapeError, "labels of shape"),
        (lambda: losses.multi_margin(Y, LABELS, p=3), kb.UsageError, "1 or 2"),
        (lambda: losses.poisson_nll([1.0], [-1]), kb.LabelError, "count -1.0 in row 0 is outside 0 to inf"),
        (lambda: losses.gaussian_nll(Y, T, -P), kb.LabelError, "variance"),
        (lambda: losses.gaussian_nll(Y, T, P[:, :2]), kb.ShapeError, "variance of the predictions' shape"),
        (lambda: losses.triplet_margin(Y, T, T[:5]), kb.ShapeError, "predictions' shape"),
        (lambda: losses.kl_div(np.float64(0), 1.0, reduction="batchmean"), kb.ShapeError, "at least one row"),
    ],
)  # fmt: skip
def test_refusals(call, error, says) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=says) as caught:
        call()
    assert isinstance(caught.value, kb.KoubaiError)


def as_torch(torch: Any, name: str) -> Any:
    f, t = torch.nn.functional, torch.tensor
    labels, pairs = t(LABELS), t(PAIRS)
    weight, ignored = t(WEIGHT), t(np.where(LABELS == 1, -1, LABELS))
    return {
        "huber": lambda y: (losses.huber(Y, T, delta=0.7), f.huber_loss(y, t(T), delta=0.7)),
        "smooth_l1": lambda y: (losses.smooth_l1(Y, T, beta=0.7), f.smooth_l1_loss(y, t(T), beta=0.7)),
        "cross_entropy": lambda y: (
            losses.cross_entropy(Y, ignored.numpy(), weight=WEIGHT, label_smoothing=0.3, ignore_index=-1),
            f.cross_entropy(y, ignored, weight=weight, label_smoothing=0.3, ignore_index=-1),
        ),
        "cross_entropy, sum": lambda y: (
            losses.cross_entropy(Y, LABELS, weight=WEIGHT, label_smoothing=0.3, reduction="sum"),
            f.cross_entropy(y, labels, weight=weight, label_smoothing=0.3, reduction="sum"),
        ),
        "cross_entropy, probabilities": lambda y: (
            losses.cross_entropy(Y, P, weight=WEIGHT, label_smoothing=0.3),
            f.cross_entropy(y, t(P), weight=weight, label_smoothing=0.3),
        ),
        "nll": lambda y: (losses.nll(Y, LABELS, weight=WEIGHT), f.nll_loss(y, labels, weight=weight)),
        "binary_cross_entropy": lambda y: (
            losses.binary_cross_entropy(Y, P, pos_weight=WEIGHT, weight=WEIGHT),
            f.binary_cross_entropy_with_logits(y, t(P), pos_weight=weight, weight=weight),
        ),
        "kl_div": lambda y: (
            losses.kl_div(Y, P, reduction="batchmean"),
            f.kl_div(y, t(P), reduction="batchmean"),
        ),
        "poisson_nll": lambda y: (
            losses.poisson_nll(Y, COUNTS, full=True),
            f.poisson_nll_loss(y, t(COUNTS * 1.0), full=True),
        ),
        "gaussian_nll": lambda y: (
            losses.gaussian_nll(Y, T, P, full=True),
            f.gaussian_nll_loss(y, t(T), t(P), full=True),
        ),
        "soft_margin": lambda y: (losses.soft_margin(Y, SIGNS), f.soft_margin_loss(y, t(SIGNS))),
        "hinge_embedding": lambda y: (losses.hinge_embedding(Y, SIGNS), f.hinge_embedding_loss(y, t(SIGNS))),
        "margin_ranking": lambda y: (
            losses.margin_ranking(Y, T, SIGNS, margin=0.3),
            f.margin_ranking_loss(y, t(T), t(SIGNS), margin=0.3),
        ),
        "multi_margin": lambda y: (
            losses.multi_margin(Y, LABELS, p=2, margin=0.6, weight=WEIGHT),
            f.multi_margin_loss(y, labels, p=2, margin=0.6, weight=weight),
        ),
        "cosine_embedding": lambda y: (
            losses.cosine_embedding(Y, T, PAIRS, margin=0.1),
            f.cosine_embedding_loss(y, t(T), pairs, margin=0.1),
        ),
        "triplet_margin": lambda y: (
            losses.triplet_margin(Y, T, P, p=3, swap=True),
            f.triplet_margin_loss(y, t(T), t(P), p=3, swap=True),
        ),
    }[name](torch.tensor(Y))


@pytest.mark.parametrize(
    "name",
    [
        "huber", "smooth_l1", "cross_entropy", "cross_entropy, sum", "cross_entropy, probabilities", "nll",
        "binary_cross_entropy", "kl_div", "poisson_nll", "gaussian_nll", "soft_margin", "hinge_embedding",
        "margin_ranking", "multi_margin", "cosine_embedding", "triplet_margin",
    ],
)  # fmt: skip
def test_as_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = as_torch(torch, name)
    np.testing.assert_allclose(ours, theirs.item(), rtol=1e-10)


def test_a_network_learns_by_hand_written_steps() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2)).astype(np.float32)
    labels = (x[:, 0] * x[:, 1] > 0).astype(int)
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2)).init(1)
    for _ in range(300):
        model.zero_grad()
        losses.cross_entropy(model(x), labels).backward()
        for p in model.parameters():
            p.assign(p.numpy() - p.grad)
    assert (model.predict(x).argmax(axis=1) == labels).mean() > 0.97


LOGITS = arrays(np.float64, (3, 4), elements=st.floats(-1e3, 1e3))


@given(LOGITS, st.floats(-1e3, 1e3), st.lists(st.integers(0, 3), min_size=3, max_size=3))
def test_cross_entropy_of_any_logits(logits: Any, shift: float, labels: list[int]) -> None:
    each = losses.cross_entropy(logits, labels, reduction="none")
    assert (each >= 0).all()
    shifted = losses.cross_entropy(logits + shift, labels, reduction="none")
    np.testing.assert_allclose(shifted, each, rtol=1e-9, atol=1e-9)
    slope = kb.grad(lambda u: losses.cross_entropy(u, labels, reduction="sum"))(logits)
    np.testing.assert_allclose(slope, nn.softmax(logits) - np.eye(4)[labels], atol=1e-12)
    np.testing.assert_allclose(slope.sum(axis=1), 0, atol=1e-12)


@given(LOGITS)
def test_two_classes_are_the_binary_case(logits: Any) -> None:
    pairs = np.stack([np.zeros(12), logits.ravel()], axis=1)
    two = losses.cross_entropy(pairs, np.ones(12, int), reduction="none")
    one = losses.binary_cross_entropy(logits.ravel(), np.ones(12), reduction="none")
    # A loss near 0 is the logarithm of a sum near 1, which is right to a few units of rounding at 1.
    np.testing.assert_allclose(two, one, rtol=1e-12, atol=1e-15)
