"""What the processor of this machine is called, and how busy other work keeps it."""

import os
import platform
import time
from pathlib import Path

CPU_INFO, CPU_TIMES = Path("/proc/cpuinfo"), Path("/proc/stat")
IDLE = (3, 4)  # of the times in the first line of /proc/stat: idle, and waiting for disks


def processor_name() -> str:
    """The model that Linux gives, `Intel(R) Xeon(R) CPU @ 2.20GHz`; the architecture alone where it gives none."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    found = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(filter(None, found), platform.machine())


class OtherWork:
    """How busy the cores of this machine are with other processes than this one, from when it is made. Its threads and ended children are its own."""

    def __init__(self):
        self._began = self._now()

    def share(self) -> float | None:
        """Of the time of all cores until now, what others took, in [0, 1]; None where the system does not say."""
        if self._began is None or (now := self._now()) is None:
            return None
        elapsed, busy, own = (after - before for after, before in zip(now, self._began, strict=True))
        return min(1.0, max(0.0, busy - own) / (elapsed * (os.cpu_count() or 1)))

    @staticmethod
    def _now() -> tuple[float, float, float] | None:
        """Seconds by the clock, core-seconds that all processes have worked, and those of this one."""
        try:
            line = CPU_TIMES.read_text(encoding="ascii").partition("\n")[0]
        except OSError:
            return None
        ticks = [int(field) for place, field in enumerate(line.split()[1:9]) if place not in IDLE]
        return time.perf_counter(), sum(ticks) / os.sysconf("SC_CLK_TCK"), sum(os.times()[:4])
