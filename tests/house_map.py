"""The map in sra/README.md: `python tests/house_map.py` prints it from the opening lines of the code, and a test holds the page to it."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "sra"
BEGIN, END = "<!-- map: python tests/house_map.py -->", "<!-- end of map -->"
# From the lightest up; a room may import those above it in this list, and tests/unit/test_layers.py says which.
ROOMS = (
    *("core", "spec", "content", "forecast", "plan", "data", "encoders", "models", "diffusion", "alignment", "analysis", "metrics", "training"),
    *("sampling", "study", "reporting", "deposit", "commands"),
)
# Which files an image meets, in order, from the user's folder to the page.
WAY = (
    *("data/archives.py", "data/images.py", "encoders/vae.py", "commands/extract_latents.py", "data/store.py"),
    *(
        "training/draws.py",
        "training/batches.py",
        "diffusion/flow.py",
        "models/dit.py",
        "alignment/sra.py",
        "training/setup.py",
        "training/loop.py",
        "training/state.py",
    ),
    *("commands/export.py", "commands/sample.py", "metrics/extractors.py", "metrics/frechet.py", "metrics/suite.py", "commands/score.py"),
    *("reporting/read/scores.py", "reporting/tables/scores.py", "reporting/report/build.py", "reporting/report/page.py"),
)


def first_sentence(path: Path) -> str:
    """Of a module's docstring, on one line."""
    text = " ".join((ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n\n")[0].split())
    end = text.find(". ")
    return text if end < 0 else text[: end + 1]


def block() -> str:
    """The page's lines between its markers."""
    lines = ["| room | what is in it |", "| --- | --- |"]
    lines += [f"| `{room}` | {first_sentence(PACKAGE / room / '__init__.py')} |" for room in ROOMS]
    lines += ["", "The way of one image, file by file:", ""]
    lines += [f"{number}. [{name}]({name}): {first_sentence(PACKAGE / name)}" for number, name in enumerate(WAY, start=1)]
    return "\n".join(lines)


if __name__ == "__main__":
    print(block())
