"""Layers for images and sequences: convolution, pooling, normalization; alone, compiled, saved, trained."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import koubai as kb
from koubai import nn

RNG = np.random.default_rng(0)
SEQUENCES, IMAGES = RNG.normal(size=(3, 4, 9)), RNG.normal(size=(3, 4, 6, 7))

# Each layer here, the layer of PyTorch that is to do the same, and an input.
PAIRS: dict[str, tuple[Any, Any, Any]] = {
    "conv1d": (lambda: nn.Conv1d(4, 6, 3), lambda t: t.Conv1d(4, 6, 3), SEQUENCES),
    "conv1d settings": (
        lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2),
        lambda t: t.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2), SEQUENCES),
    "conv1d same": (
        lambda: nn.Conv1d(4, 2, 4, padding="same", bias=False),
        lambda t: t.Conv1d(4, 2, 4, padding="same", bias=False), SEQUENCES),
    "conv2d": (lambda: nn.Conv2d(4, 2, 3), lambda t: t.Conv2d(4, 2, 3), IMAGES),
    "conv2d settings": (
        lambda: nn.Conv2d(4, 2, (3, 2), (2, 1), (1, 2), (1, 2), 2),
        lambda t: t.Conv2d(4, 2, (3, 2), (2, 1), (1, 2), (1, 2), 2), IMAGES),
    "conv2d same": (
        lambda: nn.Conv2d(4, 2, (2, 3), padding="same", dilation=(1, 2)),
        lambda t: t.Conv2d(4, 2, (2, 3), padding="same", dilation=(1, 2)), IMAGES),
    "conv2d valid": (
        lambda: nn.Conv2d(4, 2, 2, padding="valid", stride=2),
        lambda t: t.Conv2d(4, 2, 2, padding="valid", stride=2), IMAGES),
    "conv2d depthwise": (lambda: nn.Conv2d(4, 8, 3, groups=4), lambda t: t.Conv2d(4, 8, 3, groups=4), IMAGES),
    "maxpool1d": (lambda: nn.MaxPool1d(2), lambda t: t.MaxPool1d(2), SEQUENCES),
    "maxpool2d": (lambda: nn.MaxPool2d((3, 2), 2, (1, 0)), lambda t: t.MaxPool2d((3, 2), 2, (1, 0)), IMAGES),
    "avgpool1d": (lambda: nn.AvgPool1d(3, 1, 1), lambda t: t.AvgPool1d(3, 1, 1), SEQUENCES),
    "avgpool2d": (lambda: nn.AvgPool2d(2), lambda t: t.AvgPool2d(2), IMAGES),
    "globalavgpool": (nn.GlobalAvgPool, lambda t: t.AdaptiveAvgPool2d(1), IMAGES),
    "batchnorm1d": (lambda: nn.BatchNorm1d(4, momentum=0.3), lambda t: t.BatchNorm1d(4, momentum=0.3), SEQUENCES),
    "batchnorm1d rows": (lambda: nn.BatchNorm1d(4), lambda t: t.BatchNorm1d(4), SEQUENCES[:, :, 0]),
    "batchnorm2d": (lambda: nn.BatchNorm2d(4, eps=1e-2), lambda t: t.BatchNorm2d(4, eps=1e-2), IMAGES),
    "batchnorm plain": (
        lambda: nn.BatchNorm2d(4, affine=False), lambda t: t.BatchNorm2d(4, affine=False), IMAGES),
    "layernorm": (lambda: nn.LayerNorm(9), lambda t: t.LayerNorm(9), SEQUENCES),
    "layernorm axes": (lambda: nn.LayerNorm((6, 7), eps=0.1), lambda t: t.LayerNorm((6, 7), eps=0.1), IMAGES),
    "layernorm no bias": (lambda: nn.LayerNorm(9, bias=False), lambda t: t.LayerNorm(9, bias=False), SEQUENCES),
    "layernorm plain": (
        lambda: nn.LayerNorm(9, elementwise_affine=False), lambda t: t.LayerNorm(9, elementwise_affine=False),
        SEQUENCES),
    "groupnorm": (lambda: nn.GroupNorm(2, 4), lambda t: t.GroupNorm(2, 4), IMAGES),
    "groupnorm plain": (lambda: nn.GroupNorm(4, 4, affine=False), lambda t: t.GroupNorm(4, 4, affine=False), SEQUENCES),
}  # fmt: skip
EVERY = pytest.mark.parametrize("name", PAIRS)


def drawn(layer: Any) -> Any:
    """Parameters and statistics that are not all 0 and 1."""
    rng = np.random.default_rng(1)
    layer.load_state_dict({name: rng.uniform(0.5, 1.5, v.shape) for name, v in layer.state_dict().items()})
    return layer


def loss(y: Any) -> Any:
    """A number in which every output counts differently."""
    return (y * np.cos(np.arange(float(np.prod(y.shape))).reshape(y.shape))).sum()


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
@EVERY
def test_values_gradients_and_statistics_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs, x = PAIRS[name]
    layer = drawn(ours().astype(np.float64))
    other = theirs(torch.nn).double()
    state = {key: torch.tensor(v) for key, v in layer.state_dict().items()}
    assert not other.load_state_dict(state, strict=False).unexpected_keys
    for mode in (True, False):
        layer.train(mode)
        other.train(mode)
        a, b = kb.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        y, z = layer(a), other(b)
        np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=1e-10, atol=1e-12)
        loss(y).backward()
        (z * torch.cos(torch.arange(float(z.numel())).double().reshape(z.shape))).sum().backward()
        np.testing.assert_allclose(a.grad, b.grad.numpy(), rtol=1e-9, atol=1e-10)
    for key, p in layer.named_parameters():
        np.testing.assert_allclose(p.grad, getattr(other, key).grad.numpy(), rtol=1e-9, atol=1e-10)
    for key, buffer in layer.named_buffers():
        np.testing.assert_allclose(buffer.numpy(), getattr(other, key).numpy(), rtol=1e-12)


@given(st.integers(1, 3), st.lists(st.integers(1, 4), min_size=2, max_size=4), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_normalizations_of_any_shape(groups: int, shape: list[int], seed: int) -> None:
    functional = pytest.importorskip("torch").nn.functional
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    shape[1] *= groups
    x = rng.normal(size=shape)
    weight, bias = rng.normal(size=(2, shape[1]))
    if shape[1] * len(x) < x.size or len(x) > 1:
        found = nn.batch_norm(x, None, None, weight, bias)
        wanted = functional.batch_norm(torch.tensor(x), None, None, torch.tensor(weight), torch.tensor(bias), True)
        np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-9, atol=1e-9)
    if x.size > len(x) * groups:  # PyTorch refuses groups of one number
        found = nn.group_norm(x, groups, weight, bias)
        wanted = functional.group_norm(torch.tensor(x), groups, torch.tensor(weight), torch.tensor(bias))
        np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-9, atol=1e-9)
    axes = rng.integers(1, len(shape))
    factors = rng.normal(size=(2, *shape[-axes:]))
    found = nn.layer_norm(x, shape[-axes:], *factors)
    wanted = functional.layer_norm(torch.tensor(x), shape[-axes:], *map(torch.tensor, factors))
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["conv2d settings", "maxpool2d", "avgpool2d", "globalavgpool", "batchnorm1d",
                                  "layernorm axes", "groupnorm"])  # fmt: skip
def test_derivatives_of_both_orders(name: str) -> None:
    make, _, x = PAIRS[name]
    layer = drawn(make().astype(np.float64))
    params = {key: p.numpy() for key, p in layer.named_parameters()}
    f = lambda params, x: loss(kb.numpy.sin(nn.functional_call(layer, params, x)))
    kb.check_grads(f, params, x, order=2)


@EVERY
def test_float32_stays_float32(name: str) -> None:
    make, _, x = PAIRS[name]
    layer = drawn(make())
    a = kb.tensor(x.astype(np.float32), requires_grad=True)
    y = layer(a)
    assert y.dtype == np.float32
    y.sum().backward()
    grads = [a.grad, *(p.grad for p in layer.parameters())]
    assert all(g.dtype == np.float32 for g in grads)
    assert all(b.dtype == np.float32 for b in layer.buffers())


@EVERY
def test_compiled_is_interpreted(name: str) -> None:
    make, _, x = PAIRS[name]
    layer = drawn(make().astype(np.float64))
    twin = copy.deepcopy(layer)
    params = {key: p.numpy() for key, p in layer.named_parameters()}

    def step(of: Any) -> Any:
        return kb.value_and_grad(lambda p, x: loss(nn.functional_call(of, p, x)))

    compiled, slopes = kb.compile(lambda x: layer(x)), kb.compile(step(layer))
    for mode in (True, True, False):
        layer.train(mode)
        twin.train(mode)
        y = twin(x)
        np.testing.assert_allclose(compiled(x), y.numpy() if isinstance(y, kb.Tensor) else y, rtol=1e-13, atol=1e-14)
        for mine, other in zip(layer.buffers(), twin.buffers()):
            np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=1e-14)
        value, found = slopes(params, x)
        expected, wanted = step(twin)(params, x)
        assert value == pytest.approx(expected, rel=1e-12)
        for key, g in wanted.items():
            np.testing.assert_allclose(found[key], g, rtol=1e-11, atol=1e-12)


@EVERY
def test_one_example_and_no_example(name: str) -> None:
    make, _, x = PAIRS[name]
    layer = make().eval()
    every = layer.predict(x)
    np.testing.assert_allclose(layer.predict(x[1:2]), every[1:2], rtol=1e-4, atol=1e-5)
    assert layer.predict(x[:0]).shape == (0, *every.shape[1:])


@pytest.mark.parametrize("name", [name for name in PAIRS if name[:4] in ("conv", "maxp", "avgp")])
def test_an_example_by_itself(name: str) -> None:
    make, _, x = PAIRS[name]
    layer = make()
    every = layer.predict(x)
    np.testing.assert_allclose(layer.predict(x[1]), every[1], rtol=1e-4, atol=1e-6)
    stack = kb.vmap(lambda x: nn.functional_call(layer, layer.state_dict(), x))(x.astype(np.float32))
    np.testing.assert_allclose(stack, every, rtol=1e-4, atol=1e-6)


def test_the_default_of_convolutions_is_uniform_up_to_one_over_the_root_of_their_inputs() -> None:
    for layer, inputs in ((nn.Conv2d(20, 100, 5), 500), (nn.Conv1d(100, 50, 20, groups=2), 1000)):
        weight, bound = layer.weight.numpy(), 1 / np.sqrt(inputs)
        assert weight.dtype == np.float32
        assert np.abs(weight).max() <= bound
        assert np.abs(layer.bias.numpy()).max() <= bound
        assert abs(weight.std() - bound / np.sqrt(3)) < 2e-2 * bound
    own = nn.Conv2d(2, 3, 3, weight_init=nn.init.kaiming_normal(in_axis=1, out_axis=0), bias_init=nn.init.ones())
    assert own.bias.numpy().tolist() == [1, 1, 1]


def test_text() -> None:
    assert repr(nn.Conv2d(1, 6, 5)) == "Conv2d(1, 6, 5)"
    shown = "Conv2d(4, 6, (5, 3), stride=2, padding=((1, 2), (0, 0)), dilation=(1, 2), groups=2, bias=False)"
    assert repr(nn.Conv2d(4, 6, [5, 3], 2, ((1, 2), 0), (1, 2), 2, bias=False)) == shown
    assert repr(nn.Conv1d(4, 6, 5, padding="same")) == "Conv1d(4, 6, 5, padding='same')"
    assert repr(nn.MaxPool2d(2)) == "MaxPool2d(2)"
    assert repr(nn.AvgPool2d((2, 3), 1, 1)) == "AvgPool2d((2, 3), stride=1, padding=1)"
    assert repr(nn.GlobalAvgPool(keepdims=False)) == "GlobalAvgPool(keepdims=False)"
    assert repr(nn.BatchNorm2d(3, momentum=0.5, affine=False)) == "BatchNorm2d(3, momentum=0.5, affine=False)"
    assert repr(nn.LayerNorm((2, 3), bias=False)) == "LayerNorm((2, 3), bias=False)"
    assert repr(nn.LayerNorm(2, elementwise_affine=False)) == "LayerNorm(2, elementwise_affine=False)"
    assert repr(nn.GroupNorm(2, 4, eps=0.1, affine=False)) == "GroupNorm(2, 4, eps=0.1, affine=False)"


INSIDE = lambda layer: nn.Sequential(nn.Identity(), layer)
WRONG_INPUTS: list[tuple[Any, tuple[int, ...], str]] = [
    (nn.Conv2d(3, 2, 3), (5, 1, 8, 8), r"convolution: expected 3 channels along axis 1"),
    (nn.Conv2d(3, 2, 3), (5, 3, 8, 2), r"along axis 3 the kernel covers 3 elements, but .* has only 2; use a smaller"),
    (nn.Conv2d(3, 2, 3), (8, 8), r"conv2d: expected an input of shape \(examples, channels, height, width\) or"),
    (nn.Conv1d(3, 2, 3), (5, 3, 8, 8), r"conv1d: expected .* \(examples, channels, length\)"),
    (nn.MaxPool2d(4), (2, 1, 8, 3), r"max_pool: along axis 3 the kernel covers 4"),
    (nn.MaxPool2d(2, padding=2), (2, 1, 8, 8), r"a window would hold nothing but padding"),
    (nn.GlobalAvgPool(), (2, 3), r"expected \(examples, channels, \*spatial\)"),
    (nn.BatchNorm1d(3), (2, 4), r"expected an input of shape \(examples, 3 channels\) or .*, got \(2, 4\)"),
    (nn.BatchNorm2d(3), (2, 3), r"\(examples, 3 channels, height, width\), got \(2, 3\)"),
    (nn.BatchNorm1d(3), (1, 3), r"at least two values for each channel.*drop_last.*eval\(\)"),
    (nn.BatchNorm2d(3), (1, 3, 1, 1), r"at least two values for each channel"),
    (nn.LayerNorm((3, 4)), (2, 3, 3), r"whose last axes are \(3, 4\), got \(2, 3, 3\)"),
    (nn.GroupNorm(2, 4), (2, 3, 5), r"\(examples, 4, \*spatial\), got \(2, 3, 5\)"),
]


@pytest.mark.parametrize(("layer", "shape", "says"), WRONG_INPUTS)
def test_a_wrong_input_is_refused_by_the_layer_that_gets_it(layer: Any, shape: Any, says: str) -> None:
    with pytest.raises((kb.ShapeError, kb.UsageError), match=rf"^1: .*{says}"):
        INSIDE(layer)(np.zeros(shape))


@pytest.mark.parametrize(("make", "says"), [
    (lambda: nn.Conv2d(0, 2, 3), r"Conv2d: expected in_channels to be a whole number from 1; got 0"),
    (lambda: nn.Conv2d(1, 2, (3, 3, 3)), r"kernel_size .* or 2 of them, one an axis; got \(3, 3, 3\)"),
    (lambda: nn.Conv2d(1, 2, 3, stride=0), r"stride to be a whole number from 1"),
    (lambda: nn.Conv2d(1, 2, 3, stride=True), r"stride to be a whole number from 1"),
    (lambda: nn.Conv2d(1, 2, 3, padding="full"), r"'same' or 'valid'; got 'full'"),
    (lambda: nn.Conv2d(1, 2, 3, padding=-1), r"padding to be a whole number from 0"),
    (lambda: nn.Conv2d(1, 2, 3, padding=((1, 2, 3), 0)), r"a pair \(before, behind\)"),
    (lambda: nn.Conv2d(1, 2, 3, stride=2, padding="same"), r"'same' keeps the lengths, which stride 2 cannot"),
    (lambda: nn.Conv2d(4, 3, 3, groups=2), r"groups to divide out_channels, got 2 groups and 3"),
    (lambda: nn.MaxPool1d(2, padding="same"), r"MaxPool1d: expected padding .* got 'same'"),
    (lambda: nn.BatchNorm1d(3, momentum=None), r"momentum to be a number from 0 to 1, got None"),
    (lambda: nn.BatchNorm1d(3, eps=0.0), r"eps above 0"),
    (lambda: nn.LayerNorm(()), r"at least one axis"),
    (lambda: nn.GroupNorm(3, 4), r"num_groups to divide num_channels, got 3 and 4"),
    (lambda: nn.batch_norm(np.ones((2, 3)), mean=np.ones(3)), r"both mean and var, or neither"),
])  # fmt: skip
def test_settings_that_make_no_sense_are_refused(make: Any, says: str) -> None:
    with pytest.raises(kb.UsageError, match=says):
        make()


def test_shapes_of_parameters_are_checked() -> None:
    x = np.ones((2, 3, 4))
    with pytest.raises(kb.ShapeError, match=r"conv1d: expected a bias of shape \(2,\), got \(3,\)"):
        nn.conv1d(x, np.ones((2, 3, 2)), np.ones(3))
    with pytest.raises(kb.ShapeError, match=r"conv1d: expected a weight of shape .*, got \(2, 2\)"):
        nn.conv1d(x, np.ones((2, 2)))
    with pytest.raises(kb.ShapeError, match=r"batch_norm: expected mean of shape \(3,\).*got \(4,\)"):
        nn.batch_norm(x, np.ones(4), np.ones(3))
    with pytest.raises(kb.ShapeError, match=r"layer_norm: expected bias of shape \(4,\), got \(3,\)"):
        nn.layer_norm(x, 4, np.ones(4), np.ones(3))
    for wrong in (x, np.ones((2, 4, 0))):
        with pytest.raises(kb.ShapeError, match=r"group_norm: .* that 2 groups divide, .*got"):
            nn.group_norm(wrong, 2)


def test_init_brings_the_running_statistics_back() -> None:
    layer = nn.BatchNorm1d(2)
    layer(np.array([[1.0, 2.0], [5.0, 3.0]]))
    assert layer.running_mean.numpy().tolist() != [0, 0]
    layer.init(0)
    assert layer.running_mean.numpy().tolist() == [0, 0]
    assert layer.running_var.numpy().tolist() == [1, 1]


def test_no_gradient_goes_through_the_running_statistics() -> None:
    layer = nn.BatchNorm1d(2)
    layer(kb.tensor([[1.0, 2.0], [5.0, 3.0]], requires_grad=True))
    assert not layer.running_mean.requires_grad
    assert layer.running_mean.op is None


def test_batch_statistics_under_vmap() -> None:
    layer, x = nn.BatchNorm1d(3), RNG.normal(size=(4, 5, 3))
    with pytest.raises(kb.TracingError, match=r"running_mean: .* inside of kb\.vmap"):
        kb.vmap(layer)(x)
    with pytest.raises(kb.TracingError, match=r"used outside"):
        kb.compile(kb.vmap(layer))(x)
    each = kb.vmap(lambda x: nn.functional_call(layer, {}, x))(x)
    for k in range(4):
        np.testing.assert_allclose(each[k].numpy(), nn.functional_call(layer, {}, x[k]).numpy(), rtol=1e-12)
    assert layer.running_mean.numpy().tolist() == [0, 0, 0]
    layer.eval()
    np.testing.assert_allclose(kb.vmap(layer)(x).numpy()[1], layer(x[1]).numpy())


def lenet() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding="same"), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


def test_a_small_lenet_learns_digits(tmp_path: Any) -> None:
    x, t = kb.data.load("digits")
    (train_x, train_t), test = kb.data.split(x.reshape(-1, 1, 8, 8), t, fraction=0.2, seed=0)
    model, adam = lenet(), kb.optim.Adam(lr=0.01)
    history = kb.fit(model, (train_x, train_t), loss="cross_entropy", optimizer=adam, epochs=8, batch_size=32)
    assert history.grad_check.max_error < 1e-5
    accuracy = kb.evaluate(model, test, "accuracy")
    assert accuracy > 0.95
    kb.save(model, tmp_path / "model.safetensors")
    again = kb.load(tmp_path / "model.safetensors")
    assert kb.evaluate(again, test, "accuracy") == accuracy
    np.testing.assert_array_equal(again.predict(test[0]), model.predict(test[0]))


@pytest.mark.parametrize("make", [
    lambda: nn.Conv2d(4, 6, (5, 3), 2, ((1, 2), 0), (1, 2), 2, bias=False), lambda: nn.Conv1d(4, 6, 5, padding="same"),
    lambda: nn.AvgPool2d((2, 3), 1, ((0, 1), 1)), lambda: nn.GlobalAvgPool(False),
    lambda: nn.BatchNorm2d(3, 0.1, 0.5, False, np.float64), lambda: nn.LayerNorm((2, 3), bias=False),
    lambda: nn.GroupNorm(2, 4, 0.1, False),
])  # fmt: skip
def test_settings_come_back_from_a_file(make: Any, tmp_path: Any) -> None:
    layer = make()
    kb.save(layer, tmp_path / "layer")
    again = kb.load(tmp_path / "layer")
    assert repr(again) == repr(layer)
    for name, value in layer.state_dict().items():
        assert again.state_dict()[name].dtype == value.dtype
