"""Ten thousand random graphs: reverse mode, forward mode and numerical differentiation must agree on each.

    python benchmarks/random_graphs.py [count] [first seed]

Prints one line: how many graphs, how many disagree, the largest relative error, the seconds.
"""

from __future__ import annotations

import json
import sys
import time

from koubai.check.random_graphs import RandomGraph, check_random_graph
from koubai.errors import GradientError


def main(count: int = 10_000, first: int = 0) -> int:
    start = time.perf_counter()
    worst, moved, wrong = 0.0, 0, []
    for seed in range(first, first + count):
        try:
            report = check_random_graph(seed)
        except GradientError as error:
            wrong.append(seed)
            print(f"seed {seed}: {error}\n{RandomGraph.draw(seed)}", file=sys.stderr)
            continue
        worst = max(worst, report.max_error)
        moved += bool(report.notes)
    summary = {
        "graphs": count,
        "disagree": len(wrong),
        "largest_relative_error": worst,
        "checked_beside_a_kink": moved,
        "seconds": round(time.perf_counter() - start, 1),
    }
    print(json.dumps(summary))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
