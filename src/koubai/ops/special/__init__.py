"""Special functions of mathematical physics and statistics, with NumPy alone."""

from koubai.ops.special.logistic import expit, log_expit, logit

__all__ = ["expit", "log_expit", "logit"]
