"""Special functions of analysis and statistics, with NumPy alone."""

from koubai.ops.special.bessel import i0, i1, j0, j1
from koubai.ops.special.entropy import entr, kl_div, rel_entr, xlog1py, xlogy
from koubai.ops.special.error import erf, erfc, erfcinv, erfinv, ndtr
from koubai.ops.special.gamma import beta, betaln, digamma, gamma, gammaln, polygamma
from koubai.ops.special.logistic import expit, log_expit, logit

__all__ = [
    "beta",
    "betaln",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcinv",
    "erfinv",
    "expit",
    "gamma",
    "gammaln",
    "i0",
    "i1",
    "j0",
    "j1",
    "kl_div",
    "log_expit",
    "logit",
    "ndtr",
    "polygamma",
    "rel_entr",
    "xlog1py",
    "xlogy",
]
