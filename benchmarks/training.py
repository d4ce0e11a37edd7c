"""Training speed, start, matrix products, memory and growth, side by side with what else is installed.

python benchmarks/training.py [PARTS] [options]
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import click

PARTS = ("steps", "start", "matmul", "memory", "scaling")
BUSY = 0.03  # of the processor's time in other processes: from here on the numbers are doubtful
CACHES = ("KOUBAI_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR")
POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "KOUBAI_NUM_THREADS")


def hold_threads(asked: int | None) -> int:
    """Give every library the same number of threads; before any of them is imported, since some ask only then.

    XLA has no such variable: it takes as many threads as the process has cores.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    threads = asked or min(2, len(cores))
    if len(cores) < threads:
        raise click.UsageError(f"--threads {threads}: this process may use {len(cores)} cores")
    os.environ.update(dict.fromkeys(POOLS, str(threads)))
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores[:threads])
    return threads


def empty_caches() -> None:
    """Let every library that keeps compiled code begin with none, so that first calls are first."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ.update({name: os.path.join(folder, name) for name in CACHES})


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
@click.option("--threads", type=click.IntRange(1), help="The same for all sides; 2 where there are 2 cores.")
@click.option("--repeats", type=click.IntRange(1), default=9, show_default=True, help="Turns of each side.")
@click.option("--seconds", type=float, default=0.3, show_default=True, help="About how long one turn takes.")
@click.option("--mnist", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A folder of IDX files.")
@click.option("--side", "sides", multiple=True, help="Time these sides only (may be given several times).")
@click.option("--work", "works", multiple=True, help="Let steps time these works only (may be given several times).")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Keep the numbers here.")
@click.option("--write-docs", is_flag=True, help="Write docs/benchmarks.md from the file of --json.")
@click.option("--no-run", is_flag=True, help="Measure nothing: show (and write) what is in the file of --json.")
def main(
    parts: tuple[str, ...],
    threads: int | None,
    repeats: int,
    seconds: float,
    mnist: Path | None,
    sides: tuple[str, ...],
    works: tuple[str, ...],
    file: Path | None,
    write_docs: bool,
    no_run: bool,
) -> None:
    """Measure PARTS (all of them, if none is named).

    A file given with --json keeps the parts that it has and that are not measured now.
    """
    if (write_docs or no_run) and file is None:
        raise click.UsageError("--write-docs and --no-run need the numbers: give --json FILE")
    count = hold_threads(threads)
    empty_caches()
    found = _earlier(file, measuring=not no_run)
    if not no_run:
        from peers import SIDES
        from turns import Options
        from works import NAMES

        named, works = _named("--side", sides, tuple(SIDES)), _named("--work", works, NAMES)
        options = Options(count, repeats, seconds, named, works, mnist)
        measured = found["threads"].setdefault(str(count), {})
        for name in parts or PARTS:
            measured[name] = _measured(name, options)
            _keep(found, file)
    _show(found)
    if write_docs:
        import document

        document.PAGE.write_text(document.page(found, _modules()), encoding="utf-8")


def _earlier(file: Path | None, measuring: bool) -> dict[str, Any]:
    """What the file holds. Numbers of different machines are not mixed in one."""
    import machine

    present = machine.describe()
    if file is None or not file.exists():
        return {"machine": present, "threads": {}}
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if measuring and found["machine"] != present:
        raise click.UsageError(f"{file} was measured on another machine or with other versions; give another file")
    return found


def _named(option: str, asked: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    for name in asked:
        if name not in known:
            raise click.UsageError(f"{option} {name!r}: expected one of {', '.join(known)}")
    return asked or known


def _modules() -> dict[str, ModuleType]:
    return {name: import_module(name) for name in PARTS}


def _measured(name: str, options: Any) -> dict[str, Any]:
    import machine

    others = machine.Elsewhere()
    found = _modules()[name].measure(options, lambda what: click.echo(f"{name}: {what}", err=True))
    how = {
        "repeats": options.repeats,
        "seconds": options.seconds,
        "mnist": options.mnist is not None,
        "elsewhere": others.share(),
    }
    if (how["elsewhere"] or 0) > BUSY:
        click.echo(f"{name}: others took {how['elsewhere']:.0%} of the processor; measure when it is quiet", err=True)
    return {"how": how, "found": found}


def _keep(found: dict[str, Any], file: Path | None) -> None:
    if file is not None:
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _show(found: dict[str, Any]) -> None:
    import machine
    from report import goals_sheet
    from rich.console import Console

    console, modules = Console(width=None if sys.stdout.isatty() else 160), _modules()
    console.print(machine.sentence(found["machine"]))
    for threads, measured in found["threads"].items():
        console.rule(f"threads: {threads}")
        goals = []
        for name, part in measured.items():
            for sheet in modules[name].sheets(part["found"]):
                sheet.to_terminal(console)
            goals += modules[name].goals(part["found"])
        goals_sheet(goals).to_terminal(console)


if __name__ == "__main__":
    main()
