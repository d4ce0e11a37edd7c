"""Learning-rate schedules: PyTorch's rates, by number and when traced."""

import copy
import pickle

import numpy as np
import pytest

import koubai as kb
from koubai.errors import UsageError
from koubai.graph import Node, placeholder, topological, type_of
from koubai.optim.schedules import (
    Chain,
    Constant,
    Cosine,
    CosineWarmRestarts,
    Every,
    Exponential,
    Linear,
    MultiStep,
    OneCycle,
    Piecewise,
    Polynomial,
    ReduceOnPlateau,
    Step,
    Warmup,
)
from koubai.tensor import Tensor

ALL = [
    Constant(0.3),
    Step(0.3, step_size=4, gamma=0.5),
    MultiStep(0.3, milestones=[2, 9], gamma=0.1),
    Piecewise([3, 7], [0.1, 0.2, 0.3]),
    Exponential(0.3, gamma=0.9),
    Linear(0.1, 0.4, steps=7),
    Polynomial(0.3, steps=9, power=1.7),
    Cosine(0.3, steps=9, eta_min=0.01),
    CosineWarmRestarts(0.3, T_0=3, T_mult=2, eta_min=0.01),
    CosineWarmRestarts(0.3, T_0=5),
    OneCycle(0.3, steps=20),
    OneCycle(0.3, steps=20, three_phase=True, anneal_strategy="linear"),
    Warmup(Cosine(0.3, steps=9), steps=4, start_factor=0.1),
    Chain([Linear(0.0, 0.3, 4), Exponential(0.3, 0.5), Constant(0.1)], milestones=[4, 8]),
    Every(Exponential(0.3, 0.5), n=3),
]


@pytest.mark.parametrize("schedule", ALL, ids=str)
def test_same_rates_when_traced(schedule):
    step = placeholder(type_of(np.int64(0)), Tensor)
    y = schedule(step)
    for t in range(24):
        values = {step: np.int64(t)}
        for node in topological([y] if isinstance(y, Node) else []):
            if node.op is not None:
                inputs = [values.get(x, x.value) if isinstance(x, Node) else x for x in node.inputs]
                values[node] = node.op.forward(*inputs, **node.params)
        rate = schedule(t)
        assert type(rate) is float
        assert (values[y] if isinstance(y, Node) else y) == pytest.approx(rate, rel=1e-14, abs=1e-17)


@pytest.mark.parametrize("schedule", ALL, ids=str)
def test_are_plain_values(schedule):
    assert pickle.loads(pickle.dumps(schedule)) == copy.deepcopy(schedule) == schedule
    assert hash(schedule) == hash(copy.copy(schedule))
    assert all(schedule(t) >= 0 for t in range(40))


def peers():
    """Ours, how PyTorch's scheduler is made, and for how many steps they say the same."""
    from torch.optim import lr_scheduler as s

    return [
        (ALL[1], lambda o: s.StepLR(o, 4, 0.5), 24),
        (ALL[2], lambda o: s.MultiStepLR(o, [2, 9], 0.1), 24),
        (ALL[4], lambda o: s.ExponentialLR(o, 0.9), 24),
        (Linear(0.1, 0.3, 7), lambda o: s.LinearLR(o, 1 / 3, 1.0, 7), 24),
        (ALL[6], lambda o: s.PolynomialLR(o, 9, 1.7), 24),
        (ALL[7], lambda o: s.CosineAnnealingLR(o, 9, 0.01), 10),
        (ALL[8], lambda o: s.CosineAnnealingWarmRestarts(o, 3, 2, 0.01), 60),
        (ALL[9], lambda o: s.CosineAnnealingWarmRestarts(o, 5), 24),
        (ALL[10], lambda o: s.OneCycleLR(o, 0.3, 20), 20),
        (ALL[11], lambda o: s.OneCycleLR(o, 0.3, 20, three_phase=True, anneal_strategy="linear"), 20),
        (OneCycle(0.3, 13, 0.45), lambda o: s.OneCycleLR(o, 0.3, 13, pct_start=0.45), 13),
    ]


def test_rates_are_pytorchs():
    torch = pytest.importorskip("torch")
    for ours, make, steps in peers():
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
        theirs = make(optimizer)
        for t in range(steps):
            assert ours(t) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12, abs=1e-15), (ours, t)
            optimizer.step()
            theirs.step()


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 2},
        {"patience": 0, "mode": "max", "cooldown": 2, "factor": 0.5},
        {"patience": 1, "threshold": 0.3, "threshold_mode": "abs", "min_lr": 0.01},
        {"patience": 1, "threshold": 0.2, "mode": "max", "eps": 0.02},
    ],
)
def test_plateau_falls_when_pytorchs_does(options):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
    ours = ReduceOnPlateau(0.3, **options)
    state = ours.init()
    falls = 0
    for metric in np.random.default_rng(0).normal(size=60).cumsum():
        before = state["lr"]
        theirs.step(metric)
        state = ours.observe(metric, state)
        falls += state["lr"] < before
        assert state["lr"] == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-14)
    assert falls > 0


def test_an_optimizer_follows_its_schedule():
    optimizer = kb.optim.SGD(lr=Linear(1.0, 0.0, 4))
    params = {"x": np.zeros(1, np.float32)}
    state = optimizer.init(params)
    for _ in range(6):
        params, state = optimizer.update({"x": np.ones(1, np.float32)}, state, params)
    assert params["x"] == -2.5
    assert params["x"].dtype == np.float32


REFUSED = [
    (lambda: Constant(-1.0), "Constant: expected lr to be a number >= 0"),
    (lambda: Step(0.1, step_size=0), "step_size to be an integer >= 1"),
    (lambda: MultiStep(0.1, milestones=[5, 2]), "milestones to be increasing"),
    (lambda: Piecewise([5], [0.1]), "one value more than boundaries"),
    (lambda: Exponential(0.1, gamma=-1.0), "gamma"),
    (lambda: Linear(0.1, 0.2, steps=0), "steps to be an integer >= 1"),
    (lambda: Polynomial(0.1, steps=2.5), "steps"),
    (lambda: CosineWarmRestarts(0.1, T_0=2, T_mult=1.5), "T_0 and T_mult"),
    (lambda: OneCycle(0.1, steps=10, anneal_strategy="cubic"), "anneal_strategy"),
    (lambda: OneCycle(0.1, steps=10, pct_start=2), "pct_start"),
    (lambda: Warmup("fast", steps=3), "lr to be a number >= 0 or a schedule"),
    (lambda: Chain([Constant(1.0)], milestones=[3]), "one schedule more than milestones"),
    (lambda: Every(0.1, n=3), "schedule to be a function"),
    (lambda: ReduceOnPlateau(0.1, factor=1.5), "factor to be between 0 and 1"),
    (lambda: ReduceOnPlateau(0.1, mode="lowest"), "mode to be 'min' or 'max'"),
]


@pytest.mark.parametrize(("make", "says"), REFUSED)
def test_what_makes_no_sense_is_refused(make, says):
    with pytest.raises(UsageError, match=says):
        make()
