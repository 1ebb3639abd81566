"""What the processor of this machine is called."""

import platform
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")


def processor_name() -> str:
    """The model that Linux gives, `Intel(R) Xeon(R) CPU @ 2.20GHz`; the architecture alone where it gives none."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    found = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(filter(None, found), platform.machine())
