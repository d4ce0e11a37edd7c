"""Optimizers: pure pairs ``init(params) -> state`` and ``update(grads, state, params) -> (params, state)``.

Names, arguments, defaults and arithmetic are PyTorch's, so that trajectories can be compared number by
number. `step(model)` is for hand-written loops. May import `tensor` and what stands below it.
"""

from koubai.optim.adam import Adam, Adamax, AdamW, NAdam, RAdam
from koubai.optim.adaptive import Adadelta, Adafactor, Adagrad, RMSprop
from koubai.optim.lookup import get
from koubai.optim.optimizer import Optimizer
from koubai.optim.sgd import ASGD, SGD, Rprop

__all__ = [
    "ASGD",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "get",
]
