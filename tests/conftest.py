"""What all tests share: reproducible property tests, and no compiled objects from elsewhere."""

import os
import signal

from hypothesis import settings

# What is tested is compiled, not read from what another run left behind.
os.environ["KOUBAI_CACHE"] = "0"

# The same examples at every run, and no deadline: on a busy machine time says nothing about right or wrong.
settings.register_profile("koubai", derandomize=True, deadline=None)
settings.load_profile("koubai")

# A shell lets what it starts in the background ignore Ctrl-C, which some tests send and wait for.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
