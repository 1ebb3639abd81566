"""What survives an interruption: a rolling state every few minutes and on SIGTERM or Ctrl-C, the newest two kept."""

import signal
import sys
import time
from pathlib import Path

from sra.core.errors import InputError, Interrupted
from sra.core.receipts import receipt_path
from sra.training.state import TrainingState

KEPT = 2


class RollingStates:
    """States inside a segment, in a folder that no rule declares: Snakemake removes a failed job's outputs, but not these."""

    def __init__(self, folder: Path, minutes: float):
        self.folder, self.seconds = folder, 60 * minutes
        self.saved_at = time.monotonic()
        self.signal: int | None = None

    def __enter__(self) -> "RollingStates":
        self.previous = {number: signal.signal(number, self._remember) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *error) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def after_step(self, state: TrainingState) -> None:
        """Save when it is time or a signal came; then raise Interrupted for the signal."""
        if self.signal is None and time.monotonic() - self.saved_at < self.seconds:
            return
        state.save(self.folder / f"{state.step:07d}.safetensors")
        self.saved_at = time.monotonic()
        for old in self._newest_first()[KEPT:]:
            self._remove(old)
        if self.signal is not None:
            raise Interrupted(f"stopped at step {state.step}; the state is kept and the same command continues from there", self.signal)

    def restore_newest(self, state: TrainingState, until: int) -> bool:
        """Continue from the newest intact state between the segment's start and `until`; a damaged one falls back to the one before."""
        for path in self._newest_first():
            if not state.step < int(path.stem) <= until:
                continue
            try:
                state.restore(path)
            except InputError as error:
                print(f"left out a rolling state: {error}", file=sys.stderr)
                continue
            return True
        return False

    def clear(self) -> None:
        """The segment is finished: its declared output is on disk."""
        for path in self._newest_first():
            self._remove(path)
        if self.folder.exists() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _remember(self, number: int, frame) -> None:
        self.signal = number

    def _newest_first(self) -> list[Path]:
        return sorted((path for path in self.folder.glob("*.safetensors") if path.stem.isdigit()), reverse=True)

    @staticmethod
    def _remove(path: Path) -> None:
        path.unlink(missing_ok=True)
        receipt_path(path).unlink(missing_ok=True)
