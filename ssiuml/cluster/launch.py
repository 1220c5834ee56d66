"""Start the supervisor of a cluster, in a session of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ssiuml.cluster.paths import ClusterFolder
from ssiuml.errors import SsiumlError
from ssiuml.host.installation import HOME
from ssiuml.host.run import find_tool

MEMINFO: Final = Path("/proc/meminfo")
SHM: Final = Path("/dev/shm")  # noqa: S108 - where User-Mode Linux keeps a node's memory, in unlinked files


def require_memory(nodes: int, each_mib: int) -> None:
    """SsiumlError, with need and limit, if the nodes' memory would not fit into what is available now."""
    needed = nodes * each_mib
    available = {"memory of this machine": _available_mib(), f"{SHM}": _free_mib(SHM)}
    for what, free in available.items():
        if free is not None and free < needed:
            fitting = free // each_mib
            raise SsiumlError(
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


TRY_LIMIT_S: Final = 10.0
# How many frames may wait for a node that is not running just now. Of the kernel's 10 it loses some whenever
# nodes outnumber processors, and a lost token of corosync costs seconds.
QUEUED_FRAMES: Final = 1000
# The capabilities that the first line needs, those over the new namespaces, end with it. Where a kernel does
# not let it, the queue stays short.
_INSIDE: Final = """
echo "$1" 2>/dev/null >/proc/sys/net/unix/max_dgram_qlen
shift
exec setpriv --ambient-caps -all --inh-caps -all -- "$@"
"""
_FOR_A_USER: Final = ("--user", "--map-current-user", "--keep-caps")


def network_namespace_prefix() -> tuple[str, ...]:
    """What to put before a command so that it runs in a network namespace; nothing if that is forbidden here.

    An ordinary user needs a user namespace for it, in which he stays who he is.
    """
    program = find_tool("unshare")
    if program is None:
        return ()
    namespaces = (program, "--net", *(() if os.geteuid() == 0 else _FOR_A_USER))
    prefix = (*namespaces, "--", "sh", "-c", _INSIDE, "sh", str(QUEUED_FRAMES))
    tried = subprocess.run(  # noqa: S603 - an argument list of ours
        [*prefix, "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=TRY_LIMIT_S
    )
    return prefix if tried.returncode == 0 else ()


START_LIMIT_S: Final = 30.0


def supervisor_command(folder: Path, ready: int | str) -> list[str]:
    return [sys.executable, "-m", "ssiuml.cluster", str(folder), str(ready)]


def launch_supervisor(folder: ClusterFolder, prefix: Sequence[str] = ()) -> None:
    """Start the supervisor, with *prefix* before its command; return when it serves.

    SsiumlError with what it said otherwise.
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
                    env={**os.environ, "PYTHONPATH": _python_path()},
                    pass_fds=(writing,),
                    start_new_session=True,
                )
        finally:
            os.close(writing)
        # It writes a line or, if it dies, closes the pipe: no limit is needed for this end.
        said = answer.read().strip()
    if said == "ok":
        # It outlives this process and nobody waits for it; without this, subprocess would complain.
        process.returncode = 0
    else:
        if process.poll() is None:
            process.wait(START_LIMIT_S)
        message, _, hint = (said or "it died").partition("\n")
        raise SsiumlError(
            f"the supervisor of cluster '{folder.name}' did not start: {message}",
            hint=hint.strip() or f"see {folder.log}",
        )


def _python_path() -> str:
    # It runs in the cluster's folder: what was found from here has to be found from there.
    return os.pathsep.join([str(HOME), *filter(None, [os.environ.get("PYTHONPATH")])])
