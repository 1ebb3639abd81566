"""What survives an interruption: a rolling state every few minutes and on SIGTERM or Ctrl-C, the newest two kept."""

import json
import signal
import sys
import time
from pathlib import Path

from sra.core.errors import InputError, Interrupted
from sra.core.files import room_for, write_text
from sra.core.receipts import receipt_path
from sra.spec.machine import Machine
from sra.training.distributed import World
from sra.training.state import TrainingState

KEPT = 2


class RollingStates:
    """States inside a segment, in a folder that no rule declares: Snakemake removes a failed job's outputs, but not these.

    Beside them lies `curve.jsonl`, written as training goes: to watch a run, or to see what went before a loss that is not finite.
    Of several processes the leading one writes, and all of them stop at the same step.
    """

    def __init__(self, folder: Path, minutes: float, machine: Machine = Machine(), world: World = World()):
        self.folder, self.seconds, self.machine, self.world = folder, 60 * minutes, machine, world
        self.saved_at = time.monotonic()
        self.signal: int | None = None
        self.refused: set[Path] = set()  # damaged states, to be removed when a good one is there

    def __enter__(self) -> "RollingStates":
        self.previous = {number: signal.signal(number, self._remember) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *error) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    @property
    def curve(self) -> Path:
        return self.folder / "curve.jsonl"

    def begin(self, state: TrainingState) -> None:
        """Start the curve's file at the state's step."""
        if self.world.leads:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text(self.curve, curve_lines(state.curve))

    def log(self, entry: dict[str, float | None]) -> None:
        if self.world.leads:
            with room_for(self.curve), self.curve.open("a", encoding="utf-8") as file:
                file.write(curve_lines([entry]))

    def due(self) -> bool:
        """Whether it is time to save, or some process was asked to stop; the same answer in every process."""
        self.asked, late = self.world.any(self.signal is not None or self.world.orphaned, time.monotonic() - self.saved_at >= self.seconds)
        return self.asked or late

    def save(self, state: TrainingState) -> None:
        """Save the state; then raise Interrupted when that was because of a signal."""
        path = self.folder / f"{state.step:07d}.safetensors"
        if self.world.leads:
            state.save(path, self.machine)
            older = [old for old in self._newest_first() if int(old.stem) <= state.step and old not in self.refused]
            for old in [*older[KEPT:], *(self.refused - {path})]:
                self._remove(old)
            self.refused.clear()
        self.world.wait()
        state.on_disk = path
        self.saved_at = time.monotonic()
        if self.asked:
            said = f"stopped at step {state.step}; the state is kept and the same command continues from there" if self.world.leads else ""
            raise Interrupted(said, self.signal or signal.SIGTERM)

    def restore_newest(self, state: TrainingState, until: int) -> bool:
        """Continue from the newest intact state between the segment's start and `until`; a damaged one falls back to the one before."""
        for path in self._newest_first():
            if not state.step < int(path.stem) <= until:
                continue
            try:
                state.restore(path)
            except InputError as error:
                self.refused.add(path)
                if self.world.leads:
                    print(f"left out a rolling state: {error}", file=sys.stderr)
                continue
            if self.world.leads:
                print(f"continuing from {path} (step {state.step})", file=sys.stderr)
            return True
        return False

    def _remember(self, number: int, frame) -> None:
        self.signal = number

    def _newest_first(self) -> list[Path]:
        return sorted((path for path in self.folder.glob("*.safetensors") if path.stem.isdigit()), reverse=True)

    @staticmethod
    def _remove(path: Path) -> None:
        path.unlink(missing_ok=True)
        receipt_path(path).unlink(missing_ok=True)


def curve_lines(entries: list[dict[str, float | None]]) -> str:
    """One JSON object a line."""
    return "".join(json.dumps(entry, sort_keys=True, allow_nan=False) + "\n" for entry in entries)
