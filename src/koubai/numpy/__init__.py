"""``koubai.numpy``: the public name of `koubai.tensor.numpy`."""

import koubai.tensor  # noqa: F401 - gives Tensor its methods
from koubai.tensor.numpy import *
from koubai.tensor.numpy import __getattr__ as __getattr__
