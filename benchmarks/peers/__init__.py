"""The sides that are timed: koubai and what else is installed, each in a file of its own.

A side is made for a work; `begin` puts the start weights in, `train` takes whole epochs and is what is timed,
`weights` hands the weights back. Heavy imports happen when a side is made, so that a process that runs one
side loads no other.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

from works import Weights, Work


class Unavailable(Exception):
    """The side cannot do this work; the message says why."""


class Side(Protocol):
    """One library that trains one work."""

    work: Work

    def begin(self) -> None:
        """Put the start weights in, with a fresh optimizer."""

    def train(self, epochs: int) -> None:
        """Train, and return when the last weight is there."""

    def weights(self) -> Weights:
        """The present weights, in the shapes of the work."""


# Name: the module in this folder, the class in it, and the distributions that it needs.
SIDES = {
    "koubai": ("koubai_fit", "Koubai", ("koubai",)),
    "NumPy by hand": ("numpy_by_hand", "ByHand", ("numpy",)),
    "PyTorch": ("pytorch", "Eager", ("torch",)),
    "PyTorch, fused Adam": ("pytorch", "FusedAdam", ("torch",)),
    "torch.compile": ("pytorch", "Compiled", ("torch",)),
    "JAX jit": ("jax_jit", "StepByStep", ("jax", "jaxlib")),
    "JAX jit+scan": ("jax_jit", "Scan", ("jax", "jaxlib")),
    "scikit-learn": ("scikit_learn", "Classifier", ("scikit-learn",)),
}


def make(name: str, work: Work, threads: int) -> Side:
    """A side, ready to begin.

    Raises
    ------
    Unavailable
        If its library is not installed, or cannot do this work.
    """
    module, kind, needed = SIDES[name]
    for distribution in needed:
        try:
            version(distribution)
        except PackageNotFoundError:
            raise Unavailable(f"{distribution} is not installed") from None
    try:
        side: Side = getattr(import_module(f"peers.{module}"), kind)(work, threads)
    except ImportError as error:
        raise Unavailable(f"not installed ({error})") from None
    return side
