"""Owns describing the machine that a speed was measured on: without it the figures say nothing."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

__all__ = ["describe_machine", "peak_bytes", "resident_bytes"]


def describe_machine() -> dict[str, Any]:
    """Processor, cores, memory, system, power governor, load and the libraries that this process has loaded.

    What cannot be read is None. ``cores_usable``: those that this process may run on. ``cpu_limit``: cores' worth of
    time that the container allows. ``load_1min``: processes that wanted to run, before the measurement.
    """
    import psutil

    return {
        "processor": _processor(),
        "cores": psutil.cpu_count(logical=True),
        "cores_usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "cpu_limit": _cpu_limit(),
        "memory_bytes": int(psutil.virtual_memory().total),
        "system": platform.platform(),
        "python": platform.python_version(),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load_1min": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "libraries": _libraries(),
    }


def resident_bytes() -> int:
    """Memory of this process that is in RAM now."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def peak_bytes() -> int:
    """The most that was ever in RAM of this process.

    On Linux from ``/proc``: ``getrusage`` would give the peak of the process that started this one, if that was larger.
    """
    for line in (_read("/proc/self/status") or "").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return resident_bytes()
    unit = 1 if sys.platform == "darwin" else 1024
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * unit


def _processor() -> str:
    for line in (_read("/proc/cpuinfo") or "").splitlines():
        if line.lower().startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cpu_limit() -> float | None:
    allowed, _, period = (_read("/sys/fs/cgroup/cpu.max") or "max").partition(" ")
    return None if allowed == "max" or not period else round(int(allowed) / int(period), 2)


def _libraries() -> dict[str, str]:
    from importlib.metadata import packages_distributions, version

    loaded = {name.partition(".")[0] for name in sys.modules}
    found = {package for name, packages in packages_distributions().items() if name in loaded for package in packages}
    return {name: version(name) for name in sorted(found, key=str.lower)}


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
