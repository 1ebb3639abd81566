"""Progress of long work: one live bar on a terminal, a plain line now and then in a log."""

import os
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from sra.core.errors import spelled_out

Item = TypeVar("Item")

SECONDS_BETWEEN_LINES = 30
OF_PROCESS = Path("/proc/self/stat")
STARTED = "started in"  # begins the first line of a job's log


class Progress:
    """A counter of `total` units of `what`, written to stderr. Use as a context manager; call `advance` after each unit.

    On a terminal it is a tqdm bar with rate and time left. Elsewhere (a log file, a cluster job) it is one whole line at the
    start, every half minute and at the end, without carriage returns. Of several processes that work together only one is `shown`.
    """

    def __init__(self, what: str, total: int, unit: str = "it", done: int = 0, shown: bool = True):
        what = spelled_out(what)  # it may hold the name of a folder
        self.what, self.total, self.unit, self.done, self.first, self.shown = what, total, unit, done, done, shown
        self.live = shown and sys.stderr.isatty()
        self.started = self.printed = time.monotonic()

    def __enter__(self) -> "Progress":
        if self.live:
            self.bar = tqdm(total=self.total, initial=self.done, desc=self.what, unit=self.unit, dynamic_ncols=True, leave=True)
        elif self.shown:
            print(f"{self.what}: {self.done}/{self.total} {self.unit}, starting", file=sys.stderr, flush=True)
        return self

    def advance(self, by: int = 1, **shown: float) -> None:
        self.done += by
        if self.live:
            self.bar.set_postfix({name: f"{value:.3g}" for name, value in shown.items()}, refresh=False)
            self.bar.update(by)
        elif self.shown and time.monotonic() - self.printed >= SECONDS_BETWEEN_LINES:
            self.printed = time.monotonic()
            self._print_line(shown)

    def __exit__(self, *error) -> None:
        if self.live:
            self.bar.close()
        elif self.shown and error[0] is None:
            self._print_line({})

    def _print_line(self, shown: dict[str, float]) -> None:
        seconds = time.monotonic() - self.started
        rate = (self.done - self.first) / seconds if seconds else 0.0
        values = "".join(f"  {name} {value:.3g}" for name, value in shown.items())
        left = f"  {_time_left((self.total - self.done) / rate)}" if rate and self.done < self.total else f"  {seconds:.1f} s"
        print(f"{self.what}: {self.done}/{self.total} {self.unit}  {rate:.1f}/s{values}{left}", file=sys.stderr, flush=True)


def _time_left(seconds: float) -> str:
    """`40.0 s left`; from ten minutes on with the clock time of the end, the same day's or `Tue 14:05`."""
    if seconds < 600:
        return f"{duration_text(seconds)} left"
    end = time.localtime(time.time() + seconds)
    return f"{duration_text(seconds)} left, until {time.strftime('%H:%M' if seconds < 12 * 3600 else '%a %H:%M', end)}"


def duration_text(seconds: float) -> str:
    """A duration as people read it: 8.2 s, 3 min 12 s, 2 h 05 min, 3 d 4 h."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 60:
        return f"{minutes} min {whole % 60:02d} s"
    if hours < 24:
        return f"{hours} h {minutes % 60:02d} min"
    return f"{days} d {hours % 24} h"


def tracked(items: Iterable[Item], what: str, total: int, unit: str = "it") -> Iterator[Item]:
    """Yield the items and count them."""
    with Progress(what, total, unit) as progress:
        for item in items:
            yield item
            progress.advance()


def log_start() -> None:
    """In a job of the workflow (`SRA_LOGGED`) whose stderr is a file, its log, write what it took to start this process, imports and all: it cannot
    be measured afterwards.
    """
    try:
        is_log = "SRA_LOGGED" in os.environ and stat.S_ISREG(os.fstat(sys.stderr.fileno()).st_mode)
    except (AttributeError, OSError, ValueError):  # no stderr, closed, or none of the system's
        return
    if not is_log or (seconds := seconds_running()) is None:
        return
    print(f"{STARTED} {seconds:.2f} s", file=sys.stderr, flush=True)


def seconds_running() -> float | None:
    """How long ago this process began; None where the system does not say, which Linux does."""
    try:
        fields = OF_PROCESS.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    # The 22nd field, counted from the process's number and name, is the tick after the machine's start (proc(5)).
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[22 - 3]) / os.sysconf("SC_CLK_TCK")
