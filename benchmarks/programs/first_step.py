"""How much longer the first fit takes than the second in one process: compilation, and the imports that it brings."""

import json
import sys
import time

import numpy as np

import koubai as kb

data = np.load(sys.argv[1])
seconds = []
for _ in range(2):
    model = kb.nn.Sequential(kb.nn.Linear(64, 32), kb.nn.ReLU(), kb.nn.Linear(32, 10))
    begin = time.perf_counter()
    kb.fit(model, (data["x"], data["t"]), loss="cross_entropy", epochs=1, batch_size=32, check=False)
    seconds.append(time.perf_counter() - begin)
print(json.dumps({"compile_s": seconds[0] - seconds[1]}))
