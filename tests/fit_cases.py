"""A small set of data, and a model that is trained on it."""

import numpy as np

import koubai as kb
from koubai.optim import SGD

RNG = np.random.default_rng(0)
X = RNG.normal(size=(23, 3))
LABELS = (X[:, 0] + X[:, 1] > 0).astype(int)
Y = X @ [1.0, -2.0, 0.5] + 0.3


def classifier(hidden=5, dtype=np.float64, seed=0):
    return kb.nn.Sequential(
        kb.nn.Linear(3, hidden, dtype=dtype), kb.nn.Tanh(), kb.nn.Linear(hidden, 2, dtype=dtype)
    ).init(seed)


def weights(model):
    return np.concatenate([a.ravel() for a in model.state_dict().values()])


def fit(model, data=(X, LABELS), **options):
    defaults = {"loss": "cross_entropy", "optimizer": SGD(lr=0.1), "epochs": 3, "batch_size": 5, "check": False}
    return kb.fit(model, data, **{**defaults, **options})
