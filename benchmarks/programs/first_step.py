"""How long the first fit of one epoch takes in a process that has everything imported: compilation, and some steps."""

import json
import sys
import time

import numpy as np

import koubai as kb

data = np.load(sys.argv[1])
model = kb.nn.Sequential(kb.nn.Linear(64, 32), kb.nn.ReLU(), kb.nn.Linear(32, 10))
begin = time.perf_counter()
kb.fit(model, (data["x"], data["t"]), loss="cross_entropy", epochs=1, batch_size=32, check=False, compile="always")
print(json.dumps({"compile_s": time.perf_counter() - begin}))
