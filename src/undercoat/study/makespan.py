"""How long coats take when several workers lay them side by side."""

from __future__ import annotations

import heapq
from collections.abc import Mapping

__all__ = ["makespan"]


def makespan(seconds: Mapping[str, float], parents: Mapping[str, str], *, workers: int = 1) -> float:
    """Seconds until the last coat is laid, each by one worker and none before its parent.

    A worker that becomes free takes the first coat in the mapping's order whose parent is finished, as in a real run;
    that it computes as fast beside others as alone is assumed.

    Args:
        seconds: coat → how long it takes; parents come before their children.
        parents: coat → the coat before; one that is missing, or not among the coats, is finished.
        workers: how many work side by side.

    Example:
        >>> makespan({"base": 10, "left": 5, "right": 5}, {"left": "base", "right": "base"}, workers=2)
        15.0
        >>> makespan({"a": 10, "b": 10, "c": 10}, {}, workers=2)
        20.0
    """
    now, left = 0.0, dict(seconds)
    at_work: list[tuple[float, str]] = []
    unfinished = set(seconds)
    while left or at_work:
        ready = [coat for coat in left if parents.get(coat, "") not in unfinished]
        for coat in ready[: workers - len(at_work)]:
            heapq.heappush(at_work, (now + left.pop(coat), coat))
        now, coat = heapq.heappop(at_work)
        unfinished.discard(coat)
    return float(now)
