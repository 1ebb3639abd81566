"""The Pareto front of cost and quality: the points that no other beats in one of the two without losing in the other."""

import math
from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """The places in `points` of those on the front, from the cheapest to the best; lower is better for (cost, value) both.

    A point is off the front where another is no worse in both and better in one; equal points stay together.
    Raises ValueError for what is not finite.
    """
    for point in points:
        if not all(map(math.isfinite, point)):
            raise ValueError(f"{point} has no place among costs and values; leave it out and say so")
    front: list[int] = []
    for place in sorted(range(len(points)), key=points.__getitem__):
        if not front or points[place][1] < points[front[-1]][1] or points[place] == points[front[-1]]:
            front.append(place)
    return front
