"""``koubai.numpy``: the public name of `koubai.tensor.numpy`."""

from koubai.tensor.numpy import *
from koubai.tensor.numpy import __getattr__ as __getattr__
