"""Networks: modules, parameters, layers, activations, losses and initializers.

May import `tensor` and everything below.
"""

from koubai.nn import init, losses
from koubai.nn.activations import ReLU, Sigmoid, Tanh
from koubai.nn.call import functional_call
from koubai.nn.containers import Lambda, ModuleDict, ModuleList, Sequential
from koubai.nn.functional import flatten, linear, relu, sigmoid, tanh
from koubai.nn.layers import Dropout, Flatten, Identity, Linear
from koubai.nn.module import Module
from koubai.nn.parameter import Buffer, Parameter

__all__ = [
    "Buffer",
    "Dropout",
    "Flatten",
    "Identity",
    "Lambda",
    "Linear",
    "Module",
    "ModuleDict",
    "ModuleList",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "flatten",
    "functional_call",
    "init",
    "linear",
    "losses",
    "relu",
    "sigmoid",
    "tanh",
]
