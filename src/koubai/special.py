"""``koubai.special``: the public name of `koubai.tensor.special`."""

from koubai.tensor.special import *  # noqa: F403
