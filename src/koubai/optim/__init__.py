"""Optimizers: pure pairs ``init(params) -> state`` and ``update(grads, state, params) -> (params, state)``.

Names, arguments, defaults and arithmetic are PyTorch's, so that trajectories can be compared number by
number. `step(model)` is for hand-written loops. May import `tensor` and what stands below it.
"""

from koubai.optim import schedules
from koubai.optim.accumulate import Accumulated
from koubai.optim.adam import Adam, Adamax, AdamW, NAdam, RAdam
from koubai.optim.adaptive import Adadelta, Adafactor, Adagrad, RMSprop
from koubai.optim.clip import Clipped, clip_by_global_norm, clip_by_norm, clip_by_value, global_norm
from koubai.optim.lbfgs import LBFGS
from koubai.optim.lookup import get
from koubai.optim.optimizer import Optimizer
from koubai.optim.sgd import ASGD, SGD, Rprop

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Accumulated",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Clipped",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "get",
    "global_norm",
    "schedules",
]
