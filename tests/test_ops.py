"""Every op's record, held to its word on every sample. A new op joins by being registered."""

import importlib
import pkgutil
from dataclasses import replace

import numpy as np
import pytest

import koubai as kb
import koubai.ops
from koubai.check import check_op
from koubai.check.records import CHECKS, check_refusals, check_words
from koubai.graph import Op, Refusal, Sample, Type, Words, registry
from koubai.ops import elementwise as e

for module in pkgutil.walk_packages(koubai.ops.__path__, "koubai.ops."):
    importlib.import_module(module.name)

OPS = registry()
WITHOUT = {
    # One result of an op that has several: its input is a tuple, which no sample can hold.
    "output": ("words",),
    "discrete_output": ("words",),
    # Each example of a stack draws a mask of its own, so that a loop over them is no reference.
    "dropout_mask": ("batch",),
}
CASES = [pytest.param(op, k, id=f"{name}-{k}") for name, op in OPS.items() for k in range(len(op.samples()))]


@pytest.mark.parametrize("name", OPS)
def test_words_and_refusals(name):
    if "words" not in WITHOUT.get(name, ()):
        check_words(OPS[name])
    check_refusals(OPS[name])


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(("op", "k"), CASES)
def test_record(op, k, check):
    if check not in WITHOUT.get(op.name, ()):
        CHECKS[check](op, op.samples()[k])


# The checks themselves: each planted fault must be found, and by the check that is meant for it.


def made(**fields):
    """A right record of y = a^2 b, not registered."""
    record = {
        "name": "planted",
        "forward": lambda a, b: a * a * b,
        "infer": lambda a, b: Type(np.broadcast_shapes(a.shape, b.shape), np.result_type(a.dtype, b.dtype)),
        "words": Words("y = a^2 b", "2ab, a^2", "A product.", "積。"),
        "vjp": (lambda g, y, a, b: 2.0 * g * a * b, lambda g, y, a, b: g * a * a),
        "jvp": (lambda t, y, a, b: 2.0 * t * a * b, lambda t, y, a, b: t * a * a),
        "batch": lambda op, size, batched, a, b: op(a, b),
        "samples": lambda: [Sample((np.array([1.0, -2.0, 0.5]), np.array([3.0, 0.7, -1.0])))],
    }
    return Op(**{**record, **fields})


def spoiled(x):
    if x.ndim and not x.flags.c_contiguous:
        return np.ascontiguousarray(x)[::-1]
    return x


def writes(a, b):
    y = a * a * b
    if a.flags.writeable:
        a[0] = 0.0
    return y


HIDDEN = lambda x: x.detach() if isinstance(x, kb.Tensor) else x

PLANTED = {
    "shape": ("type", {"infer": lambda a, b: Type((1,), a.dtype)}),
    "dtype": ("type", {"infer": lambda a, b: Type(a.shape, np.dtype(np.float64))}),
    "0-d array": (
        "type",
        {"forward": lambda a, b: np.asarray(a * a * b),
         "samples": lambda: [Sample((np.float64(2.0), np.float64(3.0)))]},
    ),
    "strides": ("layout", {"forward": lambda a, b: spoiled(a) ** 2 * b}),
    "written input": ("layout", {"forward": writes}),
    "vjp": ("derivatives", {"vjp": (lambda g, y, a, b: g * a * b, lambda g, y, a, b: g * a * a)}),
    "second vjp": ("derivatives", {"vjp": (lambda g, y, a, b: 2.0 * g * a * b, lambda g, y, a, b: g * a)}),
    "jvp": ("derivatives", {"jvp": (lambda t, y, a, b: 2.0 * t * a * b, lambda t, y, a, b: t * a * b)}),
    "missing rule": ("derivatives", {"vjp": (lambda g, y, a, b: 2.0 * g * a * b, None)}),
    "claimed linear": ("derivatives", {"linear": True}),
    "second order": (
        "second order",
        {"vjp": (lambda g, y, a, b: 2.0 * g * HIDDEN(a) * b, lambda g, y, a, b: g * a * a)},
    ),
    "batch": ("batch", {"batch": lambda op, size, batched, a, b: op(a, b[::-1] if batched[1] else b)}),
    "batch axis": ("batch", {"batch": lambda op, size, batched, a, b: op(a, b).T}),
    "batch pattern": ("batch", {"batch": lambda op, size, batched, a, b: op(a[:1], b) if batched[0] else op(a, b)}),
    "untraceable rule": (
        "tracing",
        {"vjp": (lambda g, y, a, b: 2.0 * g * np.asarray(a) * b, lambda g, y, a, b: g * a * a)},
    ),
    "traced differently": (
        "tracing",
        {"vjp": (lambda g, y, a, b: 2.0 * g * a * b if not isinstance(g, kb.Tensor) else g * a * b,
                 lambda g, y, a, b: g * a * a)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(name):
    check, fields = PLANTED[name]
    op = made(**fields)
    with pytest.raises((kb.GradientError, kb.TracingError, kb.DTypeError, TypeError)):
        CHECKS[check](op, op.samples()[0])


def test_the_record_without_a_fault_passes():
    check_op(made())
    check_op(e.tanh)


@pytest.mark.parametrize("part", ["formula", "derivative", "en", "ja"])
def test_missing_words_are_found(part):
    words = replace(made().words, **{part: " "})
    with pytest.raises(kb.GradientError, match=part):
        check_op(made(words=words))


def test_missing_samples_are_found():
    with pytest.raises(kb.GradientError, match="no samples"):
        check_op(made(samples=tuple))


def test_a_refusal_that_does_not_happen_is_found():
    fine = (np.ones(2), np.ones(2))
    with pytest.raises(kb.GradientError, match="nothing was raised"):
        check_op(made(refuses=lambda: [Refusal(fine, {}, kb.ShapeError, "")]))
    wrong = Refusal((np.ones(2), np.ones(3)), {}, ValueError, "a word that is not there")
    with pytest.raises(kb.GradientError, match="a word that is not there"):
        check_op(made(refuses=lambda: [wrong]))


def test_a_fault_is_reported_with_op_and_sample():
    with pytest.raises(kb.GradientError, match=r"op planted, sample 0: .*input 0"):
        check_op(made(vjp=(lambda g, y, a, b: g * a * b, lambda g, y, a, b: g * a * a)))
