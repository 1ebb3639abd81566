"""The commands that a reader may type, each as it is typed in the folder of the repository."""

from collections.abc import Sequence

DEFAULT_PRESET = "digits"  # of config/config.yaml


THREE_SEEDS = (0, 1, 2)


def build_command(target: str, preset_id: str, weights: str = "trained", seeds: Sequence[int] = ()) -> str:
    """The command that builds a target. The digits, trained weights and each run's own seed are the defaults, anything else is named."""
    options = ([f"preset={preset_id}"] if preset_id != DEFAULT_PRESET else []) + ([f"weights={weights}"] if weights != "trained" else [])
    options += [f"seeds='{list(seeds)}'"] if seeds else []
    return " ".join(["snakemake --cores 2", target, *(["--config", *options] if options else [])])


def missing_remark(missing: int, wanted: int, what: str, target: str, preset_id: str) -> list[str]:
    """`Not run yet: 3 of 10 points (snakemake --cores 2 figure_4).`; nothing where all are there."""
    return [f"Not run yet: {missing} of {wanted} {what} ({build_command(target, preset_id)})."] if missing else []
