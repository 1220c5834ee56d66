"""Whether the host has the memory for the nodes that are to be started."""

import os
import re
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError

MEMINFO: Final = Path("/proc/meminfo")
SHM: Final = Path("/dev/shm")  # noqa: S108 - where User-Mode Linux keeps a node's memory, in unlinked files


class MemoryShortage(SsiumlError):  # noqa: N818 - what it is
    """The host has too little memory."""


def require_memory(nodes: int, each_mib: int) -> None:
    """MemoryShortage, with need and limit, if the nodes' memory would not fit into what is available now."""
    needed = nodes * each_mib
    available = {"memory of this machine": _available_mib(), f"{SHM}": _free_mib(SHM)}
    for what, free in available.items():
        if free is not None and free < needed:
            fitting = free // each_mib
            raise MemoryShortage(
                f"{nodes} nodes of {each_mib} MiB need {needed} MiB, {free} MiB are free: {what}",
                hint=f"start {fitting} nodes, or give each less with --memory"
                if fitting
                else "give each less with --memory",
            )


def _available_mib() -> int | None:
    match = re.search(r"^MemAvailable: +(\d+) kB", MEMINFO.read_text(), re.MULTILINE)
    return int(match[1]) >> 10 if match else None


def _free_mib(folder: Path) -> int | None:
    try:
        state = os.statvfs(folder)
    except OSError:
        return None
    return state.f_bavail * state.f_frsize >> 20
