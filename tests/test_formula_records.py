"""The formulas of the op records are true: read as mathematics, they say what the ops compute, and their gradients."""

from __future__ import annotations

import importlib
import pkgutil

import numpy as np
import pytest

import formula_oracle
import koubai as kb
import koubai.ops
import koubai.tensor.control
from formula_oracle import Oracle
from koubai.explain.formula import (
    Call,
    Index,
    Power,
    Symbol,
    Text,
    Tuple,
    evaluate,
    formula_of,
    parse,
    parse_list,
    to_latex,
    to_mathml,
    to_plain,
    walk,
)
from koubai.graph import Op, Words, registry, variadic
from koubai.ops.define import arrays, is_elementwise

for module in pkgutil.walk_packages(koubai.ops.__path__, "koubai.ops."):
    importlib.import_module(module.name)

OPS = registry()
ELEMENTWISE = [name for name, op in OPS.items() if is_elementwise(op)]


def _count(op):
    return len(op.samples()[0].args) if op.samples() else 1


@pytest.mark.parametrize("name", OPS)
def test_every_record_is_mathematics(name):
    op = OPS[name]
    formulas = (*parse_list(op.words.formula), *parse_list(op.words.derivative))
    f = formula_of(op)
    assert len(set(f.symbols)) == len(f.symbols) == len(f.derivatives) == _count(op)
    shown = [f.right, *(d for d in f.derivatives if d), *f.where]
    assert not any(isinstance(part, Text) for whole in shown for part in walk(whole))
    if op.vjp is None:
        assert op.words.derivative == "0"
        assert not any(f.derivatives)
    else:
        rules = op.vjp if isinstance(op.vjp, tuple) else [True] * _count(op)
        assert [d is not None for d in f.derivatives] == [rule is not None for rule, _ in zip(rules, f.symbols)]
    for formula in (*formulas, *shown):
        assert to_latex(formula)
        assert to_mathml(formula)


# Element by element

DEFAULTS = {"decimals": 0, "nan": 0.0, "posinf": np.finfo(float).max, "neginf": np.finfo(float).min}
OF_REAL_NUMBERS = ("absolute", "sign")  # their local derivatives: of complex numbers they have none


def _values(op, sample, y):
    f = formula_of(op)
    return {**DEFAULTS, **sample.params, **{s.key: x for s, x in zip(f.symbols, sample.args)}, "y": y}


def _close(found, expected, what):
    found, expected = np.broadcast_arrays(found, expected)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13, err_msg=what)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_formulas_give_what_the_op_computes(name):
    op, f = OPS[name], formula_of(OPS[name])
    for sample in op.samples():
        with np.errstate(all="ignore"):
            y = op.forward(*sample.args, **sample.params)
        _close(evaluate(f.right, _values(op, sample, y)), y, f"{name}: {f.right}")


@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if OPS[name].vjp])
def test_elementwise_derivatives_give_what_the_rules_send_back(name):
    op, f = OPS[name], formula_of(OPS[name])
    for sample in op.samples():
        y = op.forward(*sample.args, **sample.params)
        is_complex = any(np.iscomplexobj(x) for x in sample.args)
        g = arrays(np.shape(y), seed=3)[0] + (1j * arrays(np.shape(y), seed=4)[0] if np.iscomplexobj(y) else 0)
        for i, (rule, relation) in enumerate(zip(op.vjp, f.derivatives)):
            if relation is None or (is_complex and name in OF_REAL_NUMBERS):
                continue
            values = {**_values(op, sample, y), "g": g}
            if relation.left.of == Symbol("E"):
                found = evaluate(f.message(i), values)
            else:
                found = g * np.conj(evaluate(relation.right, values))
                if not is_complex:
                    _close(evaluate(f.message(i), values), found, f"{name}: {f.message(i)}")
            expected = rule(g, y, *sample.args, **sample.params)
            if not np.iscomplexobj(sample.args[i]):  # the engine takes the real part
                found, expected = np.real(found), np.real(expected)
            _close(found, expected, f"{name}, input {i}: {relation}")


def test_a_planted_fault_is_found():
    wrong = Op("wrong", np.tanh, lambda x: x, Words("y = tanh(x)", "dy/dx = 1 - x^2", "Wrong.", "誤り。"),
               vjp=OPS["tanh"].vjp, samples=OPS["tanh"].samples)  # fmt: skip
    sample = wrong.samples()[1]
    y = np.tanh(sample.args[0])
    with pytest.raises(AssertionError):
        _close(evaluate(formula_of(wrong).message(0), {**_values(wrong, sample, y), "g": 1.0}), 1 - y * y, "")


# Sums over indices and products of matrices


def _axis(**params):
    return {"axis": (0,), "keepdims": False, **params}


CONV = {"stride": (2,), "padding": ((1, 2),), "dilation": (2,), "groups": 1}
X5, X4, V3 = arrays((5,))[0], arrays((4,), seed=1)[0], arrays((3,), seed=2)[0]
TIES = np.array([1.0, 3.0, 3.0, -2.0, 3.0])
POOL = {"kernel": (3,), "stride": (2,), "padding": ((0, 0),)}
SQUARE = arrays((3, 3))[0] + np.diag([1.0, 2.0, 3.0])
OTHER = arrays((3, 3), seed=5)[0]
SYMMETRIC = SQUARE @ SQUARE.T
TALL = arrays((4, 2))[0]
COMPLEX = SQUARE + 0.3j * OTHER
FFT = [{"norm": norm} for norm in ("backward", "forward", "ortho")]

#: For each op: arguments, params, and what else the formula needs to know.
STRUCTURED = {
    "sum": [((X5,), _axis())],
    "prod": [((X5,), _axis()), ((np.array([2.0, 0.0, 3.0]),), _axis())],
    "max": [((X5,), _axis()), ((TIES,), _axis())],
    "min": [((X5,), _axis()), ((-TIES,), _axis())],
    "logsumexp": [((X5,), _axis())],
    "norm": [((X5,), _axis(ord=p)) for p in (2, 3.0)],
    "any": [((X5 > 0,), _axis())],
    "all": [((X5 > 0,), _axis())],
    "count_nonzero": [((np.array([0.0, 1.0, 2.0]),), _axis())],
    "argmax": [((X5,), {"axis": 0, "keepdims": False})],
    "argmin": [((X5,), {"axis": 0, "keepdims": False})],
    "cumsum": [((X5,), {"axis": 0})],
    "cumprod": [((X5,), {"axis": 0}), ((np.array([2.0, 0.0, 3.0]),), {"axis": 0})],
    "running_place": [((X5,), {"axis": 0, "largest": largest}) for largest in (True, False)],
    "searchsorted": [((np.sort(X5), np.float64(0.1)), {"side": "left"}), ((np.arange(3.0), 1.0), {"side": "right"})],
    "convolve": [((X5, V3), {"mode": mode}) for mode in ("full", "valid")],
    "sliding_windows": [((X5,), {"kernel": (2,), "stride": (2,)}, {"stride": 2})],
    "overlap_add": [((arrays((2, 3))[0],), {"lengths": (5,), "stride": (2,)}, {"stride": 2})],
    "convolution": [((arrays((2, 2, 6))[0], arrays((2, 2, 2))[0]), CONV)],
    "convolution_input": [((arrays((2, 2, 4))[0], arrays((2, 3, 2))[0]), {**CONV, "spatial": (6,)})],
    "convolution_weight": [((arrays((2, 3, 6))[0], arrays((2, 2, 4))[0]), {**CONV, "kernel": (2,)})],
    "avg_pool": [((X5,), {**POOL, "padding": ((1, 1),)})],
    "avg_pool_spread": [((V3,), {**POOL, "padding": ((1, 1),), "lengths": (5,)})],
    "max_pool": [((X5,), POOL), ((TIES,), POOL)],
    "max_pool_spread": [((arrays((2,))[0], x), POOL) for x in (X5, TIES)],
    "max_pool_gather": [((arrays((5,), seed=7)[0], x), POOL) for x in (X5, TIES)],
    "fft": [((X4 + 1j * X4**2,), {"axes": (0,), **norm}, {"n": 4}) for norm in FFT],
    "ifft": [((X4 + 1j * X4**2,), {"axes": (0,), **norm}, {"n": 4}) for norm in FFT],
    "rfft": [((x,), {"axis": 0, **norm}, {"n": len(x)}) for norm in FFT for x in (X4, X5)],
    "irfft": [((V3 + 1j * V3**2,), {"axis": 0, "n": n, **norm}) for norm in FFT for n in (4, 5)],
    "matmul": [((SQUARE, OTHER), {}), ((COMPLEX, TALL[:3] + 0j), {})],
    "inv": [((SQUARE,), {}), ((COMPLEX,), {})],
    "solve": [((SQUARE, TALL[:3]), {}), ((COMPLEX, OTHER + 0j), {})],
    "det": [((SQUARE,), {}), ((np.array([[1.0, 2.0], [2.0, 4.0]]),), {})],
    "adjugate": [((SQUARE,), {})],
    "adjugate_slope": [((SQUARE, OTHER), {})],
    "slogdet": [((SQUARE,), {}), ((-SQUARE,), {})],
    "tril_inv": [((SQUARE,), {})],
    "cholesky": [((SYMMETRIC,), {})],
    "pinv": [((TALL,), {"rcond": None}), ((TALL.T,), {"rcond": None})],
    "eigh": [((SYMMETRIC,), {"lower": lower}) for lower in (True, False)],
    "eig": [((SQUARE,), {})],
    "svd": [((x,), {"full": False}) for x in (SQUARE, TALL, TALL.T)],
    "qr": [((x,), {"full": False}) for x in (SQUARE, TALL)],
}  # fmt: skip
SCALARS = ("stride", "padding", "dilation")


def _oracle(op, args, params, extra, y):
    """Everything by the names that the formulas give it, and the upstream gradient as the rules take it."""
    f = formula_of(op)
    several = isinstance(y, tuple)
    g = tuple(_direction(part, seed=k) for k, part in enumerate(y)) if several else _direction(y)
    values = {s.key: np.asarray(x) for s, x in zip(f.symbols, args)}
    for name, value in params.items():
        values[name] = int(np.ravel(value)[0]) if name in SCALARS else value
    values.update(extra)
    if several:
        for item, part, upstream in zip(f.result.items, y, g):
            if isinstance(item, Power):
                item, part, upstream = item.base, part.conj().T, upstream.conj().T
            values[item.key] = part
            values[f"{'G' if item.key.isupper() else 'g'}_{item.key}"] = upstream
    else:
        name = f.result.of if isinstance(f.result, Index) else f.result
        values[name.key] = np.asarray(y)
        values["G" if name.key.isupper() else "g"] = np.asarray(g)
    kernel = params.get("kernel", args[1].shape[2:] if "conv" in op.name and len(args) > 1 else None)
    sizes = {"k": kernel[0], "p": _windows(op.name, args, y)} if kernel and "sliding" not in op.name else {}
    return f, Oracle(values, f.where, sizes), g


def _windows(name, args, y):
    """How many windows there are: as many as what belongs to windows has elements."""
    place = {"convolution_input": 0, "avg_pool_spread": 0, "max_pool_spread": 0, "convolution_weight": 1}.get(name)
    return (y if place is None else args[place]).shape[-1]


def _direction(y, seed=0):
    y = np.asarray(y)
    g = arrays(y.shape, seed=20 + seed)[0]
    return g + 1j * arrays(y.shape, seed=30 + seed)[0] if np.iscomplexobj(y) else g


CASES = [pytest.param(name, k, id=f"{name}-{k}") for name, cases in STRUCTURED.items() for k in range(len(cases))]


@pytest.mark.parametrize(("name", "k"), CASES)
def test_formulas_of_whole_arrays_are_true(name, k):
    op = OPS[name]
    args, params, *extra = STRUCTURED[name][k]
    y = op.forward(*args, **params)
    f, oracle, g = _oracle(op, args, params, *(extra or [{}]), y)
    for claim in oracle.claims:
        left, right = oracle.value(claim.left), oracle.value(claim.right)
        _near(left, right.like(left) if hasattr(right, "like") else right, str(claim))
    if not isinstance(f.result, Tuple) and not (isinstance(f.right, Call) and f.right.name == name):
        _near(oracle.whole(f.result, f.right, np.shape(y)), y, f"{f.result} = {f.right}")
    for i, relation in enumerate(f.derivatives):
        if relation is not None:
            found = oracle.whole(relation.left, relation.right, np.shape(args[i]))
            rule = op.vjp[i](g, y, *args, **params)
            if not np.iscomplexobj(args[i]):
                found, rule = np.real(found), np.real(rule)
            _near(found, rule, str(relation))


def _near(found, expected, what):
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9, err_msg=what)


# Elements that move: functions of the formula are NumPy's

MOVES = {
    "shape": np.shape, "reshape": np.reshape, "transpose": np.transpose, "argsort": np.argsort, "flip": np.flip,
    "broadcast": np.broadcast_to, "roll": lambda x, shift: np.roll(x, shift, (0, 1)), "pad": np.pad,
    "crop": lambda g, width: g[tuple(slice(a, n - b) for n, (a, b) in zip(g.shape, width))],
    "sum_to": lambda g, shape: g.sum(0) if len(shape) == 1 else g.sum((0, 2))[:, None],
}  # fmt: skip


@pytest.mark.parametrize("name", ["reshape", "transpose", "broadcast_to", "flip", "roll", "pad", "tril", "triu"])
def test_formulas_of_moved_elements_are_true(name, monkeypatch):
    op = OPS[name]
    for function, meaning in MOVES.items():
        monkeypatch.setitem(formula_oracle.FUNCTIONS, function, meaning)
    for sample in op.samples():
        x = sample.args[0]
        if np.ndim(x) > 2 or not np.size(x) or np.ndim(x) < {"roll": 2, "broadcast_to": 1}.get(name, 0):
            continue
        params = {k: np.array(v) if k in ("shift",) else v for k, v in sample.params.items()}
        y = op.forward(x, **sample.params)
        g = arrays(np.shape(y), seed=9)[0]
        f, oracle = formula_of(op), Oracle({"x": x, "g": g, **params})
        _near(oracle.value(f.right), y, str(f.right))
        _near(oracle.value(f.message(0)), op.vjp[0](g, y, x, **sample.params), str(f.message(0)))


# Any number of inputs, and words that are no formulas


def test_every_one_of_many_inputs_has_its_name_and_derivative():
    f = formula_of(OPS["concatenate"], 4)
    assert str(f.right) == "concatenate(x_1, x_2, x_3, x_4)"
    assert [str(s) for s in f.symbols] == ["x_1", "x_2", "x_3", "x_4"]
    assert str(f.derivatives[2]) == "∂E/∂x_3[i] = g[s_3 + i]"
    assert [str(formula_of(OPS["barrier"], 3).message(i)) for i in range(3)] == ["g", "0", "0"]
    assert [str(s) for s in formula_of(OPS["getitem"], 3).symbols] == ["x", "index_1", "index_2"]
    assert formula_of(OPS["getitem"], 3).derivatives[1:] == (None, None)


def test_a_layer_of_ones_own_shows_its_name():
    class MulLayer(kb.Function):
        def forward(self, x, y):
            self.x, self.y = x, y
            return x * y

        def backward(self, g):
            return g * self.y, g * self.x

    y = MulLayer()(kb.tensor(2.0, requires_grad=True), kb.tensor(3.0))
    f = formula_of(y.op, 2)
    assert f"{f.result} = {f.right}" == "y = MulLayer(x_1, x_2)"
    assert [str(d) for d in f.derivatives] == ["∂E/∂x_1 = backward(g)", "∂E/∂x_2 = backward(g)"]


def _op(formula, derivative, count=1, symbols=(), vjp=True):
    rules = tuple(lambda g, y, *xs: g for _ in range(count))
    return Op("of_a_user", lambda *xs: xs[0], lambda *ts: ts[0], Words(formula, derivative, "A.", "演。", symbols),
              vjp=rules if vjp else None)  # fmt: skip


PROSE = [
    ("the larger <b>one</b> & more", "as it comes"), ("y = whatever comes", "the gradient, halved"), ("", ""),
    ("=", "="), ("y = a/b c", "dy/dx = "), ("x + x", "1"), ("(a, b) = ((", "dy/dq = 2"), ("f(x) = 2", "{}"),
    ("y = \\frac{1}{2}", "\x00"), ("演算の結果", "勾配"), ("y = " + "(" * 500, "-" * 500), ("y = sum_i", "x_1 = 3"),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "derivative"), PROSE)
@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("vjp", [True, False])
@pytest.mark.parametrize("symbols", [(), ("x",), ("a", "b", "c"), ("x...",), ("",)])
def test_words_that_are_no_formula_are_shown_as_they_are(formula, derivative, count, vjp, symbols):
    op = _op(formula, derivative, count, symbols, vjp)
    for n in (None, count):
        f = formula_of(op, n)
        assert len(f.derivatives) == len(f.symbols)
        assert n is None or len(f.symbols) == n
        for i in range(len(f.symbols)):
            message = f.message(i)
            assert message is None or to_plain(message) is not None
        for render in (to_plain, to_latex, to_mathml):
            render(f.result), render(f.right)


def test_prose_of_users_keeps_its_words():
    f = formula_of(_op("the larger one", "as it comes"))
    assert (str(f.result), f.right) == ("y", Text("the larger one"))
    assert f.message(0) == Text("as it comes")
    f = formula_of(_op("y = the larger one", "dy/dx = as it comes"))
    assert (str(f.result), f.right) == ("y", Text("the larger one"))
    f = formula_of(_op("y = x/(1 + |x|)", "dy/dx = 1/(1 + |x|)^2"))
    assert f.message(0) == parse("g/(1 + |x|)^2")


def test_names_of_inputs_follow_the_formula_where_none_are_given():
    assert [str(s) for s in formula_of(_op("y = u^2 v", "dy/du = 2 u v, dy/dv = u^2", 2)).symbols] == ["u", "v"]
    assert [str(s) for s in formula_of(_op("y = pi e^u", "dy/du = y", 2)).symbols] == ["u", "x"]
    failing = Op("failing", np.sin, lambda x: x, Words("y = sin(x)", "dy/dx = cos(x)", "", ""),
                 vjp=variadic(lambda i, g, y, *xs: g), samples=lambda: 1 / 0)  # fmt: skip
    assert [str(s) for s in formula_of(failing).symbols] == ["x"]
