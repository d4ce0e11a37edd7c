"""What all tests share: reproducible property tests, and no compiled objects from elsewhere."""

import os

from hypothesis import settings

# What is tested is compiled, not read from what another run left behind.
os.environ["KOUBAI_CACHE"] = "0"

# The same examples at every run, and no deadline: on a busy machine time says nothing about right or wrong.
settings.register_profile("koubai", derandomize=True, deadline=None)
settings.load_profile("koubai")
