"""The folder of a run's rolling states: what lies there, and when it is no longer needed. Needs no torch.

No rule declares it. Snakemake deletes the outputs of a job that failed or that it did not see end, a finished training's state among them;
with the rolling states the same command then goes on from the newest, not from the segment's start.
"""

import json
import shutil
from contextlib import suppress
from pathlib import Path

from sra.core.receipts import receipt_path
from sra.spec.run import RunSpec

CURVE = "curve.jsonl"
LOCK = "training.lock"  # in the run's folder, held while a process trains it
TAIL = 4096  # bytes: more than the last lines of a log or curve


def scratch_folder(config: Path, spec: RunSpec) -> Path:
    """The folder beside the run's config.json for the run as it is configured: states of other settings are never mixed with these."""
    return config.parent / "scratch" / spec.fingerprint[:12]


def states_newest_first(folder: Path) -> list[Path]:
    """The rolling states of a folder, `<step>.safetensors` each."""
    return sorted((path for path in folder.glob("*.safetensors") if path.stem.isdigit()), reverse=True)


def remove_state(path: Path) -> None:
    """Remove a state, its receipt first: what a kill in between leaves is a state, which is found and removed the next time."""
    receipt_path(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def last_entry(curve: Path) -> dict[str, float | None]:
    """The newest whole entry of a curve, whose last line may be half written; empty when there is none."""
    for line in reversed(tail(curve).splitlines()):
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(entry, dict):
            return entry
    return {}


def tail(path: Path) -> str:
    """The end of a text file, at most 4096 bytes; empty for a file that does not exist or was just removed."""
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - TAIL, 0))
            return file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def clear_scratch(folder: Path, step: int) -> None:
    """Remove what is there up to `step`, once the state of that step has been read, and the folder when the run has gone no further.

    A later segment may be at work in it, so nothing is removed whole: its newer files, and with them the folder, stay.
    """
    for path in states_newest_first(folder):
        if int(path.stem) <= step:
            remove_state(path)
    for left in folder.glob(".[0-9]*"):  # of a process that was killed while it wrote
        if int(left.name[1:].partition(".")[0]) <= step:
            shutil.rmtree(left)
    if last_entry(folder / CURVE).get("step", 0) <= step:
        (folder / CURVE).unlink(missing_ok=True)
    for older in folder.parent.glob("*"):
        if older != folder:  # of the run as it was configured before
            shutil.rmtree(older)
    with suppress(OSError):
        folder.rmdir()
        folder.parent.rmdir()
