"""Memory of this process, in bytes."""

import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


def peak_resident() -> int:
    """The most memory that this process has had resident, in bytes.

    On Linux since this program was started: getrusage also counts what the process held that started it.
    """
    return _of_status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def resident() -> int:
    """The memory that this process has resident, in bytes; where the system does not say, the most until now."""
    return _of_status("VmRSS") or peak_resident()


def _of_status(name: str) -> int | None:
    """A value of /proc/self/status in bytes; None on a system without this file."""
    if not STATUS.exists():
        return None
    return next((int(line.split()[1]) * 1024 for line in STATUS.read_text(encoding="ascii").splitlines() if line.startswith(f"{name}:")), None)
