"""Arguments and options that several groups of commands take."""

from pathlib import Path
from typing import Annotated

import typer

Output = Annotated[Path, typer.Option(help="file to write")]
Device = Annotated[str, typer.Option(envvar="SRA_DEVICE", help="auto, cpu or cuda")]
Config = Annotated[Path, typer.Argument(help="the run's config.json")]
Preset = Annotated[str, typer.Option(help="a file in config/presets")]
