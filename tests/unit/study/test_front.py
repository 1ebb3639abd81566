"""The Pareto front against its definition."""

import math

import numpy as np
import pytest

from sra.study.front import pareto_front


def test_by_hand():
    points = [(4, 1), (1, 9), (2, 5), (3, 5), (2, 7), (1, 9), (5, 2)]
    assert pareto_front(points) == [1, 5, 2, 0]
    assert pareto_front([]) == []


def test_no_point_of_it_is_beaten_and_all_others_are():
    points = [tuple(map(int, point)) for point in np.random.default_rng(0).integers(0, 12, (60, 2))]

    def beaten(point):
        return any(a <= point[0] and b <= point[1] and (a, b) != point for a, b in points)

    front = pareto_front(points)
    assert sorted(front) == [place for place, point in enumerate(points) if not beaten(point)]
    assert [points[place][0] for place in front] == sorted(points[place][0] for place in front)


@pytest.mark.parametrize("point", [(math.nan, 1.0), (1.0, math.inf)])
def test_what_is_not_finite_is_refused(point):
    with pytest.raises(ValueError, match="leave it out"):
        pareto_front([(1.0, 1.0), point])
