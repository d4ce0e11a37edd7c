"""Progress of a training on stderr: a moving line at a terminal, a line an epoch elsewhere when asked for."""

from __future__ import annotations

import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any

from koubai.train.callbacks import Callback

if TYPE_CHECKING:
    from koubai.train.loop import Training

__all__ = ["progress_callbacks"]

# Columns of a terminal from which on there is room; numbers that do not fit would be cut off.
ROOM_FOR_TWO, ROOM_FOR_TIME, ROOM_FOR_BAR, ROOM_FOR_RATE = 48, 60, 74, 88


def progress_callbacks(progress: bool | None) -> list[Callback]:
    """None shows progress at a terminal and is quiet in a pipe; True always shows it; False never."""
    terminal = sys.stderr is not None and sys.stderr.isatty()
    if progress is False or (progress is None and not terminal):
        return []
    return [Bar()] if terminal else [Lines()]


def few_numbers(logs: dict[str, float]) -> str:
    """The loss and one more number, of validation if there is any: what fits beside a bar."""
    rest = [name for name in logs if name != "loss"]
    best = next((name for name in reversed(rest) if name.startswith("val_")), rest[-1] if rest else None)
    return numbers({name: logs[name] for name in ("loss", best) if name in logs})


def short(count: float) -> str:
    """``950``, ``77k``, ``1.2M``."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.{0 if count >= 10 * size else 1}f}{letter}"
    return f"{count:.0f}"


def numbers(logs: dict[str, float]) -> str:
    """``loss 0.1234  val_accuracy 0.9750``."""
    return "  ".join(f"{name} {value:.4g}" for name, value in logs.items())


class Lines(Callback):
    """One line an epoch."""

    def on_epoch_end(self, run: Training) -> None:
        print(f"epoch {run.epoch}/{run.epochs}  {numbers(run.logs)}", file=sys.stderr, flush=True)


class Bar(Callback):
    """A bar over all epochs with the last numbers, the rate in examples a second and the time left."""

    bar: Any = None

    def on_train_begin(self, run: Training) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        columns: list[Any] = [TextColumn("{task.description}"), TextColumn("{task.fields[text]}")]
        if console.width >= ROOM_FOR_BAR:
            columns.insert(1, BarColumn(bar_width=14))
        if console.width >= ROOM_FOR_TIME:
            columns.append(TimeRemainingColumn())
        self.width = console.width
        self.bar = Progress(*columns, console=console, refresh_per_second=8)
        self.task = self.bar.add_task("", total=run.epochs * run.steps, text="")
        self.began, self.text = perf_counter(), ""
        self.bar.start()

    def on_epoch_begin(self, run: Training) -> None:
        self._show(run)

    def on_chunk_end(self, run: Training) -> None:
        self._show(run)

    def on_epoch_end(self, run: Training) -> None:
        self.text = self._numbers(run)
        self._show(run)

    def on_train_end(self, run: Training) -> None:
        if self.bar is not None:  # a callback before this one may have raised
            self.bar.stop()

    def _show(self, run: Training) -> None:
        text = self.text or self._numbers(run)
        if self.width >= ROOM_FOR_RATE:
            text += f"  {short(run.examples_seen / max(perf_counter() - self.began, 1e-9))} examples/s"
        self.bar.update(
            self.task,
            completed=(run.epoch - 1) * run.steps + run.steps_done,
            description=f"epoch {run.epoch}/{run.epochs}",
            text=text,
        )

    def _numbers(self, run: Training) -> str:
        text = few_numbers(run.logs)
        return text if self.width >= ROOM_FOR_TWO else text.rpartition("  ")[2]
