"""One node as a process: the command line of its User-Mode Linux, its start and its end."""

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ssiuml.cluster.console import Console
from ssiuml.errors import SsiumlError
from ssiuml.host import uml
from ssiuml.host.run import die_with_parent, kill_group
from ssiuml.manifest import Manifest

END_LIMIT_S: Final = 30.0


class NodeError(SsiumlError):
    """A node did not do what it should; the message ends with what its console said last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """What decides a node's command line. ``root_fs`` is private to it: User-Mode Linux locks the file."""

    number: int
    root_fs: Path
    folder: Path  # for the management socket of User-Mode Linux
    interconnect: str = "lo"
    memory_mib: int = uml.NODE_MEMORY_MIB


def command_line(manifest: Manifest, settings: NodeSettings) -> list[str]:
    """The node's program with its kernel parameters; the console is standard input and output."""
    return [
        *uml.command_line(
            manifest.require_kernel(),
            memory_mib=settings.memory_mib,
            initrd=manifest.initrd,
            disks={"ubd0": settings.root_fs},
            folder=settings.folder,
        ),
        "con0=fd:0,fd:1",
        f"ssi.node={settings.number}",
        f"ssi.interconnect={settings.interconnect}",
        *manifest.kernel_parameters,
    ]


@contextlib.contextmanager
def running(argv: list[str], log: Path) -> Iterator[tuple["subprocess.Popen[bytes]", Console]]:
    """Start a node; yield its process and its console, whose log goes to *log*. On leaving it is ended.

    The console is a socket, not a terminal: User-Mode Linux would leave a helper process behind that
    watches the terminal's size. If this process dies, so does the node.
    """
    ours, theirs = socket.socketpair()
    # Nothing to clean up for a node whose root is about to be thrown away: no time of grace.
    with ours, log.open("w", encoding="utf-8") as log_stream, die_with_parent(grace_s=0) as launcher:
        with theirs:
            process = subprocess.Popen(  # noqa: S603 - an argument list of ours
                [*launcher.prefix, *argv],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=theirs.fileno(),
                start_new_session=True,
                pass_fds=[launcher.fd],
            )
        try:
            yield process, Console(ours, log_stream)
        finally:
            kill_group(process.pid)
            process.wait(timeout=END_LIMIT_S)
