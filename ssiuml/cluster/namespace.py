"""A network of the cluster's own, so that nobody else on the machine can reach the interconnect.

uml_switch and the nodes exchange frames over sockets of the abstract namespace (unix(7)), which have no owner
and no permissions: any user could send to them. They are those of a network namespace, though.
"""

import os
import subprocess
from typing import Final

from ssiuml.host.run import find_tool

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


def network_namespace() -> tuple[str, ...]:
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
