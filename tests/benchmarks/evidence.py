"""config/README.md on evidence, from a finished run of the fashion preset.

python tests/benchmarks/evidence.py --collect    copy its small files from results/fashion to results/reference/fashion
python tests/benchmarks/evidence.py              print the lines between the page's markers
"""

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PRESET = "fashion"
REFERENCE = ROOT / "results" / "reference" / PRESET
SHOWN = ("figures/figure_s2", "figures/figure_s4", "tables/table_s5")
KINDS = (".json", ".md", ".csv", ".png", ".svg")
BEGIN, END = "<!-- evidence: python tests/benchmarks/evidence.py -->", "<!-- end of evidence -->"
NOTHING = "No run of this preset has been committed yet: it needs a GPU, and no number stands here that was not measured."


def block(folder: Path = REFERENCE) -> str:
    """The lines between the markers. Says so where no run is there."""
    if not (folder / "figures" / "figure_s2.json").exists():
        return NOTHING
    figure = _read(folder / "figures" / "figure_s2.json")
    table = (folder / "tables" / "table_s5.md").read_text(encoding="utf-8").strip()
    device = ", ".join(sorted({score["device"] for score in map(_read, sorted(folder.glob("scores/**/*.json")))}))
    place = folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder
    picture = f"![{figure['alt']}]({place.as_posix()}/figures/figure_s2.png)"
    return "\n\n".join([*figure["findings"], picture, table, f"Scored on {device}; curves, scores and pictures are in `{place.as_posix()}`."])


def collect(results: Path, folder: Path) -> list[Path]:
    """Copy tables, figures, scores and curves of losses, which are small, in place of what is there. Raises FileNotFoundError for one missing."""
    files = [results / f"{shown}{kind}" for shown in SHOWN for kind in KINDS if (results / f"{shown}{kind}").exists()]
    missing = [shown for shown in SHOWN if results / f"{shown}.json" not in files]
    if missing:
        raise FileNotFoundError(f"{results / missing[0]}.json: no such file; snakemake --config preset={PRESET} makes it")
    files += [*sorted(results.glob("scores/**/*.json")), *sorted(results.glob("runs/*/curve/*.jsonl")), *sorted(results.glob("runs/*/config.json"))]
    shutil.rmtree(folder, ignore_errors=True)
    for file in files:
        place = folder / file.relative_to(results)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
    return files


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--collect", action="store_true", help="first copy the finished run from results/fashion")
    if parser.parse_args().collect:
        try:
            files = collect(ROOT / "results" / PRESET, REFERENCE)
        except FileNotFoundError as error:
            sys.exit(f"error: {error}")
        print(f"{len(files)} files, {sum(file.stat().st_size for file in files) / 1e6:.1f} MB, in {REFERENCE.relative_to(ROOT)}", file=sys.stderr)
    print(block())


if __name__ == "__main__":
    main()
