"""What all tests share: reproducible property tests, and no compiled objects from elsewhere."""

import gc
import hashlib
import os
import signal
from typing import Any

from hypothesis import settings

from koubai.compile import objects, program
from koubai.compile.llvm.engine import object_code

# What is tested is compiled, not read from what another run left behind.
os.environ["KOUBAI_CACHE"] = "0"

# The same examples at every run, and no deadline: on a busy machine time says nothing about right or wrong.
settings.register_profile("koubai", derandomize=True, deadline=None)
settings.load_profile("koubai")

# A shell lets what it starts in the background ignore Ctrl-C, which some tests send and wait for.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    # The tests themselves stay to the end: no garbage collection need look at them, which takes a fifth of the time.
    gc.collect()
    gc.freeze()


# LLVM is asked once for the same text: a third of what is compiled comes again.
made: dict[Any, bytes] = {}


def made_once(text: str, *machine: Any) -> bytes:
    key = hashlib.sha256(text.encode()).digest(), machine
    if key not in made:
        made[key] = object_code(text, *machine)
    return made[key]


program.object_code = objects.object_code = made_once
