"""``koubai train``: data, network, gradient check, training, test, results."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from koubai import data, nn, optim
from koubai.cli.output import refuse_unwritable, results
from koubai.cli.report import confusion, say_to
from koubai.data import Dataset
from koubai.errors import DataError, UsageError
from koubai.explain.doctor import checkup as examine
from koubai.train import (
    Callback,
    History,
    Standardize,
    Unstandardize,
    evaluate,
    fit,
    save,
)
from koubai.train.predict import outputs_of
from koubai.train.prepare import lost_digits

__all__ = ["read_source", "train"]

INTERRUPTED = 130
TEST, VALIDATION = 0.2, 0.1
MANY = 10_000
LARGEST = 1e37  # leaves float32 room to standardize
EXAMINED = 256  # examples that the doctor looks at
BYTES_A_PARAMETER = 40  # weight, gradient, what the optimizer remembers, passing results, the checked copy


@dataclass(frozen=True, slots=True)
class Parts:
    """The examples by their use."""

    name: str
    train: Dataset
    validation: Dataset
    test: Dataset


def train(
    source: str,
    target: str | None,
    task: str | None,
    hidden: str | None,
    epochs: int | None,
    batch_size: int | None,
    lr: float,
    optimizer: str,
    dropout: float,
    seed: int,
    out: str | None,
    check: bool,
    checkup: bool,
    as_json: bool,
) -> int:
    """Run the whole job; returns the exit code."""
    say = say_to(sys.stderr if as_json else sys.stdout)
    _refuse_steps(optimizer, lr)
    whole, test = read_source(source, target, task)
    _refuse_numbers(whole)
    sizes = _hidden(hidden, whole)
    parts = _parts(whole, test, seed)
    folder = Path(out if out is not None else f"koubai-{_stem(source)}")
    refuse_unwritable(folder)
    say(f"{_named(whole)}{whole.summary()}")
    if whole.licence:
        say(f"  {whole.source}, {whole.licence}")
    say(f"  {len(parts.train)} to train, {len(parts.validation)} to validate, {len(parts.test)} to test")
    job = _Job(parts, _network(parts.train, sizes, dropout).init(seed), _scales(parts.train))
    say(f"\n{job.model}\n")
    history = job.run(
        epochs or _epochs(whole), batch_size or (32 if len(whole) < MANY else 128), lr, optimizer, seed, check, say
    )
    report = job.report(history, say)
    if checkup:
        say(f"\n{job.checkup}\n")
    elif not job.checkup.ok:
        say("\n".join(["", *(f"note: {finding}" for finding in job.checkup.findings)]))
        say("(--checkup shows the whole network)\n")
    with results(folder) as part:
        job.save(part, history, source)
    say(f"wrote {', '.join(str(folder / name) for name in FILES)}")
    if as_json:
        print(json.dumps({**report, "seed": seed, "source": source, "out": str(folder)}))
    return INTERRUPTED if history.interrupted else 0


FILES = ("model.safetensors", "history.csv", "curves.svg")


def read_source(source: str, target: str | None, task: str | None) -> tuple[Dataset, Dataset | None]:
    """A bundled set, a CSV file or a folder of IDX files, and its test part where it brings one."""
    path = Path(source)
    if source in data.names():
        _refuse_options(target, task, "a bundled set")
        return data.load(source), None
    if path.is_dir():
        _refuse_options(target, task, "a folder of IDX files")
        found: tuple[Dataset, Dataset | None] = data.read_idx(path)
        return found
    if not path.exists():
        raise DataError(
            f"{source}: no such file or folder, and no bundled set of this name (they are {', '.join(data.names())})"
        )
    return data.read_csv(path, target=target, task=task), None


def _refuse_steps(optimizer: str, lr: float) -> None:
    """Refuse a name that is unknown or of no use here, and a rate that is no number, before anything is read."""
    if not math.isfinite(lr):
        raise UsageError(f"--lr: expected a number above 0, such as 0.003, got {lr}")
    if not hasattr(optim.get(optimizer), "update"):
        raise UsageError(
            f"--optimizer: {optimizer} evaluates the loss several times a step, which a training in batches cannot "
            f"offer; choose another, such as adam"
        )


def _refuse_numbers(whole: Dataset) -> None:
    """Refuse columns whose numbers the network, which calculates in float32, could not tell apart."""
    if whole.image_shape is not None:
        return
    columns = dict(zip(whole.feature_names, whole.x.T))
    if whole.class_names is None:
        columns[whole.target_name] = whole.t
    for name, column in columns.items():
        low, high = column.min(), column.max()
        if max(-low, high) > LARGEST:
            raise DataError(
                f"{whole.name}, column {name!r}: numbers up to {max(-low, high):g} are too large to train with "
                f"(float32, up to {LARGEST:g}); divide the column"
            )
        if lost_digits(column, np.float32):
            raise DataError(
                f"{whole.name}, column {name!r}: the numbers, from {low:.12g} to {high:.12g}, differ by less than "
                f"float32 can tell apart; subtract their mean, or scale the column"
            )


def _refuse_options(target: str | None, task: str | None, what: str) -> None:
    if target is not None or task is not None:
        raise UsageError(f"--{'target' if target is not None else 'task'} is for CSV files; {what} has its target")


def _hidden(text: str | None, whole: Dataset) -> list[int]:
    if text is None:
        return [256] if whole.image_shape else [64, 32]
    try:
        sizes = [int(word) for word in text.split(",")]
    except ValueError:
        sizes = [-1]
    if sizes == [0]:
        return []
    if any(not 1 <= n <= 65536 for n in sizes):
        raise UsageError(f"--hidden: expected sizes from 1 to 65536 divided by commas, such as 64,32, got {text!r}")
    return sizes


def _stem(source: str) -> str:
    return Path(source).resolve().stem if source not in data.names() else source


def _named(whole: Dataset) -> str:
    return f"{whole.name}: " if whole.name else ""


def _parts(whole: Dataset, test: Dataset | None, seed: int) -> Parts:
    if test is None:
        if len(whole) < 3:
            raise DataError(
                f"{whole.name}: too few examples ({len(whole)}) for parts to train, to validate and to test; give at "
                f"least 3, better hundreds"
            )
        whole, test = data.split(whole, fraction=TEST, seed=seed)
    counts = np.bincount(whole.t) if whole.class_names else np.array([2])
    # A class with a single training example must stay there.
    stratify = None if counts.min() >= 2 else False
    training, validation = data.split(whole, fraction=VALIDATION, seed=seed + 1, stratify=stratify)
    return Parts(whole.name, training, validation, test)


def _epochs(whole: Dataset) -> int:
    """Enough to learn, few enough to wait for."""
    if whole.image_shape:
        return 30 if len(whole) < MANY else 10
    return min(max(200_000 // len(whole), 20), 200)


def _scales(part: Dataset) -> data.Standardizer | None:
    """How a regression's targets are brought to a common scale for training."""
    return None if part.class_names else data.Standardizer.fit(part.t)


def _network(part: Dataset, sizes: list[int], dropout: float) -> nn.Sequential:
    features = part.x.shape[1]
    layers: list[Any] = []
    if part.image_shape is None:
        scale = data.Standardizer.fit(part.x)
        layers.append(Standardize(features, scale.mean, scale.scale))
    for size in sizes:
        layers += [nn.Linear(features, size), nn.ReLU()]
        layers += [nn.Dropout(dropout)] if dropout else []
        features = size
    model = nn.Sequential(*layers, nn.Linear(features, 1 if part.class_names is None else len(part.class_names)))
    needed, there = model.count_parameters() * BYTES_A_PARAMETER, _memory()
    if needed > there:
        raise UsageError(
            f"--hidden: the network would have {model.count_parameters():,} parameters, whose training needs about "
            f"{needed / 2**30:.0f} GiB, but this machine has {there / 2**30:.0f} GiB; choose smaller layers"
        )
    return model


def _memory() -> float:
    """Bytes of memory of this machine; infinity where the system does not say."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return math.inf


class _Announce(Callback):
    """Says what the gradient check found, before the first step."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say

    def on_train_begin(self, run: Any) -> None:
        if run.history.grad_check is not None:
            self.say(f"{run.history.grad_check}\n")


class _Job:
    """A network and what it is trained, validated and tested on."""

    def __init__(self, parts: Parts, model: nn.Sequential, target_scale: data.Standardizer | None) -> None:
        self.parts, self.model, self.target_scale = parts, model, target_scale
        self.metric = "accuracy" if target_scale is None else "r2"

    def run(
        self,
        epochs: int,
        batch_size: int,
        lr: float,
        optimizer: str,
        seed: int,
        check: bool,
        say: Callable[[str], None],
    ) -> History:
        """Train, and for a regression let the model answer in the target's own unit afterwards."""
        steps = epochs * math.ceil(len(self.parts.train) / batch_size)
        scaled: Callable[[Any], Any] = self.target_scale or (lambda t: t)
        loss = "cross_entropy" if self.target_scale is None else "mse"
        history = fit(
            self.model,
            (self.parts.train.x, scaled(self.parts.train.t)),
            loss=loss,
            optimizer=optim.get(optimizer, lr=optim.schedules.Cosine(lr, steps)),
            epochs=epochs,
            batch_size=batch_size,
            validation_data=(self.parts.validation.x, scaled(self.parts.validation.t)),
            metrics=self.metric,
            callbacks=[_Announce(say)],
            early_stopping=None if self.parts.train.image_shape else max(epochs // 5, 5),
            seed=seed,
            check=check,
        )
        some = self.parts.train.x[:EXAMINED], scaled(self.parts.train.t[:EXAMINED])
        self.checkup = examine(self.model, some, loss, optimizer=optim.get(optimizer, lr=lr))
        if self.target_scale is not None:
            self.model.append(Unstandardize(1, self.target_scale.mean, self.target_scale.scale))
        return history

    def report(self, history: History, say: Callable[[str], None]) -> dict[str, Any]:
        """Test, and say how good the model is; the same as numbers."""
        test = self.parts.test
        score = float(evaluate(self.model, test, self.metric))
        if history.interrupted:
            say(f"interrupted in epoch {history.epochs + 1}; the best weights so far are kept")
        elif history.stopped_early:
            say(f"stopped after epoch {history.epochs}, since validation improved last in epoch {history.best_epoch}")
        if self.metric == "accuracy":
            right = round(score * len(test))
            say(f"test accuracy {score:.4f} ({right} of {len(test)}), {history.seconds:.1f} s of training\n")
            guesses = outputs_of(self.model, test.x).argmax(axis=1)
            say(confusion(test.t, guesses, test.class_names or ()))
        else:
            error = evaluate(self.model, test, "rmse")
            shown = f"{score:.4f}" if math.isfinite(score) else "not defined (all test targets are equal)"
            say(f"test R squared {shown}, typical error (rmse) {error:.4g}, {history.seconds:.1f} s of training\n")
        check = history.grad_check
        return {
            "test_score": score if math.isfinite(score) else None,
            "metric": self.metric,
            "epochs": history.epochs,
            "seconds": history.seconds,
            "grad_check": None if check is None else {"max_error": check.max_error, "checked": check.checked},
            "parameters": self.model.count_parameters(),
            "interrupted": history.interrupted,
            "findings": [str(finding) for finding in self.checkup.findings],
        }

    def save(self, folder: Path, history: History, source: str) -> None:
        """Model, history and picture."""
        part = self.parts.train
        info = {
            "source": source,
            "target": part.target_name,
            "features": list(part.feature_names),
            "classes": None if part.class_names is None else list(part.class_names),
        }
        save(self.model, folder / FILES[0], info)
        history.to_csv(folder / FILES[1])
        history.plot(folder / FILES[2], title=f"{part.name or source}")
