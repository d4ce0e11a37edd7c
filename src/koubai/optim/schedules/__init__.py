"""Learning rates that change: pure functions from the number of the step, counted from 0, to a rate.

Give one as ``lr`` of an optimizer or of a group. They compute on numbers and record on tensors, hold plain
numbers only (so that they can be copied, compared, printed and pickled), and where PyTorch has a scheduler of
the kind they give its rates. PyTorch's are often stepped once an epoch; here `Every` does that.
"""

from koubai.optim.plateau import ReduceOnPlateau
from koubai.optim.schedules.base import Constant, Schedule
from koubai.optim.schedules.combined import Chain, Every, Warmup
from koubai.optim.schedules.curves import Cosine, CosineWarmRestarts, Linear, OneCycle, Polynomial
from koubai.optim.schedules.falls import Exponential, MultiStep, Piecewise, Step

__all__ = [
    "Chain",
    "Constant",
    "Cosine",
    "CosineWarmRestarts",
    "Every",
    "Exponential",
    "Linear",
    "MultiStep",
    "OneCycle",
    "Piecewise",
    "Polynomial",
    "ReduceOnPlateau",
    "Schedule",
    "Step",
    "Warmup",
]
