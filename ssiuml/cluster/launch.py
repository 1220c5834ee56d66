"""Starts the supervisor of a cluster, in a network namespace and a session of its own.

All other processes of the cluster descend from the supervisor, and so run in the same namespaces.
``ssiuml.cluster.namespace`` makes the words that start a command in such namespaces.
"""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ssiuml.cluster.paths import ClusterFolder
from ssiuml.errors import SsiumlError
from ssiuml.host import uml
from ssiuml.host.installation import module_command

START_LIMIT_S: Final = 30.0
MEMINFO: Final = Path("/proc/meminfo")


def supervisor_command(folder: Path, ready: int | str) -> list[str]:
    """Return the command line of a supervisor. It writes to the descriptor *ready* when it serves."""
    return [*module_command("ssiuml.cluster"), str(folder), str(ready)]


def launch_supervisor(
    folder: ClusterFolder, prefix: Sequence[str] = (), inherited: Sequence[int] = ()
) -> int:
    """Start the supervisor, with *prefix* before its command. Return its pid when it serves requests.

    It holds the descriptors *inherited* open as long as it lives. Raise SsiumlError, with what the supervisor
    said, if it does not start.
    """
    reading, writing = os.pipe()
    with open(reading, encoding="utf-8") as answer:  # noqa: PTH123 - a descriptor
        try:
            with folder.log.open("ab") as log:
                process = subprocess.Popen(  # noqa: S603 - an argument list of ours
                    [*prefix, *supervisor_command(folder.path, writing)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=folder.path,
                    pass_fds=(writing, *inherited),
                    start_new_session=True,
                )
        finally:
            os.close(writing)
        # No time limit: the supervisor writes a line or, if it dies, closes the pipe.
        said = answer.read().strip()
    if said == "ok":
        # The supervisor outlives this process. With a status set, subprocess does not warn about that.
        process.returncode = 0
    else:
        if process.poll() is None:
            process.wait(START_LIMIT_S)
        message, _, hint = (said or "it died").partition("\n")
        raise SsiumlError(
            f"the supervisor of cluster '{folder.name}' did not start: {message}",
            hint=hint.strip() or f"look into {folder.log}",
        )
    return process.pid


def require_memory(nodes: int, each_mib: int) -> None:
    """Raise SsiumlError if the nodes need more than the host's free memory, or cannot run in it."""
    uml.require_memory_folder(os.environ)
    needed, folder = nodes * each_mib, uml.memory_folder(os.environ)
    available = {"memory of this machine": _available_mib(), f"{folder}": _free_mib(folder)}
    for what, free in available.items():
        if free is not None and free < needed:
            fitting = free // each_mib
            raise SsiumlError(
                f"{nodes} nodes of {each_mib} MiB need {needed} MiB, {free} MiB are free: {what}",
                hint=f"start {fitting} nodes, or give each less memory with --memory"
                if fitting
                else "give each less memory with --memory",
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
