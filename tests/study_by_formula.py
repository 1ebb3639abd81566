"""Studies whose numbers are made by formula, so that what they must say is known."""

import math
from collections.abc import Callable, Mapping

import numpy as np

from sra.spec.study import Study
from sra.study.curves import Cost
from sra.study.document import SeedValue
from sra.study.inputs import RowInput, StudyInput

STEPS = {"m100k": 100, "m200k": 200, "m400k": 400, "m800k": 800}
BASE = "base"

# The value of a run, seed, step and metric; None where it was not run, NaN where it diverged.
Values = Callable[[str, int, int, str], float | None]


def a_study(*methods: str, controls: tuple[str, ...] = (), **changes) -> Study:
    rows = [{"run": run, "label": run.upper(), "family": "Methods"} for run in methods]
    rows += [{"run": run, "label": run.upper(), "family": "Controls", "control": True} for run in controls]
    content = {
        "id": "toy",
        "title": "a study by formula",
        "baseline": {"run": BASE, "label": "Base", "family": "No alignment"},
        "rows": rows,
        "milestones": ["m100k", "m200k", "m400k"],
        "longer": "m800k",
        "sampler": "sde250",
        "samples": 50000,
    }
    return Study(**{**content, **changes})


def given_by(
    study: Study, values: Values, seeds: int = 5, cost: Mapping[str, float] | None = None, hours: Mapping[str, float] | None = None
) -> StudyInput:
    """cost, hours: of a step by run; 1 where nothing is said, and hours None where none are given."""

    def read(run, seed, score, metric) -> SeedValue:
        value = values(run, seed, STEPS[score.milestone], f"{metric}" if score.sampler == study.sampler else f"{metric} {score.sampler}")
        if value is None:
            return SeedValue(seed=seed, value=None, status="not run")
        if math.isnan(value):
            return SeedValue(seed=seed, value=None, status="diverged", reason="training diverged at step 7")
        return SeedValue(seed=seed, value=value, score_sha256="0" * 64)

    def row(of, kind) -> RowInput:
        last = max(STEPS.values())
        price = (cost or {}).get(of.run, 1.0)
        timed = Cost(((0, 0), (last, last * hours.get(of.run, 1.0)))) if hours is not None else None
        return RowInput(row=of, run=of.run, kind=kind, flops=Cost(((0, 0), (last, last * price))), hours=timed)

    rows = [row(study.baseline, "baseline"), *(row(each, "control" if each.control else "method") for each in study.rows)]
    repeated = study.repeated[:seeds]
    return StudyInput(study, "toy", "numbers by formula", False, "none", 1000, list(range(seeds)), repeated, STEPS, rows, read)


def noisy(effects: Mapping[str, float], noise: float = 0.01, slope: float = 0.5, seed: int = 0) -> Values:
    """FID = 20 (100 / step)^slope x effect of the run, times log-normal noise of each run, seed and step."""

    def value(run: str, of_seed: int, step: int, metric: str) -> float:
        name = f"{run} {of_seed} {step} {metric}"
        random = np.random.default_rng([seed, *name.encode()])
        return 20 * (100 / step) ** slope * effects.get(run, 1.0) * math.exp(noise * random.standard_normal())

    return value
