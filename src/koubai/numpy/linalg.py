"""``koubai.numpy.linalg``: the public name of `koubai.tensor.numpy.linalg`."""

from koubai.tensor.numpy.linalg import *
from koubai.tensor.numpy.linalg import __all__ as __all__
