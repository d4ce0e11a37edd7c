"""``koubai.numpy.fft``: the public name of `koubai.tensor.numpy.fft`."""

from koubai.tensor.numpy.fft import *
