"""Say what a study found from the scores that exist: ratios, intervals, verdicts, controls, words, as one JSON.

Example: sra study methods --preset fashion_cpu
"""

from typing import Annotated

import typer

from sra.commands.options import Preset, SeedList
from sra.content.catalogue import shown_catalogue
from sra.reporting.rendering import render_study


def study(study: Annotated[str, typer.Argument(help="one of config/studies")], preset: Preset, seeds: SeedList = None) -> None:
    document = render_study(shown_catalogue(preset, seeds=seeds), study)
    print("\n".join([document.informative_words, *document.findings, *(document.pilot.sentences if document.pilot else [])]))
