"""scikit-learn's MLPClassifier, in the one work that has its arithmetic."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from works import Weights, Work


class Classifier:
    """Its Adam adds eps before the second moment is corrected for its start, the others after; nothing else differs."""

    def __init__(self, work: Work, threads: int) -> None:
        self.work = work
        self.model = MLPClassifier(
            (work.layers[0].outputs,), batch_size=work.batch, alpha=work.l2 * work.batch, shuffle=False,
            warm_start=True, tol=0.0, n_iter_no_change=10**9,
        )  # fmt: skip
        self.model.partial_fit(work.x[: work.batch], work.t[: work.batch], classes=np.arange(10))

    def begin(self) -> None:
        weights = self.work.start()
        self.model.coefs_, self.model.intercepts_ = weights[::2], weights[1::2]

    def train(self, epochs: int) -> None:
        """A fit that starts warm keeps the weights that it finds and has a new optimizer."""
        self.model.max_iter = epochs
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.model.fit(self.work.x, self.work.t)

    def weights(self) -> Weights:
        pairs = zip(self.model.coefs_, self.model.intercepts_)
        return [w for pair in pairs for w in pair]
