"""``koubai.special``: the public name of `koubai.tensor.special`."""

import koubai.tensor  # noqa: F401 - gives Tensor its methods
from koubai.tensor.special import *  # noqa: F403
