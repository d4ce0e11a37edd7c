"""Every layer, activation, loss and optimizer: the compiled step is the interpreted one, in both precisions.

What compiled and interpreted may differ by are the tolerances of `kb.verify_step`: 1e-9 in float64, 1e-4 in float32,
relative to the root mean square of a gradient, or to how far a parameter moves.
"""

from __future__ import annotations

import numpy as np
import pytest

import koubai as kb
import koubai.numpy as knp
from koubai import nn, optim
from koubai.nn import losses
from koubai.optim.optimizer import Stepping
from optimizer_cases import CASES

RNG = np.random.default_rng(0)
N = 8
X = RNG.normal(size=(N, 6))
Y = RNG.normal(size=(N, 3))
LABELS = RNG.integers(0, 3, N)
SIGNS = np.where(Y > 0, 1.0, -1.0)
SHARES = np.abs(Y) / np.abs(Y).sum(axis=1, keepdims=True)
PRECISIONS = pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])


def verify(model, data=(X, Y), dtype=np.float64, **options):
    defaults = {"loss": "mse", "optimizer": optim.SGD(lr=0.1), "batch_size": 3, "step": 3, "count": 6}
    report = kb.verify_step(model.init(1).astype(dtype), data, **{**defaults, **options})
    assert report.ok
    assert report.compiled, report.reason
    assert report.rtol == {8: 1e-9, 4: 1e-4}[np.dtype(dtype).itemsize]
    assert sum(row.checked for row in report.rows) == options.get("count", 6)
    return report


def network(*middle, width=5, out=None):
    return nn.Sequential(nn.Linear(6, width), *middle, nn.Linear(out or width, 3))


# Activations

ACTIVATIONS = {
    name: getattr(nn, name)
    for name in nn.__all__
    if isinstance(getattr(nn, name), type) and getattr(nn, name).__module__ == "koubai.nn.activations"
} | {"Threshold": lambda: nn.Threshold(0.1, 2.0)}


class Each(nn.Module):
    """Every activation on columns of its own, side by side."""

    def __init__(self, kinds):
        self.linear = nn.Linear(6, 4 * len(kinds))
        self.kinds = nn.ModuleList([kind() for kind in kinds])
        self.out = nn.Linear(4 * len(kinds), 3)

    def forward(self, x):
        columns = knp.split(self.linear(x), len(self.kinds), axis=1)
        parts = [f(u) for f, u in zip(self.kinds, columns)]
        return self.out(knp.concatenate([knp.pad(p, ((0, 0), (0, 4 - p.shape[1]))) for p in parts], axis=1))


@PRECISIONS
def test_every_activation(dtype):
    assert len(ACTIVATIONS) > 25
    assert verify(Each(ACTIVATIONS.values()), dtype=dtype).callbacks == {}


# Losses

LOSSES = {
    "binary_cross_entropy": ((Y > 0) * 1.0, "binary_cross_entropy"),
    "binary_cross_entropy weighted": (
        (Y > 0) * 1.0,
        lambda y, t: losses.binary_cross_entropy(y, t, pos_weight=2.0),
    ),
    "cosine_embedding": (
        SIGNS[:, 0],
        lambda y, t: losses.cosine_embedding(y, y[:, ::-1] * np.array([1.0, 2.0, 3.0], y.dtype), t),
    ),
    "cross_entropy": (LABELS, "cross_entropy"),
    "cross_entropy of shares": (SHARES, "cross_entropy"),
    "cross_entropy smoothed and weighted": (
        LABELS,
        lambda y, t: losses.cross_entropy(y, t, label_smoothing=0.1, weight=np.array([1.0, 2.0, 0.5], y.dtype)),
    ),
    "gaussian_nll": (Y, lambda y, t: losses.gaussian_nll(y, t, knp.exp(y[:, ::-1]))),
    "hinge": (SIGNS, "hinge"),
    "hinge_embedding": (SIGNS, "hinge_embedding"),
    "huber": (Y, "huber"),
    "kl_div": (SHARES, lambda y, t: losses.kl_div(nn.log_softmax(y), t)),
    "mae": (Y, "mae"),
    "margin_ranking": (SIGNS[:, 0], lambda y, t: losses.margin_ranking(y[:, 0], y[:, 1], t)),
    "mse": (Y, "mse"),
    "multi_margin": (LABELS, "multi_margin"),
    "nll": (LABELS, lambda y, t: losses.nll(nn.log_softmax(y), t)),
    "poisson_nll": (np.abs(Y), "poisson_nll"),
    "smooth_l1": (Y, "smooth_l1"),
    "soft_margin": (SIGNS, "soft_margin"),
    "triplet_margin": (Y, lambda y, t: losses.triplet_margin(y, t, y[:, ::-1])),
}


def test_no_loss_is_forgotten():
    assert {name.split()[0] for name in LOSSES} == set(losses.__all__)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss(name):
    t, loss = LOSSES[name]
    for dtype in (np.float64, np.float32):
        assert verify(nn.Linear(6, 3), (X, t), dtype, loss=loss).callbacks == {}


def test_a_loss_may_read_the_models_parameters():
    model = network(nn.Tanh())
    verify(model, loss=lambda y, t: losses.mse(y, t) + 0.1 * knp.sum(model[0].weight ** 2))


def test_parameters_reached_past_the_model_are_left_to_the_interpreter():
    model = network(nn.Tanh())
    weight = model[0].weight
    report = kb.verify_step(model, (X, Y), loss=lambda y, t: losses.mse(y, t) + 0.1 * knp.sum(weight**2))
    assert not report.compiled
    assert "parameter 0.weight is used through a variable" in report.reason


# Layers

IMAGES, ROWS, SEQUENCES = RNG.normal(size=(N, 2, 6, 6)), RNG.normal(size=(N, 2, 8)), RNG.normal(size=(N, 4, 3))


class Last(nn.Module):
    """The last output of a recurrent layer."""

    def __init__(self, cell):
        self.cell = cell

    def forward(self, x):
        return self.cell(x)[0][:, -1]


class Attention(nn.Module):
    def __init__(self):
        self.into, self.attention, self.out = nn.Linear(3, 4), nn.MultiheadAttention(4, 2), nn.Linear(4, 3)

    def forward(self, x):
        h = self.into(x)
        y = self.attention(h, h, h)
        return self.out(knp.mean(y[0] if isinstance(y, tuple) else y, axis=1))


class Shared(nn.Module):
    """One layer twice; one whose parameters get no gradient."""

    def __init__(self):
        self.twice, self.out, self.idle = nn.Linear(6, 6), nn.Linear(6, 3), nn.Linear(2, 2)

    def forward(self, x):
        return self.out(self.twice(nn.tanh(self.twice(x))))


class Square(kb.Function):
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, g):
        return 2 * self.x * g


def images(*layers, out):
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(out, 3)), IMAGES


LAYERS = {
    "AvgPool1d MaxPool1d Conv1d": lambda: (
        nn.Sequential(nn.Conv1d(2, 3, 3), nn.MaxPool1d(2), nn.AvgPool1d(3), nn.Flatten(), nn.Linear(3, 3)), ROWS),
    "BatchNorm1d": lambda: (network(nn.BatchNorm1d(5), nn.ReLU()), X),
    "BatchNorm2d Conv2d MaxPool2d": lambda: images(
        nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.MaxPool2d(2), out=27),
    "Conv2d AvgPool2d": lambda: images(nn.Conv2d(2, 3, 3, stride=2, bias=False), nn.AvgPool2d(2), out=3),
    "Conv2d GlobalAvgPool Flatten": lambda: images(nn.Conv2d(2, 3, 2), nn.GlobalAvgPool(), out=3),
    "Dropout": lambda: (network(nn.Dropout(0.4)), X),
    "Embedding": lambda: (
        nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(8, 3)), RNG.integers(0, 9, (N, 2))),
    "GroupNorm": lambda: (network(nn.GroupNorm(2, 4), width=4), X),
    "GRU": lambda: (nn.Sequential(Last(nn.GRU(3, 4)), nn.Linear(4, 3)), SEQUENCES),
    "Identity Lambda Linear Sequential": lambda: (network(nn.Identity(), nn.Lambda(knp.sin)), X),
    "LayerNorm": lambda: (network(nn.LayerNorm(5)), X),
    "LSTM": lambda: (nn.Sequential(Last(nn.LSTM(3, 4)), nn.Linear(4, 3)), SEQUENCES),
    "ModuleDict ModuleList shared and idle": lambda: (Shared(), X),
    "MultiheadAttention": lambda: (Attention(), SEQUENCES),
    "RNN in two directions": lambda: (
        nn.Sequential(Last(nn.RNN(3, 2, num_layers=2, bidirectional=True)), nn.Linear(4, 3)), SEQUENCES),
    "a Function": lambda: (network(lambda x: Square()(x)), X),
    "frozen": lambda: (network(nn.Tanh()).freeze("0.weight"), X),
}  # fmt: skip


def test_no_layer_is_forgotten():
    kinds = {name for name in nn.__all__ if isinstance(getattr(nn, name), type) and name not in ACTIVATIONS}
    assert {k for k in kinds if issubclass(getattr(nn, k), nn.Module)} - {"Module"} <= set(" ".join(LAYERS).split())


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer(name):
    for dtype in (np.float64, np.float32):
        model, x = LAYERS[name]()
        report = verify(model, (x, Y), dtype)
        assert {"a Function": {"Square": 1, "Square.backward": 1}}.get(name, {}) == report.callbacks
        buffers = [row.name for row in report.rows if row.gradient is None]
        assert bool(buffers) == any(word in name for word in ("BatchNorm", "Dropout", "Attention"))


# Optimizers


class Several(Stepping):
    """Optimizers side by side, each for the parameters under a number of its own."""

    def __init__(self, optimizers):
        self.optimizers = optimizers

    @staticmethod
    def parts(tree):
        found = {}
        for name, value in tree.items():
            found.setdefault(int(name.split(".")[1]), {})[name] = value
        return found

    def init(self, params):
        return {k: self.optimizers[k].init(part) for k, part in self.parts(params).items()}

    def update(self, grads, state, params):
        moved, after, slopes = {}, {}, self.parts(grads)
        for k, part in self.parts(params).items():
            new, after[k] = self.optimizers[k].update(slopes[k], state[k], part)
            moved |= new
        return moved, after


class Columns(nn.Module):
    """Networks side by side whose outputs are added."""

    def __init__(self, count):
        self.parts = nn.ModuleList([nn.Linear(6, 3) for _ in range(count)])

    def forward(self, x):
        return sum((nn.tanh(part(x)) for part in self.parts), start=0.0)


OPTIMIZERS = [(kind, options) for kind, cases in CASES.items() for options in cases]


def test_no_optimizer_is_forgotten():
    kinds = {name for name in optim.__all__ if isinstance(getattr(optim, name), type)}
    assert kinds - {"Accumulated", "Clipped", "LBFGS", "Optimizer"} == set(CASES)


@pytest.mark.parametrize(("dtype", "step"), [(np.float64, 3), (np.float32, 1)])
def test_every_optimizer(dtype, step):
    """At a step where memories are zero, and at one where they are not."""
    several = Several([getattr(optim, kind)(**options) for kind, options in OPTIMIZERS])
    report = verify(Columns(len(OPTIMIZERS)), dtype=dtype, optimizer=several, step=step, count=len(OPTIMIZERS))
    assert report.callbacks == {}


class Swapping(optim.SGD):
    """Its memories take each other's places, and hold what the parameter was, in another shape."""

    def slots(self, p, h):
        return {
            "a": np.ones(p.shape),
            "b": np.full(p.shape, 2.0),
            "turned": np.zeros(p.shape),
            "flat": np.zeros(p.size),
        }

    def rule(self, p, g, slots, t, h):
        a, b = slots["a"], slots["b"]
        turned = knp.flip(slots["turned"]) + g
        return p - h.lr * a * g, {"a": b + 1.0, "b": knp.reshape(knp.ravel(a), p.shape), "turned": turned,
                                  "flat": knp.reshape(p, -1)}  # fmt: skip


SCHEDULE = optim.schedules.Cosine(0.1, 5)
STEPS = {
    "accumulated": {"optimizer": optim.Accumulated(optim.Adam(lr=0.1), n=2)},
    "accumulated in between": {"optimizer": optim.Accumulated(optim.Adam(lr=0.1), n=3), "step": 4},
    "batches accumulated": {"accumulate": 2, "batch_size": 2, "step": 2},
    "an odd last batch accumulated": {"accumulate": 2, "batch_size": 5, "step": 2},
    "clipped": {"clip": 0.01, "optimizer": "adam"},
    "clipped by a function": {"clip": lambda grads: optim.clip_by_value(grads, 0.01)},
    "clipped inside": {"optimizer": optim.Clipped(optim.RMSprop(), max_norm=0.01)},
    "groups": {"optimizer": optim.AdamW(groups={"*.bias": {"weight_decay": 0.0, "lr": 0.5}, "0.*": {"lr": SCHEDULE}})},
    "a schedule": {"optimizer": optim.Adam(lr=SCHEDULE), "step": 4},
    "warming up": {"optimizer": optim.SGD(lr=lambda step: 0.1 * knp.minimum(1.0, (step + 1) / 4)), "step": 3},
    "memories that change places": {"optimizer": Swapping(lr=0.1)},
    "a plateau": {"optimizer": optim.SGD(lr=optim.schedules.ReduceOnPlateau(0.1, patience=1)), "step": 4},
}


@pytest.mark.parametrize("name", STEPS)
def test_every_kind_of_step(name):
    verify(network(nn.BatchNorm1d(5), nn.Tanh(), nn.Dropout(0.3)), **STEPS[name])
