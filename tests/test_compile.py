"""Compiled equals interpreted, for every op on every sample, and for whole gradients."""

from __future__ import annotations

import gc
import re
import warnings
import weakref
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import koubai as kb
import koubai.numpy as knp
from koubai.compile import Program, simplify, source
from koubai.graph import Node, Op, Sample, Type, placeholder, registry, topological, type_of
from koubai.ops.structure import outputs_of
from koubai.tensor import Tensor

CASES = [(op, k, s) for op in registry().values() for k, s in enumerate(op.samples())]


def array_inputs(sample: Sample) -> list[int]:
    return [i for i, x in enumerate(sample.args) if isinstance(x, (np.ndarray, np.generic))]


def compiled(op: Op, sample: Sample) -> tuple[Any, Any]:
    """The op's result on a sample by the program and by NumPy; tuples for ops with several outputs."""
    arguments = list(sample.args)
    inputs = []
    for i in array_inputs(sample):
        arguments[i] = placeholder(type_of(sample.args[i]), Tensor)
        inputs.append(arguments[i])
    y = op(*arguments, **sample.params)
    outputs = list(outputs_of(y)) if isinstance(y.type, tuple) else [y]
    got = Program(inputs, simplify(outputs, {x: x for x in inputs}))(*(sample.args[i] for i in array_inputs(sample)))
    want = op.forward(*sample.args, **sample.params)
    return got, list(want) if isinstance(want, tuple) else [want]


@pytest.mark.parametrize(("op", "k", "sample"), CASES, ids=[f"{op.name}-{k}" for op, k, _ in CASES])
def test_every_sample_of_every_op(op: Op, k: int, sample: Sample) -> None:
    if not array_inputs(sample):
        pytest.skip("nothing to compile: the sample holds Python numbers only")
    with np.errstate(all="ignore"):
        got, want = compiled(op, sample)
    for a, b in zip(got, want, strict=True):
        b = np.asarray(b)
        assert np.shape(a) == b.shape
        assert np.asarray(a).dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=4e-15, atol=1e-15)


def test_gradient_of_a_network() -> None:
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(40, 2)), (rng.random((40, 1)) > 0.5) * 1.0
    weights = {"w": rng.normal(size=(2, 4)), "b": np.zeros(4), "v": rng.normal(size=(4, 1))}

    def loss(p: Any, x: Any, t: Any) -> Any:
        z = knp.tanh(x @ p["w"] + p["b"]) @ p["v"]
        return knp.mean(knp.logaddexp(0.0, z) - z * t)

    step = kb.value_and_grad(loss)
    value, slopes = kb.compile(step)(weights, x, t)
    want, expected = step(weights, x, t)
    assert value == pytest.approx(want, rel=1e-14)
    for name in weights:
        np.testing.assert_allclose(slopes[name], expected[name], rtol=1e-12)


def test_captured_tensors_are_read_at_every_call() -> None:
    w = kb.tensor(2.0)
    f = kb.compile(lambda x: x * w)
    assert f(np.float64(3.0)) == 6.0
    w.value = np.float64(5.0)
    assert f(np.float64(3.0)) == 15.0


@pytest.mark.parametrize("wanted", [True, False])
def test_what_follows_from_a_captured_tensor_is_computed_anew(wanted: bool) -> None:
    w = kb.tensor(np.ones(2), requires_grad=wanted)
    f = kb.compile(lambda x: x * knp.exp(w * 2))
    f(np.ones(2))
    w.value = np.zeros(2)
    np.testing.assert_array_equal(f(np.ones(2)), np.ones(2))


def test_a_result_from_before_the_trace_stays_as_it_was() -> None:
    w = kb.nn.Parameter(np.ones(2))
    double = w * 2
    f = kb.compile(lambda x: x * double)
    f(np.ones(2))
    w.assign(np.full(2, 9.0))
    np.testing.assert_array_equal(f(np.ones(2)), [2.0, 2.0])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: knp.mean(knp.abs(knp.expand_dims(knp.exp(x), 1))),
        lambda x: knp.sum(knp.kron(knp.sin(x), x[0, 0])) + knp.sum(knp.sin(x) ** 2),
        lambda x: knp.sum(knp.exp(x).reshape(2, 3) * knp.exp(x)[:2, :1]),
    ],
)
def test_memory_read_in_another_shape_is_written_first(f: Any) -> None:
    x = np.linspace(0.1, 1.0, 6).reshape(3, 2)
    value, slope = kb.compile(kb.value_and_grad(f))(x)
    want, expected = kb.value_and_grad(f)(x)
    assert value == pytest.approx(want, rel=1e-14)
    np.testing.assert_allclose(slope, expected, rtol=1e-14)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int32, np.float16, np.float32])
def test_functions_of_integers(dtype: Any) -> None:
    x = np.array([0, 1, 1, 0, 1]).astype(dtype)
    for f in (kb.special.log_expit, kb.special.logsumexp, knp.linalg.norm, kb.special.softmax, knp.square):
        found, expected = kb.compile(f)(x), f(x)
        assert np.asarray(found).dtype == np.asarray(expected).dtype
        np.testing.assert_allclose(found, expected, rtol=1e-3 if x.dtype == np.float16 else 1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.complex64, np.complex128, np.longdouble])
def test_what_has_no_native_arithmetic_is_copied_whole(dtype: Any) -> None:
    x = np.linspace(-1, 1, 7).astype(dtype)
    f = lambda x: (x, x[::-2], x * 2, np.full(5, 2.5, dtype), np.broadcast_to(dtype(1.5), (3,)))
    for found, expected in zip(kb.compile(f)(x), f(x)):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_captured_arrays_are_constants() -> None:
    a = np.ones(3)
    f = kb.compile(lambda x: x * a)
    f(np.ones(3))
    a[:] = 7
    np.testing.assert_array_equal(f(np.ones(3)), np.ones(3))


def test_another_type_is_compiled_anew() -> None:
    f = kb.compile(lambda x: knp.sum(x * x))
    assert f(np.ones(3)) == 3
    assert f(np.ones((2, 2))) == 4
    assert f(np.ones(3, np.float32)).dtype == np.float32
    assert len(f.programs) == 3


def test_compiling_again_and_again_is_said_once() -> None:
    f = kb.compile(lambda x: x * 2)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for n in range(1, 16):
            f(np.ones(n))
    assert [str(w.message).count("pad arrays") for w in said] == [1]


@pytest.mark.parametrize("error", [MemoryError("no room"), RuntimeError("LLVM ERROR: cannot select")])
def test_what_cannot_be_compiled_is_interpreted(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(*args: Any) -> Any:
        raise error

    monkeypatch.setattr(source, "write_program", fails)
    f = kb.compile(lambda x: knp.tanh(x) * 2)
    with pytest.warns(UserWarning, match="interpreted, since compiling it failed"):
        y = f(np.ones(3))
    np.testing.assert_array_equal(y, knp.tanh(np.ones(3)) * 2)
    np.testing.assert_array_equal(f(np.ones(3)), y)  # without another warning
    assert "interpreted" in str(f)


def test_an_index_out_of_range_is_refused_before_it_is_used() -> None:
    f = kb.compile(lambda x, i: knp.sum(x[i] * 2.0))
    assert f(np.arange(5.0), np.array([0, -5])) == 0.0
    for bad in (5, -6, 10**12):
        with pytest.raises(IndexError, match="out of bounds"):
            f(np.arange(5.0), np.array([0, bad]))


def test_values_cannot_be_branched_on() -> None:
    f = kb.compile(lambda x: x if x > 0 else -x)
    with pytest.raises(kb.TracingError, match=r"where.*instead"):
        f(np.float64(1.0))


def test_an_error_in_a_callback_comes_out() -> None:
    f = kb.compile(lambda x, i: x[i])
    with pytest.raises(IndexError, match="out of bounds"):
        f(np.zeros(2), np.array([0, 5]))


def test_special_values_go_through() -> None:
    x = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 5e-324])
    for f in (knp.tanh, knp.exp, lambda v: knp.maximum(v, 0.0), kb.nn.relu, lambda v: knp.where(v > 0, v, -v)):
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(kb.compile(f)(x), f(x))


def test_a_differentiated_argument_runs_the_function_itself() -> None:
    f = kb.compile(lambda x: knp.sum(x**2))
    np.testing.assert_array_equal(kb.grad(f)(np.array([1.0, 3.0])), [2.0, 6.0])


def test_types_of_scalars() -> None:
    assert isinstance(placeholder(Type((), np.dtype(np.float32)), Tensor), Node)
    assert kb.compile(lambda x: x * 2.0)(np.float32(1.5)).dtype == np.float32


def traced(f: Any, *examples: Any) -> tuple[list[Any], list[Any]]:
    inputs = [placeholder(type_of(x), Tensor, requires_grad=True) for x in examples]
    y = f(*inputs)
    return inputs, list(y) if isinstance(y, (tuple, list)) else [y]


@pytest.mark.parametrize(
    ("f", "ops"),
    [
        (lambda x: knp.arctan(x) + knp.arctan(x), ["arctan", "add"]),
        (lambda x: x * 1.0, []),
        (lambda x: knp.negative(-x), []),
        (lambda x: x.reshape(6).reshape(3, 2).reshape(2, 3), []),
        (lambda x: x.T.T, []),
        (lambda x: x + 0.0, ["add"]),
        (lambda x: x * np.float64(1) * 2, ["multiply"]),
        (lambda x: x[0] + x[1] + x[0], ["getitem", "getitem", "add", "add"]),
    ],
)
def test_simplify(f: Any, ops: list[str]) -> None:
    x = np.array([[1.5, -0.0, np.nan], [np.inf, 2.0, -3.0]])
    inputs, outputs = traced(f, x)
    fewer = simplify(outputs, {x: x for x in inputs})
    kb.verify(fewer)
    assert sorted(node.op.name for node in topological(fewer) if node.op) == sorted(ops)
    # Compiled functions may differ from NumPy's in the last digit.
    np.testing.assert_allclose(Program(inputs, fewer)(x)[0], f(x), rtol=4e-16, atol=0)


def test_simplify_shrinks_a_gradient() -> None:
    def loss(w: Any) -> Any:
        return knp.sum(knp.tanh(w @ w) ** 2)

    inputs, outputs = traced(lambda w: kb.grad(loss)(w), np.eye(3))
    fewer = simplify(outputs, {x: x for x in inputs})
    kb.verify(fewer)
    assert len(topological(fewer)) < len(topological(outputs))
    w = np.random.default_rng(0).normal(size=(3, 3))
    np.testing.assert_allclose(Program(inputs, fewer)(w)[0], kb.grad(loss)(w), rtol=1e-13)


def test_a_call_leaves_nothing_to_the_garbage_collector():
    class Held(np.ndarray):
        """An array that can be watched."""

    f = kb.compile(lambda x: knp.sum(knp.sort(x)))
    x = np.arange(4.0).view(Held)
    seen = weakref.ref(x)
    f(np.arange(4.0))
    gc.collect()
    gc.disable()
    try:
        f(x)
        del x
        assert seen() is None
        assert not [o for o in gc.get_objects() if type(o).__name__ == "_Run"]
    finally:
        gc.enable()


def test_a_call_that_fails_leaves_nothing_behind():
    f = kb.compile(lambda x, i: x[i])
    with pytest.raises(IndexError):
        f(np.arange(4.0), np.array([4]))
    gc.collect()
    assert not [o for o in gc.get_objects() if type(o).__name__ == "_Run"]


def test_errors_in_compiled_code_are_the_interpreters() -> None:
    inverse = kb.compile(lambda a: knp.linalg.inv(a) + 1.0)
    chosen = kb.compile(lambda a, i: a[i] * 2.0)
    cases = [
        (lambda: inverse(np.zeros((2, 2))), lambda: knp.linalg.inv(kb.tensor(np.zeros((2, 2)))), np.linalg.LinAlgError),
        (
            lambda: chosen(np.ones(3), np.array([5])),
            lambda: kb.tensor(np.ones(3))[np.array([5])],
            kb.errors.IndexingError,
        ),
    ]
    for compiled, interpreted, error in cases:
        with pytest.raises(error) as found:
            compiled()
        with pytest.raises(error) as expected:
            interpreted()
        assert str(found.value) == str(expected.value)
        assert "float64[" in str(found.value)
        assert any("test_compile.py:" in note for note in found.value.__notes__)


def test_without_memory_for_its_program_a_function_is_interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(size: int) -> Any:
        raise MemoryError(f"no {size} bytes")

    f = kb.compile(lambda x: knp.sum(x @ x))
    monkeypatch.setattr(import_module("koubai.compile.program"), "aligned_bytes", none)
    with pytest.warns(UserWarning, match="is interpreted, since its program found no memory: no"):
        assert f(np.ones((2, 2))) == 8.0
    assert f(np.ones((2, 2))) == 8.0  # said once


def test_what_a_compiled_function_says_of_itself() -> None:
    def energy(x: Any, w: Any) -> Any:
        u, s, _ = knp.linalg.svd(x @ w)
        return kb.scan(lambda c, row: (c * 2.0 + row.sum(), c), s.sum(), u)[0]

    f = kb.compile(energy)
    assert repr(f) == "<kb.compile(energy): not called yet>"
    f(np.eye(3), np.ones((3, 2)))
    assert repr(f) == "<kb.compile(energy): float64[3, 3], float64[3, 2] -> float64[]>"
    text = str(f)
    assert text.endswith("in NumPy, by callback: svd")
    assert re.search(r"= scan\(.*\n    %0 = input +float64\[\]\n(    .*\n)+    returns %\d, %0\n", text)
    assert re.search(r"by callback: svd\(\w+\)\n# .*: \w+ = output 0 of svd\(\)\n", f.loops())


def test_a_layer_whose_shape_changes_is_refused() -> None:
    class Shrinks(kb.Function):
        lengths = iter((3, 1, 2))

        def forward(self, x: Any) -> Any:
            return x[: next(Shrinks.lengths)]

    f = kb.compile(lambda x: Shrinks()(x))
    with pytest.raises(kb.ShapeError, match=r"Shrinks: a result of shape \(1,\) came where its type says float64\[3\]"):
        f(np.ones(3))
