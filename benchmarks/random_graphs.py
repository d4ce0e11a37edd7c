"""Thousands of random graphs: every reading must agree on each.

    python benchmarks/random_graphs.py [count] [first seed]             # gradients, by default 10,000
    python benchmarks/random_graphs.py --compiled [count] [first seed]  # compiled against interpreted

The first compares reverse mode, forward mode and numerical differentiation; the second what native code and the
interpreter make of programs of mixed dtypes, values and gradients. Prints one line: how many graphs, how many
disagree, and the seconds; what disagrees stands on stderr, as small as it could be made.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from koubai.check.random_graphs import RandomGraph, check_random_graph
from koubai.check.random_programs import RandomProgram, compare_programs
from koubai.errors import GradientError

TOGETHER = 10  # graphs in a program: LLVM starts once for them


def gradients(count: int, first: int) -> dict[str, Any]:
    worst, moved, wrong = 0.0, 0, 0
    for seed in range(first, first + count):
        try:
            report = check_random_graph(seed)
        except GradientError as error:
            wrong += 1
            print(f"seed {seed}: {error}\n{RandomGraph.draw(seed)}", file=sys.stderr)
            continue
        worst = max(worst, report.max_error)
        moved += bool(report.notes)
    return {"disagree": wrong, "largest_relative_error": worst, "checked_beside_a_kink": moved}


def compiled(count: int, first: int) -> dict[str, Any]:
    os.environ["KOUBAI_CACHE"] = "0"  # nothing of these is wanted again
    wrong = delicate = 0
    for start in range(first, first + count, TOGETHER):
        seeds = range(start, min(start + TOGETHER, first + count))
        differences, passed_over = compare_programs([RandomProgram.draw(seed) for seed in seeds])
        for difference in differences:
            print(difference, file=sys.stderr)
        wrong, delicate = wrong + len(differences), delicate + passed_over
    return {"disagree": wrong, "decided_by_rounding": delicate}


def main(*arguments: str) -> int:
    compare = compiled if "--compiled" in arguments else gradients
    numbers = [int(a) for a in arguments if not a.startswith("-")]
    count, first = [*numbers, *(10_000, 0)[len(numbers) :]]
    start = time.perf_counter()
    found = compare(count, first)
    print(json.dumps({"graphs": count, **found, "seconds": round(time.perf_counter() - start, 1)}))
    return 1 if found["disagree"] else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
