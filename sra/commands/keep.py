"""Copy the small files that a preset's numbers rest on to where they can be committed: scores, configurations, curves, studies, receipts.

Example: sra keep --preset fashion_cpu
"""

from pathlib import Path
from typing import Annotated

import typer

from sra.commands.options import Preset
from sra.content.catalogue import shown_catalogue
from sra.core.errors import InputError
from sra.core.units import binary, several
from sra.deposit.kept import keep as keep_files


def keep(
    preset: Preset,
    to: Annotated[Path, typer.Option(help="folder in this one; the preset gets a folder of its name in it")] = Path("results/reference"),
) -> None:
    if to.is_absolute() or ".." in to.parts:
        raise InputError(f"--to {to}: expected a folder in this one, such as results/reference")
    files = keep_files(shown_catalogue(preset), to)
    print(f"{several(len(files), 'file')}, {binary(sum(file.stat().st_size for file in files))}, in {to / preset}")
