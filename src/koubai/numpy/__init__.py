"""``koubai.numpy``: the public name of `koubai.tensor.numpy`."""

import koubai.tensor  # noqa: F401 - gives Tensor its methods
from koubai.tensor.numpy import *
from koubai.tensor.numpy import __getattr__ as __getattr__

from koubai.numpy import fft as fft, linalg as linalg  # isort: skip - after the names that they would hide
