"""Which rank a node stands in: every edge points to a higher rank."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["neighbours", "ranked", "topological"]


def neighbours(count: int, edges: Iterable[tuple[int, int]]) -> tuple[list[list[int]], list[list[int]]]:
    """For each node those that it is made from, and its users; each edge once."""
    sources: list[list[int]] = [[] for _ in range(count)]
    users: list[list[int]] = [[] for _ in range(count)]
    for a, b in dict.fromkeys(edges):
        users[a].append(b)
        sources[b].append(a)
    return sources, users


def topological(sources: Sequence[Sequence[int]], users: Sequence[Sequence[int]]) -> list[int]:
    """Sources before users (Kahn 1962); nodes on a cycle, and behind one, are missing."""
    missing = [len(s) for s in sources]
    order = [v for v, n in enumerate(missing) if n == 0]
    for v in order:
        for u in users[v]:
            missing[u] -= 1
            if missing[u] == 0:
                order.append(u)
    return order


def ranked(
    sources: Sequence[Sequence[int]], users: Sequence[Sequence[int]], first: Iterable[int], last: Iterable[int]
) -> list[int]:
    """The rank of each node: as early as its sources allow, then late where that makes edges shorter.

    Parameters
    ----------
    first, last : nodes that stand alone in the lowest and in the highest rank
    """
    first, last = set(first), set(last)
    order = topological(sources, users)
    lowest = 1 if first else 0
    rank = [lowest] * len(sources)
    for v in order:
        if v in first:
            rank[v] = 0
        elif sources[v]:
            rank[v] = max(lowest, max(rank[s] for s in sources[v]) + 1)
    end = max((rank[v] for v in order if v not in last), default=0) + 1
    for v in last:
        rank[v] = end
    _pull(order, sources, users, rank, first | last)
    return rank


def _pull(
    order: list[int], sources: Sequence[Sequence[int]], users: Sequence[Sequence[int]], rank: list[int], fixed: set[int]
) -> None:
    """Move nodes towards their users where more edges become shorter than longer.

    A tree that nothing else hangs on (a weight and its transpose) follows as a whole.
    """
    alone = [False] * len(sources)
    for v in order:
        alone[v] = v not in fixed and all(alone[s] and len(users[s]) == 1 for s in sources[v])
    for v in reversed(order):
        if v not in fixed and users[v] and (alone[v] or len(users[v]) > len(sources[v])):
            rank[v] = min(rank[u] for u in users[v]) - 1
