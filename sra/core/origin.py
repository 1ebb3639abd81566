"""Which version of this repository is at work, and of which day results are."""

import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import sra

DIGITS = 10  # of a commit's hash


def commit_of(root: Path) -> str | None:
    """The checkout's commit; None outside git (an unpacked archive, be it in a folder of another repository)."""
    if _git(root, "rev-parse", "--show-toplevel") != str(root.resolve()):
        return None
    return _git(root, "rev-parse", f"--short={DIGITS}", "HEAD")


def is_changed(root: Path) -> bool:
    """Whether tracked files differ from the commit."""
    return bool(_git(root, "status", "--porcelain", "--untracked-files=no"))


def version_label(root: Path) -> str:
    """`3f2a91c07b`, with `-changed` when tracked files differ from it; `0.1.0` outside git."""
    commit = commit_of(root)
    return sra.__version__ if commit is None else f"{commit}{'-changed' if is_changed(root) else ''}"


def day_of(files: Iterable[Path]) -> str | None:
    """The day of the newest of the files that exist, YYYY-MM-DD in UTC; None when none does. What is made of them is as old as they are."""
    times = [path.stat().st_mtime for path in files if path.exists()]
    return datetime.fromtimestamp(max(times), UTC).strftime("%Y-%m-%d") if times else None


def _git(root: Path, *arguments: str) -> str | None:
    """What git prints; None where there is no git, or no repository."""
    try:
        found = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()
