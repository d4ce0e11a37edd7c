"""Checking: numerical differentiation against the rules, with a diagnosis.

May import everything below: `tensor`, `diff`, `ops`, `graph`, `errors`.
"""

from koubai.check.grads import check_grads
from koubai.check.layers import check_function, check_functions
from koubai.check.numerical import numerical_grad
from koubai.check.records import check_op
from koubai.check.report import Diagnosis, GradReport

__all__ = [
    "Diagnosis",
    "GradReport",
    "check_function",
    "check_functions",
    "check_grads",
    "check_op",
    "numerical_grad",
]
