"""JSON schemas of every typed file, generated from the models: `python -m sra.content.schemas` writes them to `workflow/schemas`.

Editors complete and check YAML by them; a test fails when they lag behind the models.
"""

import json
from pathlib import Path

from pydantic import TypeAdapter

from sra.content.claims import Claims
from sra.content.figures import FigureSpec
from sra.content.margins import Tolerances
from sra.content.tables import TableSpec
from sra.core.files import write_text
from sra.spec.assets import DatasetEntry, WeightsEntry
from sra.spec.config import UserConfig
from sra.spec.recipe import Experiment, Recipe
from sra.spec.run import RunSpec
from sra.spec.samplers import Samplers
from sra.spec.scale import Preset
from sra.spec.score import ScoreRecord
from sra.spec.study import Study

FOLDER = Path("workflow/schemas")

MODELS = {
    "config": UserConfig,
    "preset": Preset,
    "recipe": Recipe,
    "experiment": Experiment,
    "samplers": Samplers,
    "datasets": DatasetEntry,
    "weights": WeightsEntry,
    "table": TableSpec,
    "figure": FigureSpec,
    "claims": Claims,
    "tolerances": Tolerances,
    "run": RunSpec,
    "study": Study,
    "score": ScoreRecord,
}


def schema_text(name: str) -> str:
    """The schema file's content."""
    schema = TypeAdapter(MODELS[name]).json_schema()
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **(_or_based_on_another(schema) if name == "preset" else schema)}
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _or_based_on_another(schema: dict) -> dict:
    """A preset is whole, or names the preset that has the keys which it leaves out."""
    whole = {key: value for key, value in schema.items() if key != "$defs"}
    base = {"based_on": {"type": "string", "description": "preset that has every key which is not given here"}}
    part = whole | {"properties": base | whole["properties"], "required": list(base)}
    return {"$defs": schema["$defs"], "if": {"required": list(base)}, "then": part, "else": whole}


def write_schemas(folder: Path = FOLDER) -> None:
    for name in MODELS:
        write_text(folder / f"{name}.schema.json", schema_text(name))


if __name__ == "__main__":
    write_schemas()
