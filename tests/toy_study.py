"""A study of seconds: three methods with three seeds at a preset of 16 steps on digits. For whoever asks for its parts or runs all of it."""

from pathlib import Path

PRESET = """
based_on: digits
title: a study of seconds on digits
seeds: [0, 1, 2]
shows: []
studies: [toy]
standins: {vae: {steps: 30, width: 8}, extractor: {steps: 30}}
models: {B: {depth: 4, width: 16, heads: 2}}
milestones: {m200k: 8, m400k: 16, m800k: 32}
paper_steps_per_step: 25000
samples: {50000: 48}
evaluations: {250: 3, 50: 3}
reference_images: 100
duplicates: 1.0
text_to_image: null
resolutions: {}
"""
SECOND = "  - {run: sit_b2_layersync, label: LayerSync, family: From the model itself}\n"
THIRD = "  - {run: sit_b2_dispersive, label: Dispersive, family: From the model itself}\n"
FOURTH = "  - {run: sit_b2_contrastive, label: Contrastive, family: From the model itself}\n"
ONE_METHOD = """
id: toy
title: Methods in seconds
baseline: {run: sit_b2, label: SiT, family: No alignment}
rows:
  - {run: sit_b2_sra, label: SRA, family: From the model itself}
milestones: [m200k, m400k]
repeated: [10, 11, 12]
longer: m800k
sampler: sde250
samplers: [ode50_heun]
tuning: {seed: 100, sampling_seed: 100, milestone: m200k, weights: [1, 4], rates: [1, 2]}
pilot: {run: sit_b2_sra, baseline_seeds: 2, seeds: 2}
threats: [It is too small to say anything.]
"""


def with_row(row: str, study: str) -> str:
    """The study with a row more."""
    return study.replace("milestones:", f"{row}milestones:", 1)


STUDY = with_row(THIRD, with_row(SECOND, ONE_METHOD))


def write_toy_study(root: Path, study: str = STUDY, **preset: str) -> None:
    """Preset `toy` and study `toy` in the configuration of a checkout. preset: lines in the place of the preset's own, or besides."""
    lines = [line for line in PRESET.strip().splitlines() if line.partition(":")[0] not in preset]
    lines += [f"{key}: {value}" for key, value in preset.items()]
    (root / "config/presets/toy.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (root / "config/studies/toy.yaml").write_text(study, encoding="utf-8")
