"""Hashes of our own code, so that editing a metric rescores and editing a template renders again, but neither retrains."""

from hashlib import sha256
from pathlib import Path

import sra


def source_hash(*parts: str) -> str:
    """Hash of every Python file in the named rooms of the package (`metrics`), and of single files (`data/scenes.py`)."""
    package = Path(sra.__file__).parent
    total = sha256()
    for part in parts:
        for path in [package / part] if part.endswith(".py") else sorted((package / part).rglob("*.py")):
            total.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()[:16]
