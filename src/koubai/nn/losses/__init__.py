"""Losses: of classification (from logits), of regression and distributions, with margins.

Every loss takes predictions and targets of fitting shapes and refuses others: nothing is broadcast. By
default it returns the mean over all elements (over all examples where the classes are an axis).
"""

from koubai.nn.losses.classification import binary_cross_entropy, cross_entropy, nll
from koubai.nn.losses.margins import (
    cosine_embedding,
    hinge,
    hinge_embedding,
    margin_ranking,
    multi_margin,
    soft_margin,
    triplet_margin,
)
from koubai.nn.losses.regression import gaussian_nll, huber, kl_div, mae, mse, poisson_nll, smooth_l1

__all__ = [
    "binary_cross_entropy",
    "cosine_embedding",
    "cross_entropy",
    "gaussian_nll",
    "hinge",
    "hinge_embedding",
    "huber",
    "kl_div",
    "mae",
    "margin_ranking",
    "mse",
    "multi_margin",
    "nll",
    "poisson_nll",
    "smooth_l1",
    "soft_margin",
    "triplet_margin",
]
