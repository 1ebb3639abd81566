"""Balls that reach to the third nearest neighbour, and what lies inside them, decided without rounding.

Distances made of products, |u|^2 - 2 u.v + |v|^2, are fast and lose what cancels: of close points nothing is left. Here they only bound the
distance, from either side, by the largest error that such a sum can have in any order; what the bounds do not decide is decided by the
differences u - v themselves. So no result depends on blocks, threads or the device. Source of the bounds: Higham 2002, section 3.1.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

NEIGHBOURS = 3
NEAREST = NEIGHBOURS + 1  # a point is its own nearest, so the four nearest end with the third neighbour
KEPT = 2 * NEAREST  # of each point's nearest; the four are among them unless many lie equally far
BYTES = 1 << 23  # of differences in memory at a time
PENDING = 1 << 20  # undecided pairs that are remembered
CROWDED = 1 / 64  # share of undecided pairs from which on float64 products decide a block faster than differences
SAFE = (1e-30, 1e37)  # squared lengths whose products neither overflow float32 nor vanish in it


@dataclass(frozen=True)
class Distinct:
    """features: (n, d) float32, no two equal.  copies: (n,), how often each was there, at most NEAREST.

    places: (N,), where each of those that were given is among them.
    """

    features: Tensor
    copies: Tensor
    places: Tensor

    @classmethod
    def of(cls, features: Tensor) -> "Distinct":
        """Equal vectors lie at distance 0 in any number, and more than four of them change no radius."""
        norms = torch.cat([squared_lengths(part) for part in features.split(_pairs_at_a_time(features))])
        if len(norms.unique()) == len(norms):
            return cls(features, torch.ones_like(norms, dtype=torch.long), torch.arange(len(features), device=features.device))
        values, places, counts = torch.unique(features, dim=0, return_inverse=True, return_counts=True)
        return cls(values, counts.clamp(max=NEAREST), places)

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True)
class Points:
    """features: (n, d) float32.  centre: (d,), what is taken from them before products are made, in the dtype of the products.

    least: (n,), squared lengths less their share of a distance's largest error.  slack: (n,), twice that share.
    """

    features: Tensor
    centre: Tensor
    least: Tensor
    slack: Tensor

    @classmethod
    def of(cls, features: Tensor, centre: Tensor, dtype: torch.dtype, block: int) -> "Points":
        centre = centre.to(dtype)
        norms = torch.cat([(part.to(dtype) - centre).square().sum(1) for part in features.split(block)])
        # A sum of d products errs by d/2 eps |u| |v| at most, |u| |v| <= (|u|^2 + |v|^2) / 2, and the two norms err like it; some eps more
        # for the centring and the last additions. Products too small for the dtype are lost whole.
        facts = torch.finfo(dtype)
        share = norms * ((features.shape[1] + 32) * facts.eps) + 4 * features.shape[1] * facts.tiny
        return cls(features, centre, norms - share, 2 * share)

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, rows: slice | Tensor) -> "Points":
        return Points(self.features[rows], self.centre, self.least[rows], self.slack[rows])

    def centred(self) -> Tensor:
        return self.features.to(self.centre.dtype) - self.centre


def lower_bounds(u: Points, v: Points) -> Tensor:
    """(n, m): no squared distance between n and m points is smaller; with the slack of both points added, none is larger."""
    bounds = u.centred() @ v.centred().T
    return torch.add(u.least[:, None], bounds, alpha=-2, out=bounds).add_(v.least)


def squared_lengths(vectors: Tensor) -> Tensor:
    """Squared lengths (P,) float64 of (P, d): added up by halves, element by element, which gives the same bits in any company and on any device."""
    squares = vectors.double().square()
    width = squares.shape[1]
    while width > 1:
        half = (width + 1) // 2
        squares[:, : width - half] += squares[:, half:width]
        width = half
    return squares[:, 0].clone()


def squared_distances(u: Tensor, v: Tensor) -> Tensor:
    """Squared distances (P,) float64 between the rows of u and v, (P, d) float32, from their differences: exact but for some 1e-16 of each."""
    return squared_lengths(u.double() - v.double())


class Balls:
    """Around each of n points, closed, out to the third nearest neighbour among them and their copies.

    lower, upper: (n,) bounds of the squared radii.  Radii themselves are worked out when they are asked for.
    """

    def __init__(self, points: Distinct, centre: Tensor, dtype: torch.dtype, block: int):
        self.block = block
        # Copies are points of their own here, up to four of each; the first of each is the ball's centre.
        self.first = points.copies.cumsum(0) - points.copies
        repeated = len(points) < int(points.copies.sum())
        self.centres = self.pool = Points.of(points.features, centre, dtype, block)
        if repeated:
            self.pool = Points.of(points.features.repeat_interleave(points.copies, 0), centre, dtype, block)
        self.values, self.places = self._nearest()
        uppers = self.values + self.pool.slack[:, None] + self.pool.slack[self.places]
        self.lower = _fourth(self.values)[self.first]
        self.upper = _fourth(uppers)[self.first]
        self.found = torch.full((len(points),), torch.nan, dtype=torch.float64, device=points.features.device)

    def _nearest(self) -> tuple[Tensor, Tensor]:
        """The smallest KEPT lower bounds of each point, ascending, and whose they are: (N, KEPT) both."""
        pool = self.pool
        values = torch.full((len(pool), KEPT), torch.inf, dtype=pool.least.dtype, device=pool.least.device)
        places = torch.zeros(len(pool), KEPT, dtype=torch.long, device=pool.least.device)

        def keep(rows: slice, bounds: Tensor, start: int) -> None:
            found = bounds.topk(min(KEPT, bounds.shape[1]), dim=1, largest=False)
            joined = torch.cat([values[rows], found.values], 1)
            best = joined.topk(KEPT, dim=1, largest=False)
            values[rows], places[rows] = best.values, torch.cat([places[rows], found.indices + start], 1).gather(1, best.indices)

        for rows in blocks(len(pool), self.block):
            for columns in blocks(len(pool), self.block):
                if columns.start >= rows.start:  # else read along its columns when the two had each other's places
                    bounds = lower_bounds(pool[rows], pool[columns])
                    keep(rows, bounds, columns.start)
                    if columns.start > rows.start:
                        keep(columns, bounds.T, rows.start)
        return values, places

    def radii(self, which: Tensor) -> Tensor:
        """Squared radii of some balls, (P,) float64."""
        new = which[self.found[which].isnan()].unique()
        if len(new):
            rows = self.first[new]
            values, places = self.values[rows], self.places[rows]
            # Where even the last of those kept may be among the four, others that were not kept may be too.
            upper = self.upper[new, None]
            crowded = values[:, -1] <= upper[:, 0]
            row, column = ((values <= upper) & ~crowded[:, None]).nonzero(as_tuple=True)
            self.found[new[~crowded]] = self._fourth_of_pairs(rows, row, places[row, column])
            if crowded.any():
                self._settle_crowded(new[crowded])
        return self.found[which]

    def _settle_crowded(self, balls: Tensor) -> None:
        fine = as_float64(self.pool, self.block)
        for part in balls.split(max(1, self.block**2 // len(fine))):
            rows = self.first[part]
            values = torch.cat([lower_bounds(fine[rows], fine[columns]) for columns in blocks(len(fine), self.block)], 1)
            upper = _fourth(values + fine.slack[rows, None] + fine.slack)
            row, column = (values <= upper[:, None]).nonzero(as_tuple=True)
            self.found[part] = self._fourth_of_pairs(rows, row, column)

    def _fourth_of_pairs(self, rows: Tensor, row: Tensor, column: Tensor) -> Tensor:
        """The fourth smallest distance of each row that has pairs: between the points rows[row] and `column` (P,), ordered by row."""
        distances = _of_pairs(self.pool.features, self.pool.features, rows[row], column)
        order = distances.argsort()
        order = order[row[order].argsort(stable=True)]
        counts = row.unique_consecutive(return_counts=True)[1]
        return distances[order[counts.cumsum(0) - counts + NEIGHBOURS]]


class Membership:
    """Which of m points lie inside any of n balls, found out block by block.  found: (m,) bool, whole after `settle`."""

    def __init__(self, balls: Balls, others: Points):
        self.balls, self.others = balls, others
        self.found = torch.zeros(len(others), dtype=torch.bool, device=others.least.device)
        self.pending: list[tuple[Tensor, Tensor]] = []

    def see(self, rows: slice, columns: slice, bounds: Tensor) -> None:
        """bounds: `lower_bounds` between the centres of the balls `rows` and the points `columns`; stays as it is."""
        balls, others, found = self.balls, self.others, self.found
        ball, other = _pairs(bounds <= balls.upper[rows, None], rows, columns)
        largest = bounds[ball - rows.start, other - columns.start] + balls.centres.slack[ball] + others.slack[other]
        found[other[largest <= balls.lower[ball]]] = True
        undecided = ~found[other]
        ball, other = ball[undecided], other[undecided]
        if len(ball) > CROWDED * bounds.numel() and bounds.dtype != torch.float64:
            u, v = (as_float64(points, balls.block) for points in (balls.centres[rows], others[columns]))
            bounds, radii = lower_bounds(u, v), balls.radii(torch.arange(rows.start, rows.stop, device=ball.device))[:, None]
            found[columns] |= (bounds + u.slack[:, None] + v.slack <= radii).any(0)
            ball, other = _pairs((bounds <= radii) & ~found[columns], rows, columns)
        self.pending.append((ball, other))
        if sum(len(ball) for ball, _ in self.pending) > PENDING:
            self.settle()

    def settle(self) -> Tensor:
        """Decide the pairs that no bound decided; returns `found`."""
        features, others = self.balls.centres.features, self.others.features
        for ball, other in self.pending:
            for few in torch.arange(len(ball), device=ball.device).split(_pairs_at_a_time(features)):
                few = few[~self.found[other[few]]]
                near = squared_distances(features[ball[few]], others[other[few]]) <= self.balls.radii(ball[few])
                self.found[other[few[near]]] = True
        self.pending.clear()
        return self.found


def as_float64(points: Points, block: int) -> Points:
    return points if points.centre.dtype == torch.float64 else Points.of(points.features, points.centre, torch.float64, block)


def common_centre(*sets: Tensor) -> Tensor:
    """(d,) near the middle of all: distances do not change with it, their rounding does. Nothing else depends on what it is."""
    middle = sum(features.mean(0).double() for features in sets) / len(sets)
    return middle.float() if middle.isfinite().all() else torch.zeros_like(sets[0][0])


def dtype_for(*sets: Tensor) -> torch.dtype:
    """float32 for products unless they would overflow or vanish in it."""
    largest = max(float(torch.linalg.vector_norm(features, torch.inf)) for features in sets) ** 2
    return torch.float32 if SAFE[0] < largest and largest * sets[0].shape[1] < SAFE[1] else torch.float64


def blocks(count: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _fourth(values: Tensor) -> Tensor:
    """The fourth smallest value of each row."""
    return values.kthvalue(NEAREST, dim=1).values


def _pairs(mask: Tensor, rows: slice, columns: slice) -> tuple[Tensor, Tensor]:
    """Where the mask (n, m) of a block is true, as places among all, in no particular order."""
    if mask.is_cuda:
        row, column = mask.nonzero(as_tuple=True)
    else:  # NumPy finds a few places among many several times as fast
        turned = not mask.is_contiguous()
        flat = torch.from_numpy(np.flatnonzero((mask.T if turned else mask).numpy()))
        row, column = flat // mask.shape[0 if turned else 1], flat % mask.shape[0 if turned else 1]
        row, column = (column, row) if turned else (row, column)
    return row + rows.start, column + columns.start


def _of_pairs(u: Tensor, v: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Squared distances between u[rows] and v[columns], (P,) float64, a few at a time."""
    parts = zip(*(places.split(_pairs_at_a_time(u)) for places in (rows, columns)), strict=True)
    found = [squared_distances(u[some], v[others]) for some, others in parts]
    return torch.cat(found) if found else torch.empty(0, dtype=torch.float64, device=u.device)


def _pairs_at_a_time(features: Tensor) -> int:
    return max(1, BYTES // (8 * features.shape[1]))
