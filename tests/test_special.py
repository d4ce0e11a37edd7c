"""Special functions: values against numbers of high precision, edges, dtypes and gradients."""

import numpy as np
import pytest

import koubai as kb
from koubai.errors import DTypeError, UsageError
from koubai.ops import special as ops

# Computed with 50 digits (mpmath 1.3) from the very float64 arguments.
EXACT = [
    ("erf", (0.3,), 0.32862675945912742),
    ("erf", (0.96875,), 0.82931915059331513),
    ("erf", (-2.5,), -0.99959304798255504),
    ("erf", (1e-300,), 1.1283791670955126e-300),
    ("erfc", (0.75,), 0.28884436634648487),
    ("erfc", (-1.25,), 1.9229001282564582),
    ("erfc", (5.5,), 7.3578479179743981e-15),
    ("erfc", (26.0,), 5.663192408856143e-296),
    ("erfinv", (0.3,), 0.27246271472675435),
    ("erfinv", (-0.75,), -0.81341984759761854),
    ("erfinv", (0.9999847412109375,), 3.0581795818509161),
    ("ndtr", (-37.0,), 5.725571222524577e-300),
    ("ndtr", (-0.5,), 0.3085375387259869),
    ("ndtr", (3.25,), 0.99942297495760923),
    ("gammaln", (1e-10,), 23.025850929882735),
    ("gammaln", (0.3,), 1.0957979948180756),
    ("gammaln", (1.0009765625,), -0.00056290317999120463),
    ("gammaln", (1.9990234375,), -0.0004125677359714894),
    ("gammaln", (7.25,), 7.0521854507385394),
    ("gammaln", (1e10,), 220258509288.81058),
    ("gammaln", (-2.5,), -0.056243716497674051),
    ("gammaln", (-20.75,), -43.12325855250223),
    ("gamma", (0.1,), 9.5135076986687313),
    ("gamma", (1.5,), 0.88622692545275801),
    ("gamma", (30.5,), 4.8226969334909086e+31),
    ("gamma", (171.5,), 9.4833675668248e+307),
    ("gamma", (-0.25,), -4.9016668098607106),
    ("gamma", (-127.84375,), 3.6904405985900845e-215),
    ("digamma", (1e-5,), -100000.57719921567),
    ("digamma", (1.4616321449683622,), -9.2412655217294275e-17),
    ("digamma", (1.4617,), 6.5659392293676496e-5),
    ("digamma", (5.5,), 1.6110931485817511),
    ("digamma", (1e8,), 18.420680738952365),
    ("digamma", (-0.5,), 0.036489973978576521),
    ("digamma", (-10.25,), 5.5168584198862733),
    ("polygamma", (1, 0.25,), 17.197329154507111),
    ("polygamma", (2, 1.5,), -0.82879664423432),
    ("polygamma", (3, 40.0,), 3.24414001515635e-5),
    ("polygamma", (5, -3.25,), 492231.23733572134),
    ("polygamma", (2, -171.5,), -3.3801769525852779e-5),
    ("betaln", (0.5, 0.5,), 1.1447298858494002),
    ("betaln", (1e9, 1e-9,), 20.72326581564593),
    ("betaln", (3.5, 200.0,), -17.364903596257936),
    ("betaln", (500.0, 1500.0,), -1126.7146331618644),
    ("beta", (0.5, 0.25,), 5.2441151085842396),
    ("beta", (30.0, 40.0,), 1.0539424603796546e-21),
    ("beta", (-0.5, 0.25,), 2.6220575542921198),
    ("logit", (0.5009765625,), 0.0039062549670651),
    ("logit", (1e-300,), -690.77552789821371),
    ("logit", (0.875,), 1.9459101490553133),
    ("expit", (-700.0,), 9.85967654375977e-305),
    ("expit", (0.5,), 0.62245933120185456),
    ("expit", (30.0,), 0.99999999999990642),
    ("log_expit", (-3.0,), -3.0485873515737421),
    ("log_expit", (40.0,), -4.248354255291589e-18),
    ("rel_entr", (1.0000009536743164, 1.0,), 9.5367477115345633e-7),
    ("rel_entr", (1e-200, 1e200,), -9.2103403719761826e-198),
    ("xlog1py", (2.0, 1e-10,), 1.9999999999000001e-10),
    ("entr", (0.3,), 0.3611918412977808),
    ("i0", (0.5,), 1.0634833707413235),
    ("i0", (-7.75,), 338.51375374727595),
    ("i0", (20.5,), 70922869.834317007),
    ("i0", (700.0,), 1.5295933476718737e+302),
    ("i1", (1e-5,), 5.0000000000625004e-6),
    ("i1", (-3.25,), -4.952546165908548),
    ("i1", (7.75,), 315.8524809240034),
    ("i1", (60.0,), 5.8447515883904683e+24),
    ("j0", (0.25,), 0.9844359292958527),
    ("j0", (2.404825557695773,), -6.1087652597367304e-17),
    ("j0", (2.5,), -0.048383776468197996),
    ("j0", (7.0,), 0.3000792705195556),
    ("j0", (50.5,), 0.095519891549700567),
    ("j1", (1e-8,), 5.0e-9),
    ("j1", (-3.8125,), -0.0077543922181216935),
    ("j1", (7.015625,), 1.1503460702301698e-5),
    ("j1", (30.25,), -0.13537782272587401),
]
NEAR_ZERO = {("gammaln", -2.5), ("gammaln", -20.75), ("digamma", 1.4616321449683622), ("digamma", -10.25),
             ("digamma", -0.5)}  # fmt: skip


@pytest.mark.parametrize(("name", "args", "exact"), EXACT)
def test_value_is_exact_to_the_last_digits(name, args, exact):
    # exp(ln B) multiplies the error of ln B by its size; a root on the negative axis costs relative precision.
    rtol = 5e-14 if name == "beta" else 2e-14 if (name, args[-1]) in NEAR_ZERO else 1.2e-15
    value = getattr(kb.special, name)(*args)
    assert isinstance(value, np.float64)
    np.testing.assert_allclose(value, exact, rtol=rtol, atol=0)


inf, nan = np.inf, np.nan
EDGES = [
    ("erf", [nan, inf, -inf, 0.0, -0.0], [nan, 1, -1, 0.0, -0.0]),
    ("erfc", [nan, inf, -inf, 0.0, 30.0], [nan, 0, 2, 1, 0]),
    ("erfinv", [nan, 1, -1, 0.0, -0.0, 1.5, -2], [nan, inf, -inf, 0.0, -0.0, nan, nan]),
    ("erfcinv", [nan, 0, 2, 1, 3, -1], [nan, inf, -inf, 0, nan, nan]),
    ("ndtr", [nan, inf, -inf, 0], [nan, 1, 0, 0.5]),
    ("gammaln", [nan, inf, -inf, 0.0, -0.0, -1, -2, 1, 2, 1e308], [nan, inf, inf, inf, inf, inf, inf, 0, 0, inf]),
    ("gamma", [nan, inf, -inf, 0.0, -0.0, -1, -2, 1, 2, 5, 172, -180.3, -1e15 - 0.5],
     [nan, inf, nan, inf, -inf, nan, nan, 1, 1, 24, inf, -0.0, -0.0]),
    ("digamma", [nan, inf, 0.0, -0.0, -1, -2], [nan, inf, -inf, inf, nan, nan]),
    ("expit", [nan, inf, -inf, 0, 800, -800], [nan, 1, 0, 0.5, 1, 0]),
    ("log_expit", [nan, inf, -inf, -1e300], [nan, 0, -inf, -1e300]),
    ("logit", [nan, 0, 1, 0.5, -1, 2], [nan, -inf, inf, 0, nan, nan]),
    ("entr", [nan, 0, 1, -1, inf], [nan, 0, 0, -inf, -inf]),
    ("i0", [nan, 0.0, inf, -inf, 720], [nan, 1, inf, inf, inf]),
    ("i1", [nan, 0.0, -0.0, inf, -inf, -720], [nan, 0.0, -0.0, inf, -inf, -inf]),
    ("j0", [nan, 0.0, inf, -inf], [nan, 1, 0, 0]),
    ("j1", [nan, 0.0, -0.0, inf, -inf], [nan, 0.0, -0.0, 0, 0]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "xs", "expected"), EDGES, ids=[row[0] for row in EDGES])
def test_edges(name, xs, expected):
    y = getattr(kb.special, name)(np.array(xs, float))
    np.testing.assert_array_equal(y, expected)
    zeros = [i for i, v in enumerate(expected) if v == 0 and name in ("erf", "erfinv", "gamma", "i1")]
    np.testing.assert_array_equal(np.signbit(y[zeros]), np.signbit(np.array(expected)[zeros]))


BINARY_EDGES = [
    ("xlogy", (0, 0), 0), ("xlogy", (0, -1), 0), ("xlogy", (0, nan), nan), ("xlogy", (1, 0), -inf),
    ("xlogy", (nan, 1), nan),
    ("xlog1py", (0, -1), 0), ("xlog1py", (0, nan), nan), ("xlog1py", (2, -1), -inf),
    ("rel_entr", (0, 0), 0), ("rel_entr", (0, 3), 0), ("rel_entr", (1, 0), inf), ("rel_entr", (-1, 1), inf),
    ("rel_entr", (nan, 1), nan), ("kl_div", (0, 3), 3), ("kl_div", (2, 2), 0), ("kl_div", (1, 0), inf),
    ("kl_div", (1, -1), inf), ("kl_div", (1, nan), nan), ("betaln", (1, inf), -inf), ("betaln", (0, 2), inf),
    ("beta", (1, inf), 0), ("beta", (0, 2), inf), ("beta", (0.5, -1.5), 0), ("beta", (nan, 1), nan),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "expected"), BINARY_EDGES)
def test_edges_of_functions_of_two(name, args, expected):
    np.testing.assert_array_equal(getattr(kb.special, name)(*map(float, args)), expected)


def test_factorials_are_exact():
    n = np.arange(1.0, 20.0)
    np.testing.assert_array_equal(kb.special.gamma(n), np.cumprod(np.concatenate([[1.0], n[:-1]])))


ALL = [(name, getattr(ops, name)) for name in ops.__all__]


@pytest.mark.parametrize(("name", "op"), ALL, ids=ops.__all__)
def test_dtype_is_kept_and_shapes_broadcast(name, op):
    sample = op.samples()[1]
    for dtype in (np.float16, np.float32, np.float64):
        args = [np.asarray(x, dtype) for x in sample.args]
        y = op(*args, **sample.params)
        assert y.dtype == dtype
        assert y.shape == args[0].shape
        wide = op(*(a.astype(np.float64) for a in args), **sample.params)
        np.testing.assert_allclose(y, wide, rtol=8 * np.finfo(dtype).eps, atol=8 * np.finfo(dtype).eps)
    assert op(*(1 for _ in sample.args), **sample.params).dtype == np.float64
    assert op(*(np.zeros((0, 2)) for _ in sample.args), **sample.params).shape == (0, 2)


@pytest.mark.parametrize(("name", "op"), ALL, ids=ops.__all__)
def test_complex_numbers_are_refused_by_name(name, op):
    sample = op.samples()[1]
    with pytest.raises(DTypeError, match=rf"{name}: expected real numbers, got complex128"):
        op(*(np.asarray(x) + 0j for x in sample.args), **sample.params)


@pytest.mark.parametrize(("name", "op"), ALL, ids=ops.__all__)
def test_gradients_of_first_and_second_order(name, op):
    for sample in op.samples():
        args = [np.asarray(x, float) for x in sample.args]
        if all(a.size for a in args):
            f = lambda *xs, params=sample.params: op(*xs, **params)
            kb.check_grads(f, *args, order=2)


def test_gradients_at_the_zeros_of_x_log_y():
    x, y = np.array([0.0, 0.0, 2.0]), np.array([0.0, 3.0, 0.5])
    dx, dy = kb.grad(lambda x, y: kb.special.xlogy(x, y).sum(), (0, 1))(x, y)
    np.testing.assert_allclose(dx, [0.0, np.log(3.0), np.log(0.5)])
    np.testing.assert_allclose(dy, [0.0, 0.0, 4.0])


def test_polygamma_takes_orders_as_an_array():
    x = np.array([[0.5], [2.0]])
    y = kb.special.polygamma([0, 1, 3], x)
    for column, n in enumerate([0, 1, 3]):
        np.testing.assert_array_equal(y[:, column], kb.special.polygamma(n, x[:, 0]))
    with pytest.raises(UsageError, match="order n to be at least 0, got -1"):
        kb.special.polygamma(-1, 1.0)
    with pytest.raises(DTypeError, match="order n to be an integer, got float64"):
        kb.special.polygamma(0.5, 1.0)


def test_logsumexp_with_factors_and_sign():
    a, b = np.array([[1000.0, 1001.0], [3.0, -np.inf]]), np.array([[1.0, -1.0], [0.0, 2.0]])
    y, sign = kb.special.logsumexp(a, axis=1, b=b, return_sign=True)
    np.testing.assert_allclose(y, [1000.0 + np.log(np.e - 1.0), -np.inf], rtol=1e-15)
    np.testing.assert_array_equal(sign, [-1, 0])
    assert np.isnan(kb.special.logsumexp(a, b=b))
    assert kb.special.logsumexp(a, axis=0, keepdims=True).shape == (1, 2)
    assert kb.special.logsumexp(np.float32([1, 2])).dtype == np.float32
    kb.check_grads(lambda a, b: kb.special.logsumexp(a, b=b), np.array([0.3, 2.0, -1.0]), np.array([1.0, 2.0, 0.5]))


def test_softmax_sums_to_one_and_shifts_nothing():
    x = np.array([[1e4, 1e4 + 1.0, -1e4], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(kb.special.softmax(x, axis=1).sum(1), 1.0, rtol=1e-15)
    np.testing.assert_allclose(kb.special.log_softmax(x, axis=0)[0], [0.0, 0.0, -1e4], atol=1e-300)
    kb.check_grads(lambda x: kb.special.softmax(x, axis=1), np.array([[0.1, 2.0, -1.0]]), order=2)


def test_against_scipy_densely():
    scipy = pytest.importorskip("scipy.special")
    x = np.linspace(-8.0, 40.0, 4801) + 1e-3
    for name in ("erf", "erfc", "ndtr", "gammaln", "gamma", "digamma", "expit", "log_expit", "i0", "i1", "j0", "j1"):
        ours, theirs = getattr(kb.special, name)(x), getattr(scipy, name)(x)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13, err_msg=name)
    p = np.linspace(0.001, 0.999, 999)
    for name in ("erfinv", "erfcinv", "logit", "entr"):
        np.testing.assert_allclose(getattr(kb.special, name)(p), getattr(scipy, name)(p), rtol=1e-13, err_msg=name)
    a, b = np.meshgrid(np.geomspace(1e-3, 1e4, 40), np.geomspace(1e-3, 1e4, 40))
    for name in ("beta", "betaln", "xlogy", "xlog1py", "rel_entr", "kl_div"):
        ours, theirs = getattr(kb.special, name)(a, b), getattr(scipy, name)(a, b)
        np.testing.assert_allclose(ours, theirs, rtol=2e-11, atol=1e-11, err_msg=name)
