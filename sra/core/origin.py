"""Which version of this repository is at work, and of which day results are.

The commit is git's where the folder is a checkout, else what the folder was packed with: a zip of `git archive` has it in `workflow/commit.txt`,
an archive of `sra archive` in its RO-Crate.
"""

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import sra
from sra.core.errors import InputError
from sra.core.files import read_json, sha256_of_file

DIGITS = 10  # of a commit's hash
CHANGED = "-changed"
PACKED = Path("workflow/commit.txt")  # `.gitattributes` has git fill it in
METADATA = "ro-crate-metadata.json"
RESULTS = "results"  # what is made here, or lies behind a link, or was deleted is no change of the code


def commit_of(root: Path) -> str | None:
    """The commit of the folder's code; None where nothing tells (a copy without `.git`, be it in a folder of another repository)."""
    if _is_checkout(root):
        return _git(root, "rev-parse", f"--short={DIGITS}", "HEAD")
    return _packed_commit(root) or _crate_label(root).removesuffix(CHANGED) or None


def is_changed(root: Path) -> bool:
    """Whether tracked files outside `results` differ from the commit; of an unpacked archive, from what it was packed with."""
    if _is_checkout(root):
        return bool(_git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", f":(exclude){RESULTS}"))
    return not _packed_commit(root) and bool(_crate_label(root)) and (_crate_label(root).endswith(CHANGED) or any(_edited(root)))


def version_label(root: Path) -> str:
    """`3f2a91c07b`, with `-changed` when tracked files differ from it; `0.1.0` where the commit is unknown."""
    commit = commit_of(root)
    return sra.__version__ if commit is None else f"{commit}{CHANGED if is_changed(root) else ''}"


def day_of(files: Iterable[Path], root: Path) -> str | None:
    """The day of the newest of the files that exist, YYYY-MM-DD in UTC; None when none does. What is made of them is as old as they are.

    Files that are as they were committed are as old as the last commit of their folder: times of a checkout say when it was cloned.
    """
    found = [path for path in files if path.exists()]
    committed, day = _committed(found, root)
    times = [path.stat().st_mtime for path in found if path not in committed] + ([day] if committed else [])
    return datetime.fromtimestamp(max(times), UTC).strftime("%Y-%m-%d") if times else None


def _committed(files: list[Path], root: Path) -> tuple[set[Path], float]:
    """Those of the files that are as the checkout has them, and the time of the last commit of the folder that holds them all."""
    if not files or not _is_checkout(root):
        return set(), 0.0
    folder = os.path.commonpath([path.parent for path in files])
    listed = {kind: _git(root, "ls-files", "-z", kind, "--", folder) or "" for kind in ("--cached", "--modified")}
    cached, modified = ({root / name for name in names.split("\0")} for names in listed.values())
    same = set(files) & (cached - modified)
    return same, float(_git(root, "log", "-1", "--format=%ct", "--", folder) or 0) if same else 0.0


def _is_checkout(root: Path) -> bool:
    return _git(root, "rev-parse", "--show-toplevel") == str(root.resolve())


def _git(root: Path, *arguments: str) -> str | None:
    """What git prints; None where there is no git, or no repository.

    The folder may be another user's (a mount of a container, a shared disk), where git refuses to answer unless it is told that this is meant.
    Whoever asks runs the folder's code already; its file system monitor, a program that git would start, stays out all the same.
    """
    options = ("-c", f"safe.directory={root.resolve()}", "-c", "core.fsmonitor=false")
    try:
        found = subprocess.run(["git", *options, *arguments], cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


# Of folders that were packed


def _packed_commit(root: Path) -> str:
    """What git filled in; empty where the file is as in a checkout, or not there."""
    try:
        text = (root / PACKED).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""
    return text[:DIGITS] if re.fullmatch(r"[0-9a-f]{40,64}", text) else ""


def _crate_label(root: Path) -> str:
    """The version that an archive's metadata names, where it is a commit; empty without one."""
    label = str(_crate(root).get("./", {}).get("version", ""))
    return label if re.fullmatch(rf"[0-9a-f]{{{DIGITS},}}({CHANGED})?", label) else ""


def _edited(root: Path) -> Iterator[Path]:
    """Files of the archive outside `results` that are no longer what was packed, or gone."""
    for place, entity in _crate(root).items():
        path = root / unquote(place)
        if "sha256" in entity and Path(place).parts[0] != RESULTS and not (path.is_file() and sha256_of_file(path) == entity["sha256"]):
            yield path


def _crate(root: Path) -> dict[str, dict[str, Any]]:
    """What an archive says of its files, by their place in it; empty outside one."""
    try:
        graph = read_json(root / METADATA)["@graph"]
        return {entity["@id"]: entity for entity in graph}
    except (InputError, OSError, KeyError, TypeError):
        return {}
