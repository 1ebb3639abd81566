"""A study's document made by formula: known effects, known noise, and whatever may be missing from it."""

import math
import statistics
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from report_samples import TEMPLATES

from sra.content.figures import StudyFigure
from sra.content.tables import TableSpec
from sra.reporting.figures.render import render_figure
from sra.reporting.tables.render import render_table
from sra.spec.scale import Preset
from sra.spec.study import Study
from sra.study.document import (
    Effect,
    PointFound,
    Published,
    Reach,
    RowFound,
    SeedEffect,
    SeedValue,
    StudyDocument,
    Sweep,
    Trial,
)
from sra.study.intervals import paired
from sra.study.verdicts import holm, verdict_of

SEEDS = (0, 1, 2, 3, 4)
STEPS = {"m100k": 100, "m200k": 200, "m300k": 300, "m400k": 400}
LAST = "m400k"


@dataclass(frozen=True)
class Made:
    """One row. ratio: of its true distance to the baseline's.  cost: of its FLOPs.  absent: by seed, why it has no value; seeds: that were asked."""

    run: str
    label: str
    family: str = "From the model itself"
    ratio: float = 1.0
    cost: float = 1.0
    kind: str = "method"
    encoder: str | None = None
    factor: float | None = None
    note: str | None = None
    published: float | None = None
    absent: dict[int, str] = field(default_factory=dict)


ROWS = (
    Made("plain", "SiT", "No alignment", kind="baseline", published=33.0),
    Made("sra", "SRA", ratio=0.85, cost=1.3, published=29.1),
    Made("sra__weight_x4", "SRA", ratio=0.8, cost=1.3, kind="tuned", factor=4.0),
    Made("sync", "LayerSync", ratio=0.99, cost=1.01),
    Made("apart", "Dispersive", ratio=1.2, cost=1.02),
    Made("repa", "REPA", "From an encoder", ratio=0.6, cost=1.5, encoder="DINOv2-B, 142 M images", published=24.4),
    Made("stop", "SRA stopped", "Controls", ratio=0.95, cost=1.1, kind="control"),
)


def digest(*words: object) -> str:
    return sha256(" ".join(map(str, words)).encode()).hexdigest()


def noise(*words: object) -> float:
    """Between -1 and 1, the same for the same words."""
    return int(digest(*words)[:8], 16) / 2**31 - 1


def value_of(row: Made, seed: int, step: int) -> float:
    """The distance of one training: it falls with the steps, and the seeds of one row scatter by some 2 %, mostly alike in all rows."""
    return 100 * row.ratio * (step / 100) ** -0.7 * math.exp(0.03 * noise("shared", seed) + 0.03 * noise(row.run, seed, step))


def made_study(rows=ROWS, seeds=SEEDS, informative: bool | None = True, hours: bool = True, **changes) -> StudyDocument:
    """changes: fields of the document that are set as they are."""
    base = next(row for row in rows if row.kind == "baseline")
    found = [_row(row, base, seeds, hours) for row in rows]
    adjusted = holm({row.run: row.effect("steps").p_value for row in found if row.kind == "method" and row.effect("steps").p_value is not None})
    found = [_with_holm(row, adjusted) for row in found]
    fields = {
        "study": "toy",
        "title": "A toy study",
        "preset": "small",
        "preset_title": "ten digits",
        "comparable": False,
        "dataset": "digits",
        "baseline": base.run,
        "metric": "fid",
        "second": "fd_dinov2",
        "sampler": "sde250",
        "milestone": LAST,
        "samples": 500,
        "seeds": list(seeds),
        "equivalence": 0.05,
        "rows": found,
        "longer": _effect(Made("longer", "", ratio=0.7), base, seeds, "steps"),
        "longer_milestone": "m800k",
        "repeated": _effect(Made("repeated", "", ratio=1.0), base, seeds, "steps"),
        "repeated_seeds": [10, 11, 12, 13, 14],
        "informative": informative,
        "informative_words": {
            True: "Twice the steps are told from the baseline here, so methods can be.",
            False: "Twice the steps are not told from the baseline here: the study is not informative and ranks nothing.",
            None: "The baseline with twice the steps was not run, so nothing is ranked.",
        }[informative],
        "sweeps": [_sweep(row, seeds) for row in rows if row.kind in ("baseline", "method")],
        "machine": "NVIDIA H200" if hours else None,
        "findings": ["REPA is better than SiT by 40 %."],
        "threats": ["FLOPs are not time."],
        "missing": sum(value.value is None for row in found for point in row.points for value in point.values),
        "diverged": [f"{row.run}, seed {seed}" for row in rows for seed, why in row.absent.items() if why.startswith("diverged")],
    }
    return StudyDocument(**{**fields, **changes})


def _row(row: Made, base: Made, seeds, hours: bool) -> RowFound:
    budgets = ["steps", "flops", "hours"] if hours else ["steps", "flops"]
    compared = row.kind != "baseline"
    effects = [_effect(row, base, seeds, budget) for budget in budgets] + [_effect(row, base, seeds, "steps", "fd_dinov2")]
    return RowFound(
        run=row.run,
        label=row.label,
        family=row.family,
        kind=row.kind,
        note=row.note,
        encoder=row.encoder,
        kept_parameters=0 if row.cost < 1.2 else 1_000_000,
        factor=row.factor,
        training_flops=row.cost,
        hours_a_step=row.cost if hours else None,
        hours_a_step_range=(row.cost * 0.9, row.cost * 1.2) if hours and compared else None,
        points=[_point(row, name, seeds, hours) for name in STEPS],
        effects=effects if compared else [],
        reach=[_reach(row, seeds, budget) for budget in budgets] if compared else [],
        published=Published(text=f"{row.published:.1f}", value=row.published, source="a paper, Table 9", protocol="400K, SDE 250")
        if row.published
        else None,
    )


def _values(row: Made, seeds, step: int) -> dict[int, float]:
    return {seed: value_of(row, seed, step) for seed in seeds if seed not in row.absent}


def _point(row: Made, name: str, seeds, hours: bool) -> PointFound:
    step, values = STEPS[name], _values(row, seeds, STEPS[name])
    return PointFound(
        milestone=name,
        step=step,
        flops=1e12 * step * row.cost,
        hours=step * row.cost / 100 if hours else None,
        mean=statistics.geometric_mean(values.values()) if values else None,
        values=[_value(row, seed, values, name) for seed in seeds if row.absent.get(seed) != "unequal"],
    )


def _value(row: Made, seed: int, values: dict[int, float], name: str) -> SeedValue:
    if seed in values:
        return SeedValue(seed=seed, value=values[seed], score_sha256=digest(row.run, seed, name))
    return SeedValue(seed=seed, value=None, status="diverged" if row.absent[seed].startswith("diverged") else "not run", reason=row.absent[seed])


def _effect(row: Made, base: Made, seeds, budget: str, metric: str = "fid") -> Effect:
    step = STEPS[LAST]
    shift = {"steps": 1.0, "flops": row.cost**0.7, "hours": row.cost**0.7}[budget] * (1.02 if metric != "fid" else 1.0)
    values = {seed: value * shift for seed, value in _values(row, seeds, step).items()}
    pair = paired(values, _values(base, seeds, step), "log")
    known = {"budget": budget, "metric": metric, "sampler": "sde250", "milestone": LAST, "scale": "log"}
    absent = {why for seed, why in row.absent.items() if seed in seeds}
    reason = f"{len(values)} of {len(seeds)} seeds: {'; '.join(sorted(absent))}" if absent else None
    if pair is None:
        return Effect(**known, mean=None, reason=reason)
    each = [SeedEffect(seed=seed, effect=math.exp(one)) for seed, one in zip(pair.seeds, pair.differences, strict=True)]
    interval = pair.interval()
    low, high = map(math.exp, interval) if interval else (None, None)
    verdict = verdict_of(pair, True, math.log(1.05))
    return Effect(**known, mean=math.exp(pair.mean), low=low, high=high, seeds=each, p_value=pair.p_value, verdict=verdict, reason=reason)


def _with_holm(row: RowFound, adjusted: dict[str, float]) -> RowFound:
    if row.run not in adjusted:
        return row
    first, *others = row.effects
    p_holm, verdict = adjusted[row.run], first.verdict
    judged = {"p_holm": p_holm, "verdict": "undecided" if p_holm > 0.05 and verdict in ("better", "worse") else verdict}
    return row.model_copy(update={"effects": [first.model_copy(update=judged), *others]})


def _reach(row: Made, seeds, budget: str) -> Reach:
    there = len(_values(row, seeds, 400))
    shift = row.cost if budget != "steps" else 1.0
    speed = row.ratio ** (-1 / 0.7) / shift
    if speed < 1 or not there:
        return Reach(budget=budget, reached=min(1, there), of=len(seeds))
    spread = {"low": 0.9 * speed, "high": 1.1 * speed, "spread": "interval" if len(seeds) >= 5 else "range"}
    return Reach(budget=budget, reached=there, of=len(seeds), speed_up=speed, at_least=speed > 2.05, **spread)


def _sweep(row: Made, seeds) -> Sweep:
    what, factors = ("rate", (0.5, 1.0, 2.0)) if row.kind == "baseline" else ("weight", (0.25, 1.0, 4.0))
    if not _values(row, seeds, 200):
        trials = [Trial(factor=factor, run=row.run, value=None, status="not run") for factor in factors]
        return Sweep(run=row.run, label=row.label, what=what, trials=trials, chosen=None, words="No trial was run.")
    trials = [
        Trial(
            factor=factor, run=row.run, value=value_of(row, 100, 200) * math.exp(0.1 * noise(row.run, factor)), score_sha256=digest(row.run, factor)
        )
        for factor in factors
    ]
    best = min(trials, key=lambda trial: trial.value)
    return Sweep(run=row.run, label=row.label, what=what, trials=trials, chosen=best.factor, words=f"{best.factor:g} was best.")


def whole_study(study: Study, seeds=SEEDS, **changes) -> StudyDocument:
    """Of all rows of a study's file, with effects by formula; every third method also tuned."""
    made = [Made(study.baseline.run, study.baseline.label, study.baseline.family, kind="baseline", published=33.0)]
    for place, row in enumerate(study.rows):
        encoder = "DINOv2-B, 142 M images" if row.family == "From an encoder" else None
        ratio = (0.75 if encoder else 0.95) + 0.12 * noise(row.run)
        made.append(
            Made(
                row.run, row.label, row.family, ratio, 1.2 + 0.2 * noise("cost", row.run), "control" if row.control else "method", encoder,
                note=row.note, published=None if row.control else 33.0 * ratio,
            )
        )  # fmt: skip
        if not row.control and place % 3 == 0:
            made.append(Made(f"{row.run}__weight_d4", row.label, row.family, ratio * 0.97, 1.2, "tuned", encoder, 0.25))
    return made_study(tuple(made), seeds, study=study.id, title=study.title, **changes)


def benchmark_in(folder: Path, study: StudyDocument, preset: Preset) -> None:
    """The study's figures and table, rendered into the folders of a report (`tests/report_samples.py`)."""
    common = {"title": "T", "paper": "none", "study": study.study}
    table = TableSpec(kind="study", id="table_b1", **common)
    render_table(table, [], folder / "published", "small", preset, folder / "tables", TEMPLATES, study=study)
    for number, plot in enumerate(("forest", "cost", "reach", "sweep"), 1):
        figure = StudyFigure(kind="study", id=f"figure_b{number}", plot=plot, caption="C.", **common)
        render_figure(figure, [], {}, folder / "published", "small", preset, folder / "figures", study=study)
