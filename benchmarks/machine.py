"""The machine and the versions, without names of hosts or people."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = ("koubai", "numpy", "llvmlite", "torch", "jax", "jaxlib", "scikit-learn")
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


def describe() -> dict[str, str]:
    """Processor, cores, caches and versions."""
    versions = {name: _version(name) for name in LIBRARIES}
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "caches": _caches(),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        **{name: found for name, found in versions.items() if found},
    }


def sentence(machine: dict[str, str]) -> str:
    found = dict(machine)
    head = f"{found.pop('processor')}, {found.pop('cores')} cores ({found.pop('caches')}), {found.pop('system')}"
    return f"{head}; " + ", ".join(f"{name} {number}" for name, number in found.items()) + "."


class Elsewhere:
    """How much of the processor's time went to others since this was made, where the system tells."""

    def __init__(self) -> None:
        self.before = _ticks()

    def share(self) -> float | None:
        if self.before is None:
            return None
        total, busy, own = (b - a for a, b in zip(self.before, _ticks() or self.before))
        return max(0.0, busy - own) / max(total, 1e-9)


def _ticks() -> tuple[float, float, float] | None:
    """Seconds of all cores: since the start, not idle, and in this process and its children."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    # user, nice, system, idle, waiting for disks, interrupts, taken by other virtual machines
    spent = [int(n) / os.sysconf("SC_CLK_TCK") for n in stat.read_text().split("\n", 1)[0].split()[1:9]]
    own = sum(os.times()[:4])
    return sum(spent), sum(spent) - spent[3] - spent[4], own


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _caches() -> str:
    found = []
    for folder in sorted(CACHES.glob("index*")) if CACHES.exists() else []:
        level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            found.append(f"L{level} {size.replace('K', ' KiB')}")
    return ", ".join(found) or "caches unknown"
