"""What the numbers were measured on, and how busy it was."""

import os
import platform
import shutil
import subprocess
import time
from pathlib import Path
from typing import TypedDict


class Machine(TypedDict):
    cpu: str
    cores: int
    memory_gib: float
    kernel: str
    governor: str
    compiler: str
    host_python: str


def describe() -> Machine:
    return {
        "cpu": _cpu(),
        "cores": len(cpus()),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "unknown",
        "compiler": _compiler(),
        "host_python": platform.python_version(),
    }


def cpus() -> list[int]:
    """The CPUs that this process may use."""
    return sorted(os.sched_getaffinity(0))


def busy_share(seconds: float = 0.4) -> float:
    """The share of all CPU time that somebody used while we slept, stolen time included."""
    before = _cpu_times()
    time.sleep(seconds)
    after = _cpu_times()
    total = sum(after) - sum(before)
    idle = sum(after[3:5]) - sum(before[3:5])
    return 1 - idle / total if total else 0.0


def load_average() -> float:
    """Of the last minute."""
    return os.getloadavg()[0]


def _cpu_times() -> list[int]:
    return [int(field) for field in _read("/proc/stat").splitlines()[0].split()[1:9]]


def _cpu() -> str:
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith(("model name", "Model")):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _compiler() -> str:
    path = shutil.which(os.environ.get("CC", "cc"))
    if path is None:
        return "none"
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    return (said.stdout.splitlines() or ["unknown"])[0]


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""
