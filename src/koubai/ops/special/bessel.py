"""Bessel functions of the first kind and their modified relatives, of orders zero and one.

On [0, 8] polynomials, with the zeros of J0 and J1 there taken out as factors; beyond, Hankel's asymptotic
form sqrt(2/(pi x)) (P cos(x - phase) - Q sin(x - phase)) with P and Q as polynomials in (8/x)^2, and e^x/sqrt x
times a polynomial in 8/x for I0 and I1 (M. Abramowitz, I. A. Stegun, "Handbook of Mathematical Functions", 9.2
and 9.7). Coefficients by interpolation at Chebyshev nodes with 40 digits. Errors of I0 and I1 are a few units in
the last place; those of J0 and J1 are too on [-8, 8], and beyond about 2e-16 sqrt(2/(pi x)) in absolute terms.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from koubai.graph import Op, Words
from koubai.ops.define import elementwise, unary
from koubai.ops.elementwise import where
from koubai.ops.special.kernel import kernel, pieces, polynomial

__all__ = ["i0", "i1", "j0", "j1"]

I0_NEAR = (
    0.2070019212239867, -0.11300432688620549, 0.09451562853995103, -0.08904344136075991,
    0.08734341617552291, -0.08496338091615124, 0.07927522590716898, -0.06954119561742342,
    0.056777032019843215, -0.04298594945226738, 0.03017791202356886, -0.019682654708082413,
    0.011960077903963348, -0.006792399792271578, 0.0036171264596770616, -0.0018118870527295522,
    0.0008563152483951447, -0.0003829015089457559, 0.0001624054672701359, -6.550956130635514e-05,
    2.5202271984440893e-05, -9.25059710625537e-06, 3.2293850630678377e-06, -1.0891964284507317e-06,
    3.675592893288293e-07, -1.1339523685907105e-07, 2.6273368345256394e-08, -7.860369707508212e-09,
    4.469372581856615e-09, -1.1662904878442954e-09,
)  # fmt: skip
I0_FAR = (
    0.4021765094450081, 0.003360551983667854, 0.00013621607439232746, 1.1143033791556743e-05,
    1.4838475473607391e-06, 2.973598432479169e-07, 8.87225351128584e-08, 3.932602459703109e-08,
    2.1545177650836005e-08, 7.553516470355896e-09, -6.729724111923548e-09, -1.3404241991980871e-08,
    -5.4685974495866e-09, 7.540601378890834e-09, 7.58022133915272e-09, -3.4857887470034955e-09,
    -6.188265090497361e-09, 1.497880830187091e-09, 3.881151253996067e-09, -5.562201990080394e-10,
    -1.7789375042917173e-09, 1.4672236659214398e-10, 5.181936971288284e-10, -1.9216763724933513e-11,
    -7.06893851181878e-11,
)  # fmt: skip
J0_ROOT1 = (2.404825557695773, -1.176691651530894e-16)
J0_ROOT2 = (5.520078110286311, 8.088597146146722e-17)
J0_NEAR = (
    0.0011434937743762545, -0.002119794289479692, 0.0015636431645931661, -0.0006415390646406127,
    0.00016977200713997844, -3.157342540223125e-05, 4.3669323246406834e-06, -4.677128021500413e-07,
    3.99883934547248e-08, -2.7948629190252563e-09, 1.6276489491802434e-10, -8.023536495592505e-12,
    3.3923298939988384e-13, -1.244037126995673e-14, 4.0068947189799594e-16, -1.1358872733053948e-17,
)  # fmt: skip
J0_P = (
    0.9994572757882519, -0.0005363673192130033, 6.137416080111143e-06, -2.052744816021978e-07,
    1.2803761421389911e-08, -1.2121178913027262e-09, 1.5500573849457377e-10, -2.4883792349430343e-11,
    4.786833648457065e-12, -1.061860361827791e-12, 2.454626647456918e-13, -6.563491590174781e-14,
    3.334599531685773e-14, -1.1346926815291663e-14,
)  # fmt: skip
J0_Q = (
    -0.12444091103610816, 0.0005466519279475136, -1.1817110660731776e-05, 5.684971885449538e-07,
    -4.534973594868882e-08, 5.146228618919075e-09, -7.575872758461843e-10, 1.362452803693964e-10,
    -2.88387465828897e-11, 6.934511868227323e-12, -1.6798068504524111e-12, 4.743918565467509e-13,
    -2.729058891731019e-13, 9.756113507128432e-14,
)  # fmt: skip
I1_NEAR = (
    0.04468770987560883, -0.06112433802966629, 0.06805759990951267, -0.06848260620582576,
    0.06376740371333725, -0.05528003922703299, 0.04467457262304859, -0.03367135552039122,
    0.023686016933733296, -0.015571309250544394, 0.009583962342948091, -0.0055345678088487725,
    0.003005761422600446, -0.0015388747130763492, 0.0007445158546973146, -0.00034117562574038554,
    0.0001484126353082137, -6.142435066991627e-05, 2.4248618918164148e-05, -9.135581253751598e-06,
    3.2758896983910484e-06, -1.133551346432692e-06, 3.9091632529126733e-07, -1.2376686539665326e-07,
    2.9883402742599985e-08, -9.144761049555143e-09, 5.211654337723065e-09, -1.3931836382589292e-09,
)  # fmt: skip
I1_FAR = (
    0.38939845902587233, -0.009749577193235728, -0.00021923576383430274, -1.5038547201176271e-05,
    -1.8349101134666435e-06, -3.483855609009937e-07, -1.0001323461066435e-07, -4.312935369971356e-08,
    -2.337059627111857e-08, -8.426622829598154e-09, 6.715795128085017e-09, 1.4029693589852716e-08,
    6.040877342160988e-09, -7.630751970065577e-09, -8.044231276166508e-09, 3.406636130196794e-09,
    6.4870195719816896e-09, -1.4171698018664596e-09, -4.047785403711858e-09, 5.146498826087142e-10,
    1.8513716745511988e-09, -1.342266320082222e-10, -5.388285995923524e-10, 1.7502497778701306e-11,
    7.347992441734663e-11,
)  # fmt: skip
J1_ROOT1 = (3.8317059702075125, -1.5269184090088067e-16)
J1_ROOT2 = (7.015586669815619, -9.414165653410389e-17)
J1_NEAR = (
    0.00019498936985895625, -0.0002697522746716368, 0.00015860016799369858, -5.4080032390855064e-05,
    1.224217365301787e-05, -1.9890935159142006e-06, 2.442522260616403e-07, -2.352192254597121e-08,
    1.8268548082869076e-09, -1.169693248966763e-10, 6.2846769866729685e-12, -2.8755334378568987e-13,
    1.1384465070771561e-14, -3.9096323215705757e-16,
)  # fmt: skip
J1_P = (
    1.0009070262780821, 0.0008988049416705564, -7.95969469844003e-06, 2.453676622679369e-07,
    -1.4708512970871809e-08, 1.3603054724512454e-09, -1.713108363257052e-10, 2.7205216071451606e-11,
    -5.190987549128526e-12, 1.1443000350441976e-12, -2.635099411586755e-13, 7.019004954768849e-14,
    -3.5404613525657416e-14, 1.2012721775449965e-14,
)  # fmt: skip
J1_Q = (
    0.3742149922195918, -0.0007697167057643569, 1.456961480935691e-05, -6.633568564937367e-07,
    5.1361067953963376e-08, -5.720887751116045e-09, 8.315594957016384e-10, -1.481767246888408e-10,
    3.114226481045957e-11, -7.446940085047187e-12, 1.798464167692092e-12, -5.061753256584603e-13,
    2.8910711721761855e-13, -1.0308138671963011e-13,
)  # fmt: skip
NEAR = 8.0
J0_SERIES = tuple((-1.0) ** k / math.factorial(k) ** 2 for k in range(7))  # in x^2/4, so that J0(0) is 1 exactly


def _modified_far(coefficients: tuple[float, ...], x: Any) -> Any:
    # e^x as a product of two, so that it does not overflow before the result does.
    half = np.exp(0.5 * x)
    return half * (polynomial(coefficients, 2.0 * NEAR / x - 1.0) / np.sqrt(x)) * half


@kernel("i0")
def _i0(x: Any) -> Any:
    x = np.abs(x)
    return pieces(
        x,
        (x <= NEAR, lambda v: np.exp(v) * polynomial(I0_NEAR, 0.25 * v - 1.0)),
        ((x > NEAR) & (x < np.inf), lambda v: _modified_far(I0_FAR, v)),
        (x == np.inf, np.copy),
    )


@kernel("i1")
def _i1(x: Any) -> Any:
    size = np.abs(x)
    y = pieces(
        size,
        (size <= NEAR, lambda v: v * (np.exp(v) * polynomial(I1_NEAR, 0.25 * v - 1.0))),
        ((size > NEAR) & (size < np.inf), lambda v: _modified_far(I1_FAR, v)),
        (size == np.inf, np.copy),
    )
    return np.copysign(y, x)


def _from_zeros(x: Any, *zeros: tuple[float, float]) -> Any:
    """The product of x^2 - zero^2; each zero is the sum of two numbers."""
    y = np.ones_like(x)
    for high, low in zeros:
        y *= (x - high - low) * (x + high)
    return y


def _near(x: Any, coefficients: tuple[float, ...], *zeros: tuple[float, float]) -> Any:
    return _from_zeros(x, *zeros) * polynomial(coefficients, x * x / (0.5 * NEAR * NEAR) - 1.0)


def _far(x: Any, p: tuple[float, ...], q: tuple[float, ...], cosine: Any, sine: Any) -> Any:
    """Hankel's form; cosine and sine are those of x less the phase, times sqrt 2."""
    z = 2.0 * (NEAR / x) ** 2 - 1.0
    return (polynomial(p, z) * cosine - polynomial(q, z) / x * sine) / np.sqrt(np.pi * x)


def _j0_far(x: Any) -> Any:
    c, s = np.cos(x), np.sin(x)
    return _far(x, J0_P, J0_Q, c + s, s - c)


def _j1_far(x: Any) -> Any:
    c, s = np.cos(x), np.sin(x)
    return _far(x, J1_P, J1_Q, s - c, -s - c)


@kernel("j0")
def _j0(x: Any) -> Any:
    x = np.abs(x)
    return pieces(
        x,
        (x < 0.25, lambda v: polynomial(J0_SERIES, 0.25 * v * v)),
        ((x >= 0.25) & (x <= NEAR), lambda v: _near(v, J0_NEAR, J0_ROOT1, J0_ROOT2)),
        ((x > NEAR) & (x < np.inf), _j0_far),
        (x == np.inf, np.zeros_like),
    )


@kernel("j1")
def _j1(x: Any) -> Any:
    size = np.abs(x)
    y = pieces(
        size,
        (size <= NEAR, lambda v: v * _near(v, J1_NEAR, J1_ROOT1, J1_ROOT2)),
        ((size > NEAR) & (size < np.inf), _j1_far),
        (size == np.inf, np.zeros_like),
    )
    return np.where(np.signbit(x), -y, y)


def _over(y: Any, x: Any) -> Any:
    """y/x for an odd function y of x with slope 1/2 at 0."""
    return where(x == 0, 0.5, y / where(x == 0, 1.0, x))


i0: Op = elementwise(
    "i0", _i0, lambda y, x: i1(x),
    words=Words("y = I_0(x)", "dy/dx = I_1(x)",
                "The modified Bessel function of order zero.", "0次の変形ベッセル関数。"),
    samples=unary(complex=False),
)  # fmt: skip
i1: Op = elementwise(
    "i1", _i1, lambda y, x: i0(x) - _over(y, x),
    words=Words("y = I_1(x)", "dy/dx = I_0(x) - y/x", "The modified Bessel function of order one.",
                "1次の変形ベッセル関数。"),
    samples=unary(0.4, 3.0, complex=False),
)  # fmt: skip
j0: Op = elementwise(
    "j0", _j0, lambda y, x: -j1(x),
    words=Words("y = J_0(x)", "dy/dx = -J_1(x)", "The Bessel function of the first kind of order zero.",
                "0次の第1種ベッセル関数。"),
    samples=unary(0.4, 12.0, complex=False),
)  # fmt: skip
j1: Op = elementwise(
    "j1", _j1, lambda y, x: j0(x) - _over(y, x),
    words=Words("y = J_1(x)", "dy/dx = J_0(x) - y/x", "The Bessel function of the first kind of order one.",
                "1次の第1種ベッセル関数。"),
    samples=unary(0.4, 12.0, complex=False),
)  # fmt: skip
