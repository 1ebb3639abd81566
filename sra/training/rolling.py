"""What survives an interruption: a rolling state every few minutes and on SIGTERM or Ctrl-C, the newest two kept."""

import json
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sra.core.errors import InputError, Interrupted
from sra.core.files import room_for, write_text
from sra.spec.machine import Machine
from sra.spec.scale import ROLLING_STATES
from sra.spec.scratch import CURVE, remove_state, states_newest_first
from sra.training.distributed import World
from sra.training.state import Snapshot, TrainingState


class RollingStates:
    """States inside a segment, in a folder that no rule declares: Snakemake removes a failed job's outputs, but not these.

    They are written while training goes on, from a copy. So that a kill loses no more than `minutes` of training all the same, the next one is
    due as much earlier as the last one took; where that took half of the time, or training is to stop, training waits for the disk.

    Beside them lies `curve.jsonl`, written as training goes: to watch a run, or to see what went before a loss that is not finite.
    Of several processes the leading one writes, and all of them stop at the same step.
    """

    def __init__(self, folder: Path, minutes: float, machine: Machine = Machine(), world: World = World()):
        self.folder, self.seconds, self.machine, self.world = folder, 60 * minutes, machine, world
        self.saved_at = time.monotonic()
        self.took = 0.0  # seconds from the copy of the last state until it was on the disk
        self.writer, self.writing = ThreadPoolExecutor(1, thread_name_prefix="rolling-state"), None
        self.signal: int | None = None
        self.stopping = False  # whether this process or another was asked to stop
        self.refused: set[Path] = set()  # damaged states, to be removed when a good one is there

    def __enter__(self) -> "RollingStates":
        self.previous = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *error) -> None:
        self.writer.shutdown()  # what is being written is finished
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    @property
    def curve(self) -> Path:
        return self.folder / CURVE

    def begin(self, state: TrainingState) -> None:
        """Start the curve's file at the state's step."""
        if self.world.leads:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text(self.curve, curve_lines(state.curve))

    def log(self, entry: dict[str, float | None]) -> None:
        if self.world.leads:
            self.folder.mkdir(parents=True, exist_ok=True)  # the export of the milestone before may have just tidied up
            with room_for(self.curve), self.curve.open("a", encoding="utf-8") as file:
                file.write(curve_lines([entry]))

    def due(self) -> bool:
        """Whether it is time to save, or some process was asked to stop; the same answer in every process."""
        late = time.monotonic() - self.saved_at >= self.seconds - self.took
        self.stopping, late = self.world.any(self.signal is not None or self.world.orphaned, late)
        return self.stopping or late

    def save(self, state: TrainingState) -> None:
        """Save the state; then raise Interrupted when that was because of a signal. What went wrong with the one before is raised here too."""
        path = self.folder / f"{state.step:07d}.safetensors"
        self._finish()
        self.saved_at = time.monotonic()
        if self.world.leads:
            waits = self.stopping or self.seconds <= 2 * self.took
            self.writing = self.writer.submit(self._write, state.snapshot(copied=not waits), path, self.saved_at)
            if waits:
                self._finish()
        state.on_disk = path  # soon, and before this process ends
        self.world.wait()
        if self.stopping:
            message = f"stopped at step {state.step}; the state is kept and the same command continues from there" if self.world.leads else ""
            raise Interrupted(message, self.signal or signal.SIGTERM)

    def _write(self, snapshot: Snapshot, path: Path, since: float) -> None:
        snapshot.write(path, self.machine)
        older = [old for old in states_newest_first(self.folder) if int(old.stem) <= int(path.stem) and old not in self.refused]
        for old in [*older[ROLLING_STATES:], *(self.refused - {path})]:
            remove_state(old)
        self.refused.clear()
        self.took = time.monotonic() - since

    def _finish(self) -> None:
        if self.writing:
            writing, self.writing = self.writing, None
            writing.result()

    def restore_newest(self, state: TrainingState, until: int) -> bool:
        """Continue from the newest intact state between the segment's start and `until`; a damaged one falls back to the one before."""
        for path in states_newest_first(self.folder):
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

    def _on_signal(self, number: int, frame) -> None:
        self.signal = number


def curve_lines(entries: list[dict[str, float | None]]) -> str:
    """The entries of a curve as text, one JSON object a line."""
    return "".join(json.dumps(entry, sort_keys=True, allow_nan=False) + "\n" for entry in entries)
