"""A network of the cluster's own, so that nobody else on the machine can reach the interconnect.

uml_switch and the nodes exchange frames over sockets of the abstract namespace (unix(7)), which have no owner
and no permissions: any user could send to them. They are those of a network namespace, though.
"""

import os
import subprocess
from typing import Final

from ssiuml.run import find_tool

TRY_LIMIT_S: Final = 10.0


def network_namespace() -> tuple[str, ...]:
    """What to put before a command so that it runs in a network namespace; nothing if that is forbidden here.

    An ordinary user needs a user namespace for it, in which he stays who he is.
    """
    program = find_tool("unshare")
    if program is None:
        return ()
    prefix = (program, "--net", *(() if os.geteuid() == 0 else ("--user", "--map-current-user")), "--")
    tried = subprocess.run(  # noqa: S603 - an argument list of ours
        [*prefix, "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=TRY_LIMIT_S
    )
    return prefix if tried.returncode == 0 else ()
