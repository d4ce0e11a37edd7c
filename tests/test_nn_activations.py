"""Activations: values, derivatives, stability, and agreement with PyTorch where it is installed."""

from __future__ import annotations

import numpy as np
import pytest

import koubai as kb
from koubai import nn

X = np.array([-4.0, -1.3, -0.4, 0.2, 2.7, 7.5])

# Computed in double precision by an independent implementation.
VALUES = {
    "relu": [0, 0, 0, 0.2, 2.7, 7.5],
    "leaky_relu": [-0.04, -0.013, -0.004, 0.2, 2.7, 7.5],
    "elu": [-0.981684361111, -0.727468206966, -0.329679953964, 0.2, 2.7, 7.5],
    "selu": [-1.72589862819, -1.27896137515, -0.579610109755, 0.210140197471, 2.83689266586, 7.88025740517],
    "celu": [-0.499832268686, -0.462863210893, -0.275335517941, 0.2, 2.7, 7.5],
    "relu6": [0, 0, 0, 0.2, 2.7, 6],
    "sigmoid": [0.0179862099621, 0.214165016957, 0.401312339888, 0.549833997312, 0.937026643943, 0.999447221363],
    "logsigmoid": [-4.01814992792, -1.54100845383, -0.9130152524, -0.598138869382, -0.0650435617766,
                   -0.000552931475361],
    "softplus": [0.0181499279178, 0.241008453833, 0.5130152524, 0.798138869382, 2.76504356178, 7.50055293148],
    "silu": [-0.0719448398484, -0.278414522045, -0.160524935955, 0.109966799462, 2.52997193865, 7.49585416022],
    "mish": [-0.072591740792, -0.307382464749, -0.188916482394, 0.132599001862, 2.67867011144, 7.49999541654],
    "gelu": [-0.000126684967332, -0.125840629961, -0.137831303356, 0.115851941888, 2.69063917073, 7.5],
    "gelu_tanh": [-7.02459481923e-05, -0.126070987683, -0.137838830573, 0.115851429782, 2.69111240536, 7.5],
    "tanh": [-0.999329299739, -0.861723159313, -0.379948962255, 0.197375320225, 0.991007453678, 0.999999388196],
    "softsign": [-0.8, -0.565217391304, -0.285714285714, 0.166666666667, 0.72972972973, 0.882352941176],
    "hardtanh": [-1, -1, -0.4, 0.2, 1, 1],
    "hardsigmoid": [0, 0.283333333333, 0.433333333333, 0.533333333333, 0.95, 1],
    "hardswish": [0, -0.368333333333, -0.173333333333, 0.106666666667, 2.565, 7.5],
    "tanhshrink": [-3.00067070026, -0.438276840687, -0.0200510377448, 0.0026246797751, 1.70899254632, 6.5000006118],
    "softshrink": [-3.5, -0.8, 0, 0, 2.2, 7],
    "hardshrink": [-4, -1.3, 0, 0, 2.7, 7.5],
    "threshold": [20, 20, 20, 0.2, 2.7, 7.5],
    "softmax": [1.00353906951e-05, 0.000149323921298, 0.000367277581394, 0.000669223386019, 0.00815280985854,
                0.990651329862],
    "log_softmax": [-11.5093926432, -8.80939264323, -7.90939264323, -7.30939264323, -4.80939264323, -0.00939264322915],
    "softmin": [0.900279745183, 0.0605037618842, 0.0245989938823, 0.0135002140788, 0.00110816505408,
                9.11991808365e-06],
}  # fmt: skip

MODULES = {
    "relu": nn.ReLU(),
    "leaky_relu": nn.LeakyReLU(),
    "elu": nn.ELU(),
    "selu": nn.SELU(),
    "celu": nn.CELU(0.5),
    "relu6": nn.ReLU6(),
    "sigmoid": nn.Sigmoid(),
    "logsigmoid": nn.LogSigmoid(),
    "softplus": nn.Softplus(),
    "silu": nn.SiLU(),
    "mish": nn.Mish(),
    "gelu": nn.GELU(),
    "gelu_tanh": nn.GELU("tanh"),
    "tanh": nn.Tanh(),
    "softsign": nn.Softsign(),
    "hardtanh": nn.Hardtanh(),
    "hardsigmoid": nn.Hardsigmoid(),
    "hardswish": nn.Hardswish(),
    "tanhshrink": nn.Tanhshrink(),
    "softshrink": nn.Softshrink(),
    "hardshrink": nn.Hardshrink(),
    "threshold": nn.Threshold(0.1, 20.0),
    "softmax": nn.Softmax(),
    "log_softmax": nn.LogSoftmax(),
    "softmin": nn.Softmin(),
}
EVERY = pytest.mark.parametrize("name", list(MODULES))


@EVERY
def test_values(name: str) -> None:
    np.testing.assert_allclose(MODULES[name](X), VALUES[name], rtol=1e-11, atol=1e-15)


@EVERY
def test_derivatives_of_both_orders(name: str) -> None:
    assert kb.check_grads(MODULES[name], X, order=2).ok


@EVERY
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_inputs_give_finite_values_and_slopes_in_the_same_dtype(name: str, dtype) -> None:  # type: ignore[no-untyped-def]
    x = np.array([-1e3, -50.0, -0.1, 0.1, 50.0, 1e3], dtype)
    y, pullback = kb.vjp(MODULES[name], x)
    (slope,) = pullback(np.ones_like(x))
    assert y.dtype == slope.dtype == dtype
    assert np.isfinite(y).all()
    assert np.isfinite(slope).all()


def test_smooth_activations_keep_their_digits_in_the_tails() -> None:
    np.testing.assert_allclose(nn.gelu(-20.0), -20.0 * 2.7536241186062337e-89, rtol=1e-12)
    np.testing.assert_allclose(nn.softplus(-40.0), np.exp(-40.0), rtol=1e-14)
    np.testing.assert_allclose(nn.sigmoid(-500.0), np.exp(-500.0), rtol=1e-13)
    np.testing.assert_allclose(nn.softplus(25.0, beta=2.0), 25 + np.exp(-50.0) / 2, rtol=1e-15)


@pytest.mark.parametrize(
    ("function", "at", "slope"),
    [
        (nn.relu, 0.0, 0.0),
        (nn.leaky_relu, 0.0, 0.01),
        (nn.elu, 0.0, 1.0),
        (nn.relu6, 0.0, 0.0),
        (nn.relu6, 6.0, 0.0),
        (nn.hardtanh, -1.0, 0.0),
        (nn.hardsigmoid, 3.0, 0.0),
        (nn.hardswish, 3.0, 1.0),
        (nn.hardswish, -3.0, 0.0),
        (nn.softshrink, 0.5, 0.0),
        (nn.hardshrink, 0.5, 0.0),
    ],
)
def test_conventions_at_kinks(function, at: float, slope: float) -> None:  # type: ignore[no-untyped-def]
    assert kb.grad(function)(at) == slope


def test_prelu_learns_its_slopes() -> None:
    layer = nn.PReLU(3)
    x = np.array([[-1.0, 2.0, -3.0], [1.0, -2.0, -4.0]])
    np.testing.assert_array_equal(layer(x).numpy(), [[-0.25, 2, -0.75], [1, -0.5, -1]])
    layer(x).sum().backward()
    assert layer.weight.grad.tolist() == [-1, -2, -7]
    images = np.full((2, 3, 4, 4), -1.0)
    assert nn.prelu(images, [1.0, 2.0, 3.0])[1, :, 0, 0].tolist() == [-1, -2, -3]
    assert nn.PReLU()(np.float32(-2.0)).item() == -0.5
    assert kb.check_grads(nn.prelu, x, np.array([0.1, 0.2, 0.3])).ok
    with pytest.raises(kb.ShapeError, match="3 channels along axis 1"):
        layer(np.ones((2, 4)))


def test_glu_gates_one_half_by_the_other() -> None:
    x = np.linspace(-1, 1, 24).reshape(2, 4, 3)
    a, b = x[:, :2], x[:, 2:]
    np.testing.assert_allclose(nn.GLU(1)(x), a / (1 + np.exp(-b)), rtol=1e-14)
    assert kb.check_grads(lambda x: nn.glu(x, axis=1), x, order=2).ok
    with pytest.raises(kb.ShapeError, match="even length along axis 2"):
        nn.glu(x)


def test_softmax_of_any_axis_and_of_minus_infinity() -> None:
    x = np.linspace(-2, 2, 12).reshape(3, 4)
    np.testing.assert_allclose(nn.softmax(x, axis=0), np.exp(x) / np.exp(x).sum(axis=0), rtol=1e-14)
    assert nn.softmax([0.0, -np.inf]).tolist() == [1, 0]
    assert nn.softmax(np.array([[1, 1]])).tolist() == [[0.5, 0.5]]
    assert kb.check_grads(lambda x: nn.softmax(x, axis=0), x, order=2).ok
    with pytest.raises(kb.ShapeError, match="at least one axis"):
        nn.softmax(1.0)
    with pytest.raises(kb.ShapeError, match="axis 2 does not exist"):
        nn.softmax(x, axis=2)


@pytest.mark.parametrize(
    "call",
    [
        lambda: nn.gelu(1.0, approximate="fast"),
        lambda: nn.hardtanh(1.0, 1.0, -1.0),
        lambda: nn.softshrink(1.0, -0.5),
        lambda: nn.celu(1.0, 0.0),
        lambda: nn.softplus(1.0, 0.0),
        lambda: nn.relu(1j),
    ],
)
def test_refusals(call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(kb.KoubaiError, match=r"expected|must not"):
        call()


def test_text_shows_the_options() -> None:
    assert repr(nn.LeakyReLU(0.2)) == "LeakyReLU(negative_slope=0.2)"
    assert repr(nn.GELU()) == "GELU(approximate='none')"
    assert repr(nn.PReLU(3)) == "PReLU(3)"
    assert nn.Swish is nn.SiLU


@EVERY
def test_as_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    options = {
        "celu": {"alpha": 0.5},
        "threshold": {"threshold": 0.1, "value": 20.0},
        "gelu_tanh": {"approximate": "tanh"},
    }
    options |= {name: {"dim": -1} for name in ("softmax", "log_softmax", "softmin")}
    function = getattr(torch.nn.functional, "gelu" if name == "gelu_tanh" else name)
    x = np.random.default_rng(0).normal(0, 3, (20, 30))
    weights = np.random.default_rng(1).normal(size=x.shape)
    theirs = torch.tensor(x, requires_grad=True)
    y = function(theirs, **options.get(name, {}))
    (y * torch.tensor(weights)).sum().backward()
    ours, pullback = kb.vjp(MODULES[name], x)
    np.testing.assert_allclose(ours, y.detach().numpy(), rtol=1e-10, atol=1e-14)
    # PyTorch's slope of hardsigmoid is 1/6 in single precision.
    rtol = 1e-7 if name == "hardsigmoid" else 1e-9
    np.testing.assert_allclose(pullback(weights)[0], theirs.grad.numpy(), rtol=rtol, atol=1e-13)
