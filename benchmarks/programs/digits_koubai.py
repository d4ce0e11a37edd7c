"""Train a classifier of digits with koubai. Arguments: a file with x and t; --no-check to go without the check."""

import json
import sys

import numpy as np

import koubai as kb

data = np.load(sys.argv[1])
x, t = data["x"], data["t"]
model = kb.nn.Sequential(kb.nn.Linear(64, 32), kb.nn.ReLU(), kb.nn.Linear(32, 10))
check = "--no-check" not in sys.argv
kb.fit(model, (x, t), loss="cross_entropy", optimizer="adam", epochs=10, batch_size=32, check=check)
print(json.dumps({"accuracy": kb.evaluate(model, (x, t), "accuracy")}))
