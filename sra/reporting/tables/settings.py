"""The printed settings beside ours, cell by cell. Ours are read from recipes, experiments and samplers, never typed; equal is what a rule says."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from sra.content.catalogue import Catalogue
from sra.content.settings import ComparedModel, ComparedSetting, SettingName
from sra.content.tables import TableSpec
from sra.core.errors import InputError, unknown
from sra.reporting.display import heading_of
from sra.reporting.read.evidence import Evidence
from sra.reporting.read.published import PublishedSetting
from sra.reporting.tables.document import Notes, SettingCell, SettingLine, SettingModel, SettingsBody, TableDocument
from sra.reporting.write.numbers import ABSENT
from sra.spec.methods.sra import SraOptions
from sra.spec.recipe import ConstantEma, DdpmProcess, FlowProcess
from sra.spec.run import RunSpec
from sra.spec.samplers import Sampler
from sra.spec.scale import scaled_decay

PAPER = "paper"  # the preset whose settings are compared


@dataclass(frozen=True)
class Ours:
    """What one column of ours is read from. guided: None where the paper gives no guided samples."""

    run: RunSpec
    sra: SraOptions
    sampler: Sampler
    guided: Sampler | None


def _blocks(ours: Ours) -> str:
    return f"{ours.sra.student_block} → {ours.sra.teacher_block}"


def _time_interval(ours: Ours) -> str:
    """The interval in the units of the process: the flow's time ends at 1, the chain's steps are whole."""
    if ours.sra.interval == "fixed":
        return f"{ours.sra.max_interval:g}"
    if isinstance(ours.run.process, DdpmProcess):
        return f"floor([0, {ours.sra.max_interval * ours.run.process.timesteps:g}))"
    return f"[0, {ours.sra.max_interval:g})"


def _ema_decay(ours: Ours) -> str:
    ema, steps = ours.run.training.ema, ours.run.training.paper_steps_per_step
    decays = (ema.decay,) if isinstance(ema, ConstantEma) else (ema.start, ema.end)
    return " to ".join(f"{scaled_decay(decay, steps):.6g}" for decay in decays)


def _of_flow(text: str) -> Callable[[Ours], str | None]:
    """A reader of a part of the path x_t = (1 - t) x + t noise, which the chain has not."""
    return lambda ours: text if isinstance(ours.run.process, FlowProcess) else None


def _timesteps(ours: Ours) -> str | None:
    return str(ours.run.process.timesteps) if isinstance(ours.run.process, DdpmProcess) else None


SAMPLERS = {"sde": "Euler-Maruyama", "ode_euler": "Euler", "ode_heun": "Heun", "ddpm": "DDPM"}

# How each setting of ours is read; None where it does not apply.
READERS: dict[SettingName, Callable[[Ours], str | None]] = {
    "input_dimension": lambda ours: f"{ours.run.model.latent.size} × {ours.run.model.latent.size} × {ours.run.model.latent.channels}",
    "patch_size": lambda ours: str(ours.run.model.patch),
    "layers": lambda ours: str(ours.run.model.depth),
    "width": lambda ours: str(ours.run.model.width),
    "heads": lambda ours: str(ours.run.model.heads),
    "blocks": _blocks,
    "time_interval": _time_interval,
    "distance": lambda ours: ours.sra.distance.replace("_", " "),
    "ema_decay": _ema_decay,
    "projection_head": lambda ours: "no" if ours.sra.head == "none" else "yes",
    "batch_size": lambda ours: str(ours.run.training.batch),
    "optimizer": lambda ours: "AdamW",  # the only one there is: sra.spec.recipe.Optimizer
    "learning_rate": lambda ours: f"{ours.run.training.learning_rate:g}",
    "betas": lambda ours: "({:g}, {:g})".format(*ours.run.training.betas),
    "alpha_t": _of_flow("1 - t"),
    "sigma_t": _of_flow("t"),
    # The papers print w_t = sigma_t and count the factor 2 in the equation (sra.spec.samplers.SdeSampler).
    "w_t": lambda ours: "sigma_t" if ours.sampler.kind == "sde" else None,
    "timesteps": _timesteps,
    "prediction": lambda ours: "v-prediction" if isinstance(ours.run.process, FlowProcess) else "noise-prediction",
    "sampler": lambda ours: SAMPLERS[ours.sampler.kind],
    "sampling_steps": lambda ours: str(ours.sampler.evaluations),
    "guidance_scale": lambda ours: f"{ours.guided.guidance.scale:g}" if ours.guided else None,
}


def build_settings(table: TableSpec, evidence: Evidence, paper: Catalogue, here: Catalogue) -> TableDocument:
    """The printed settings beside ours.

    `paper`: the registry at the paper's scale, which is compared. `here`: at the preset that asks, of which a note says what it changes.
    """
    lines, models, notes = table.compared.lines, table.compared.models, Notes()
    ours = [_ours(table, model, paper) for model in models]
    printed = [evidence.published.settings(model.published, _place(table, model)) for model in models]
    body = SettingsBody(
        models=[SettingModel(label=model.label, run=model.run) for model in models],
        lines=[_line(table, line, models, ours, printed, notes) for line in lines],
    )
    return TableDocument(
        **heading_of(table, evidence) | {"band": None},  # nothing here was measured at any scale
        kind="settings",
        conditions=_conditions(body),
        setting_columns=[],
        columns=[],
        rows=[],
        settings=body,
        notes=notes.after([*table.notes, *_changes(table, ours, here)]),
    )


def same_setting(printed: str, ours: str) -> bool:
    """Whether both say the same: numbers by value, words without case and hyphens, `x` for a times sign, remarks in brackets left out."""
    return _tokens(printed) == _tokens(ours)


def _tokens(text: str) -> list[str | float]:
    """The numbers and words of a setting: `1e-4` -> [0.0001], `smooth-l1` -> [smoothl, 1.0], `1.8 (if used)` -> [1.8]; every dash -> [-]."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    plain = re.sub(r"(?<=\s)\([^()\d]*\)", "", plain).replace("×", "x").replace("→", "->")
    plain = re.sub(r"[\u2010-\u2015\u2212]", "-", plain)
    plain = re.sub(r"(?<=[a-z])[\s_-]+(?=[a-z])", "", plain)
    tokens = re.findall(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?|[^\W\d_]+|\S", plain)
    return [float(token) if token[0].isdigit() else token for token in tokens]


def _ours(table: TableSpec, model: ComparedModel, registry: Catalogue) -> Ours:
    run = registry.spec(model.run)
    if not isinstance(run.alignment, SraOptions):
        raise InputError(f"{_place(table, model)}: run {model.run} has method {run.alignment.method}; name a run of method sra")
    return Ours(run, run.alignment, registry.sampler(model.sampler), registry.sampler(model.guided) if model.guided else None)


def _line(
    table: TableSpec,
    line: ComparedSetting,
    models: list[ComparedModel],
    ours: list[Ours],
    printed: list[dict[str, PublishedSetting]],
    notes: Notes,
) -> SettingLine:
    reasons = _reasons(table, line, [model.label for model in models])
    cells = []
    for model, mine, theirs in zip(models, ours, printed, strict=True):
        where = f"{table.id}, setting {line.label!r}, {model.label}"
        if line.published not in theirs:
            raise unknown("printed setting", line.published, theirs, where=where)
        found, text, why = theirs[line.published], READERS[line.setting](mine) or ABSENT, reasons.get(model.label)
        same = same_setting(found.text, text)
        if not same and why is None:
            raise InputError(f"{where}: {found.text!r} is printed and ours is {text!r}; explain it under differences, or correct ours")
        if same and why is not None:
            raise InputError(f"{where}: {found.text!r} is printed and ours is the same; take it out of differences")
        cells.append(
            SettingCell(
                published=found.text,
                source=f"{found.source} ({found.confidence})",
                ours=text,
                same=same,
                mark="" if same else notes.mark(why),
            )
        )
    return SettingLine(label=line.label, setting=line.published, group=line.group, cells=cells)


def _reasons(table: TableSpec, line: ComparedSetting, labels: list[str]) -> dict[str, str]:
    """Why ours differs, by model."""
    reasons: dict[str, str] = {}
    for difference in line.differences:
        for label in difference.models or labels:
            where = f"{table.id}, setting {line.label!r}, differences"
            if label not in labels:
                raise unknown("model", label, labels, where=where)
            if label in reasons:
                raise InputError(f"{where}: {label} is explained twice; keep one of the two")
            reasons[label] = difference.why
    return reasons


def _conditions(body: SettingsBody) -> str:
    same = [cell.same for line in body.lines for cell in line.cells]
    differ = f"{len(same) - sum(same)} differ" if not all(same) else "none differs"
    return f"Ours: read from the recipes, experiments and samplers at preset {PAPER}. Of {len(same)} settings {sum(same)} are the same and {differ}."


def _changes(table: TableSpec, ours: list[Ours], here: Catalogue) -> list[str]:
    """What the preset makes of each model: a preset changes scale, the method stays."""
    if here.preset_id == PAPER:
        return []
    labels: dict[SettingName, str] = {}
    for line in table.compared.lines:
        labels.setdefault(line.setting, line.label)
    texts = []
    for model, mine in zip(table.compared.models, ours, strict=True):
        scaled = _ours(table, model, here)
        read = ((label, READERS[name](mine), READERS[name](scaled)) for name, label in labels.items())
        changed = [f"{label} {after}" for label, before, after in read if after != before]
        if changed:
            texts.append(f"{model.label} at preset {here.preset_id}: {'; '.join(changed)}.")
    return texts


def _place(table: TableSpec, model: ComparedModel) -> str:
    return f"{table.id}, model {model.label}"
