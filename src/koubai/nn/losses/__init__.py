"""Losses: of classification (from logits), of regression and distributions, with margins.

Every loss takes predictions and targets of fitting shapes and refuses others: nothing is broadcast. By
default it returns the mean over all elements (over all examples where the classes are an axis).
"""

from koubai.nn.losses.classification import binary_cross_entropy, cross_entropy, nll
from koubai.nn.losses.regression import mae, mse

__all__ = ["binary_cross_entropy", "cross_entropy", "mae", "mse", "nll"]
