"""Each optimizer moves as PyTorch's of the same name, number by number.

`data/optimizer_trajectories.json` holds the parameters after 1, 25 and 200 steps in float64 as PyTorch 2.13
computes them, for every case of `optimizer_cases`; with PyTorch installed every step is compared too.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import koubai as kb
from optimizer_cases import CASES, IDS, flat, gradients, start, trajectory

STORED = json.loads((Path(__file__).parent / "data" / "optimizer_trajectories.json").read_text())


@pytest.mark.parametrize(("name", "i"), IDS)
def test_trajectory_equals_the_stored_one(name, i):
    optimizer = getattr(kb.optim, name)(**CASES[name][i])
    found, _ = trajectory(optimizer, start(), 200)
    for t, expected in STORED[f"{name} {i}"].items():
        np.testing.assert_allclose(flat(found[int(t) - 1]), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "i"), IDS)
def test_every_step_equals_pytorchs(name, i):
    torch = pytest.importorskip("torch")
    tensors = {k: torch.tensor(v, requires_grad=True) for k, v in start().items()}
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # its scalar state would be float32 otherwise
    try:
        theirs = getattr(torch.optim, name)(list(tensors.values()), **CASES[name][i], foreach=False)
        ours, _ = trajectory(getattr(kb.optim, name)(**CASES[name][i]), start(), 200)
        for t, params in enumerate(ours):
            values = {k: p.detach().numpy() for k, p in tensors.items()}
            for k, g in gradients(values, t).items():
                tensors[k].grad = torch.tensor(g)
            theirs.step()
            expected = flat({k: p.detach().numpy() for k, p in tensors.items()})
            np.testing.assert_allclose(flat(params), expected, rtol=0, atol=1e-12)
    finally:
        torch.set_default_dtype(before)
