"""Files and folders that operating systems and editors leave among a person's own: every reader of images passes over the same ones.

Names: macOS (Finder, AppleDouble twins, zips made by it), Windows Explorer, Jupyter, ext4's lost+found, Synology and Linux desktops.
"""

from collections.abc import Iterable

NAMES = {
    ".directory",
    ".ds_store",
    ".fseventsd",
    ".ipynb_checkpoints",
    ".localized",
    ".spotlight-v100",
    ".temporaryitems",
    ".trashes",
    "$recycle.bin",
    "@eadir",
    "__macosx",
    "desktop.ini",
    "ehthumbs.db",
    "lost+found",
    "system volume information",
    "thumbs.db",
}
TWIN = "._"  # macOS keeps what a foreign disk cannot hold of `name` in `._name`
TRASH = ".trash-"  # followed by a user's number


def is_leftover(name: str) -> bool:
    """Whether a member's or file's relative name (parts between slashes) is, or lies in, something that a system left there."""
    return any(part.lower() in NAMES or part.startswith(TWIN) or part.lower().startswith(TRASH) for part in name.split("/"))


def without_leftovers(names: Iterable[str]) -> tuple[list[str], int]:
    """The names that a person put there, in their order, and how many files were passed over."""
    names = list(names)
    kept = [name for name in names if not is_leftover(name)]
    return kept, len(names) - len(kept)


def passed_over(where: object, count: int) -> str:
    """The sentence that says so, once a collection; empty when nothing was passed over."""
    if not count:
        return ""
    return f"{where}: {count} {'file' if count == 1 else 'files'} that operating systems leave (.DS_Store, Thumbs.db, ._*, __MACOSX) passed over"
