"""``koubai.numpy.fft``: the public name of `koubai.tensor.numpy.fft`."""

from koubai.tensor.numpy.fft import *
from koubai.tensor.numpy.fft import __all__ as __all__
