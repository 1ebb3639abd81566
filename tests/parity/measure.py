"""Print how far we are from the official code: `python tests/parity/measure.py` writes the table of README.md beside it, "Is it the same?"."""

import math

import ours_crops
import ours_losses
import ours_models
import ours_relatives
import ours_samplers
import ours_step
import ours_t2i
import torch
from registry import Comparison

PARTS = (ours_crops, ours_models, ours_losses, ours_step, ours_samplers, ours_t2i, ours_relatives)
COMPARISONS: list[Comparison] = [comparison for part in PARTS for comparison in part.COMPARISONS]
HEADER = ("component", "official code", "compared", "largest relative difference", "fails above")


def row(comparison: Comparison, largest: float) -> str:
    """One line of the table; the figure is rounded up to one digit, so that it is never below what was measured."""
    where, limit = f"{comparison.repository} {comparison.commit}", rounded_up(comparison.tolerance)
    return f"| {comparison.component} | {where} | {comparison.compared} | {rounded_up(largest)} | {limit} |"


def rounded_up(value: float) -> str:
    mantissa, exponent = f"{value:.5e}".split("e")
    digit = math.ceil(float(mantissa))
    return f"{value:g}" if value == 0 else f"{digit}e{int(exponent)}" if digit < 10 else f"1e{int(exponent) + 1}"


def main() -> None:
    torch.set_num_threads(1)  # sums in one order
    print(f"| {' | '.join(HEADER)} |\n{'| --- ' * len(HEADER)}|")
    for comparison in COMPARISONS:
        print(row(comparison, max(comparison.differences().values())), flush=True)


if __name__ == "__main__":
    main()
