"""Train one work with one side for some epochs. Arguments: side, work, epochs, threads. Prints the peak memory."""

import json
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from peers import make
from works import work


def peak() -> int:
    """The largest resident memory so far, in bytes.

    Linux counts that of the parent into ru_maxrss, where the process was forked, but not into VmHWM.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line[:6] == "VmHWM:")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


name, of, epochs, threads = sys.argv[1:]
side = make(name, work(of), int(threads))
before = peak()
side.begin()
side.train(int(epochs))
print(json.dumps({"before_training": before, "peak": peak()}))
