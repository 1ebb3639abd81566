"""Pack configuration, workflow, receipts, scores, tables, figures and report as one zip with RO-Crate metadata. No weights, no samples.

Example: sra archive --preset digits
"""

from pathlib import Path
from typing import Annotated

import typer

from sra.commands.options import Preset, SamplingSeedList, SeedList, ShownWeights
from sra.content.catalogue import shown_catalogue
from sra.deposit.archive import write_archive


def archive(
    preset: Preset,
    weights: ShownWeights = "trained",
    seeds: SeedList = None,
    sampling_seeds: SamplingSeedList = None,
    output: Annotated[
        Path | None, typer.Option(dir_okay=False, help="zip to write; default: results/<preset>/sra-repro-<preset>-<commit>.zip")
    ] = None,
) -> None:
    print(write_archive(shown_catalogue(preset, weights, seeds, sampling_seeds), output))
