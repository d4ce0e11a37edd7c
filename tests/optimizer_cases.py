"""The optimizers with the sets of hyperparameters on which they are compared, and a small network to train."""

import numpy as np
import pytest

import koubai as kb
from koubai.optim import schedules
from koubai.tensor.trees import flatten

CASES = {
    "SGD": [
        {"lr": 0.1},
        {"lr": 0.003, "weight_decay": 0.01, "maximize": True},
        {"lr": 0.05, "momentum": 0.9},
        {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01},
        {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    ],
    "Adagrad": [{}, {"lr": 0.1, "lr_decay": 0.01, "weight_decay": 0.01, "initial_accumulator_value": 0.1}],
    "Adadelta": [{}, {"lr": 0.5, "rho": 0.8, "eps": 1e-4, "weight_decay": 0.01}],
    "RMSprop": [
        {},
        {"centered": True, "weight_decay": 0.01},
        {"momentum": 0.5, "alpha": 0.9},
        {"momentum": 0.5, "centered": True, "eps": 1e-4, "maximize": True, "lr": 1e-3},
    ],
    "Adam": [
        {},
        {"lr": 0.05, "betas": (0.8, 0.9), "weight_decay": 0.1},
        {"lr": 0.05, "amsgrad": True},
        {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True},
    ],
    "AdamW": [{}, {"lr": 0.05, "weight_decay": 0.1, "amsgrad": True}],
    "Adamax": [{}, {"lr": 0.05, "weight_decay": 0.1}],
    "NAdam": [{}, {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}, {"weight_decay": 0.1}],
    "RAdam": [
        {},
        {"lr": 0.05, "weight_decay": 0.1},
        {"lr": 0.05, "betas": (0.9, 0.7), "weight_decay": 0.1, "decoupled_weight_decay": True},
        {"lr": 0.05, "betas": (0.9, 0.5)},
    ],
    "Rprop": [{}, {"lr": 0.1, "etas": (0.4, 1.3), "step_sizes": (1e-3, 0.2)}],
    "ASGD": [{}, {"lr": 0.1, "lambd": 0.01, "alpha": 0.6, "t0": 50.0, "weight_decay": 0.01}],
    "Adafactor": [{}, {"lr": 0.1, "weight_decay": 0.1, "d": 1.5, "beta2_decay": -0.7, "eps": (1e-6, 1e-2)}],
}
IDS = [(name, i) for name, cases in CASES.items() for i in range(len(cases))]
# Each as a maker of new ones, also with what can be put around an optimizer.
WRAPPED = [
    pytest.param(lambda: kb.optim.Clipped(kb.optim.Adam(), global_norm=0.1), id="Clipped"),
    pytest.param(lambda: kb.optim.Accumulated(kb.optim.Adam(), n=3), id="Accumulated"),
    pytest.param(lambda: kb.optim.Accumulated(kb.optim.Clipped(kb.optim.SGD(), max_norm=1.0), n=2), id="both"),
    pytest.param(lambda: kb.optim.Adam(lr=schedules.ReduceOnPlateau(0.1)), id="plateau"),
    pytest.param(lambda: kb.optim.Adam(lr=schedules.Warmup(0.1, 5)), id="schedule"),
]
EVERY = [pytest.param(lambda n=n, i=i: getattr(kb.optim, n)(**CASES[n][i]), id=f"{n}-{i}") for n, i in IDS] + WRAPPED


def start(dtype=np.float64):
    """The first parameters of a 2-4-1 network."""
    spread = np.sin(np.arange(1.0, 18.0) * 1.7).astype(dtype)
    return {
        "hidden.weight": spread[:8].reshape(2, 4),
        "hidden.bias": spread[8:12] * dtype(0.1),
        "out.weight": spread[12:16].reshape(4, 1),
        "out.bias": spread[16:] * dtype(0.1),
    }


def gradients(params, t):
    """The gradients of the mean squared error of a tanh network on the eight examples of step t.

    The targets are no function of the inputs, so that gradients stay away from zero: where they vanish,
    optimizers that divide by their size turn rounding into steps.
    """
    dtype = params["out.bias"].dtype
    i = np.arange(8.0) + 8 * t
    x = np.stack([np.cos(i), np.sin(2.3 * i)], axis=1).astype(dtype)
    target = (x[:, :1] * x[:, 1:] + np.cos(0.7 * i * i)[:, None]).astype(dtype)
    h = np.tanh(x @ params["hidden.weight"] + params["hidden.bias"])
    delta = (h @ params["out.weight"] + params["out.bias"] - target) / dtype.type(4)
    inner = (delta @ params["out.weight"].T) * (1 - h * h)
    return {
        "hidden.weight": x.T @ inner,
        "hidden.bias": inner.sum(0),
        "out.weight": h.T @ delta,
        "out.bias": delta.sum(0),
    }


def trajectory(optimizer, params, steps, state=None, first=0):
    """The parameters after each step, and the last state."""
    state = optimizer.init(params) if state is None else state
    found = []
    for t in range(first, first + steps):
        params, state = optimizer.update(gradients(params, t), state, params)
        found.append(params)
    return found, state


def flat(params):
    return np.concatenate([p.ravel() for p in params.values()])


def equal_trees(a, b):
    """The same leaves, to the bit and of the same types."""
    xs, ys = flatten(a)[0], flatten(b)[0]
    assert len(xs) == len(ys)
    for x, y in zip(xs, ys):
        np.testing.assert_array_equal(x, y)
        assert type(x) is type(y)
