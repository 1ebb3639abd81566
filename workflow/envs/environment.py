"""Write environment.yml from the lock: the same pins for people who use conda. `make lock` runs it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK = Path(__file__).with_name("requirements.lock")

HEAD = """\
# The environment of `make run`, for conda: conda env create -f environment.yml && conda activate sra-repro && pip install --no-deps -e .
# Written from workflow/envs/requirements.lock by `make lock`; change pyproject.toml, not this file.
name: sra-repro
channels: [conda-forge]
dependencies:
  - python=3.11
  - pip
  - pip:
"""


def pins(lock: str) -> list[str]:
    """`name==version ; marker` of each requirement, in the lock's order."""
    return [line.rstrip(" \\") for line in lock.splitlines() if re.match(r"[A-Za-z0-9]", line)]


def environment(lock: str) -> str:
    return HEAD + "".join(f'      - "{pin}"\n' for pin in pins(lock))


if __name__ == "__main__":
    (ROOT / "environment.yml").write_text(environment(LOCK.read_text(encoding="utf-8")), encoding="utf-8")
