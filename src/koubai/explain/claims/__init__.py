"""Worked examples verified: each claimed number is right, wrong (with the right value and the slip), or not computable.

An example is a few formulas, a function, or a model with its loss; claims are its numbers as somebody printed them.
Formulas are read by a parser of our own, so that a file from anywhere can be verified.
"""

from koubai.explain.claims.report import Claim, ClaimReport
from koubai.explain.claims.verify import verify_example

__all__ = ["Claim", "ClaimReport", "verify_example"]
