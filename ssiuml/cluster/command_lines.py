"""Command lines of the programs that a supervisor runs: the switch, the nodes, the lock server."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ssiuml.cluster.launch_plan import LaunchPlan
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.errors import SsiumlError
from ssiuml.host import uml
from ssiuml.host.run import find_tool

# A locally administered address; the last byte is the node's number.
MAC: Final = "fe:fd:00:00:00:{:02x}"
LOCK_SERVER_MAC_BYTE: Final = 101  # the last byte of its IP address too, see recipes/rh72.yaml


class MissingProgramError(SsiumlError):
    """A program is not installed on the host."""


def find_program(name: str, package: str) -> str:
    """Return the path of a program. Raise MissingProgramError if it is not installed.

    *package* is the Debian package that has it.
    """
    path = find_tool(name)
    if path is None:
        raise MissingProgramError(
            f"the program '{name}' is not on this machine",
            hint=f"run sudo apt-get install --no-install-recommends {package}",
        )
    return path


def killed_with_parent(argv: list[str]) -> list[str]:
    """Return the command line under setpriv: the kernel kills the program when its parent dies.

    This reaches a single process only. A node has many; die_with_parent ends those.
    """
    return [find_program("setpriv", "util-linux"), "--pdeathsig", "KILL", "--", *argv]


def switch_command(folder: ClusterFolder) -> list[str]:
    """Return the command line of the switch.

    It is not run as a hub: a frame then wakes up only the node it is sent to, which matters with 15 nodes.
    """
    return [find_program("uml_switch", "uml-utilities"), "-unix", str(folder.switch)]


def node_command(
    folder: ClusterFolder,
    plan: LaunchPlan,
    node: int,
    *,
    expect: int,
    ssh_fd: int | str,
    control_fd: int | str,
) -> list[str]:
    """Return the command line of a node. Its console is its standard input and output.

    It inherits *ssh_fd* and *control_fd*, the ends of its serial lines. It waits until *expect* nodes are
    members.
    """
    return [
        *uml.command_line(
            plan.kernel,
            memory_mib=plan.memory_mib,
            initrd=plan.initrd,
            disks={"ubd0c": plan.root_fs},
            folder=folder.uml,
        ),
        f"umid=node{node}",
        "con0=fd:0,fd:1",
        f"ssl0=fd:{ssh_fd}",
        f"ssl1=fd:{control_fd}",
        f"eth0=daemon,{MAC.format(node)},unix,{folder.switch}",
        f"ssi.node={node}",
        "ssi.interconnect=eth0",
        f"ssi.expect={expect}",
        f"ssi.token_ms={plan.token_ms}",
        *plan.parameters,
    ]


def historic_node_command(folder: ClusterFolder, plan: LaunchPlan, node: int) -> list[str]:
    """Return the command line of a node of Linux 2.4 on a GFS1 root (HOWTO 2.4, 4.9).

    Its console is its standard input and output.
    """
    return [
        *_historic(folder, plan, plan.initrd, {"ubd0": plan.root_fs, "ubd1": plan.root_cidev}),
        f"umid=node{node}",
        f"eth0=daemon,{MAC.format(node)},unix,{folder.switch}",
        f"ssi.node={node}",
        *plan.parameters,
    ]


def lock_server_command(folder: ClusterFolder, plan: LaunchPlan) -> list[str]:
    """Return the command line of the lock server of a GFS1 root: a node with memexp, no root and no login.

    Raise ValueError if the plan has no lock server.
    """
    if plan.initrd_memexp is None:
        raise ValueError("the plan has no lock server")
    return [
        *_historic(folder, plan, plan.initrd_memexp, {"ubd1": plan.root_cidev}),
        "umid=memexp",
        f"eth0=daemon,{MAC.format(LOCK_SERVER_MAC_BYTE)},unix,{folder.switch}",
        *plan.parameters,
    ]


def _historic(
    folder: ClusterFolder, plan: LaunchPlan, initrd: Path, disks: Mapping[str, Path | None]
) -> list[str]:
    files = {name: path for name, path in disks.items() if path is not None}
    words = uml.command_line(
        plan.kernel, memory_mib=plan.memory_mib, initrd=initrd, disks=files, folder=folder.uml
    )
    # Linux 2.4 has no initramfs: the RAM disk is its root until linuxrc changes that.
    return [*words, "con0=fd:0,fd:1", "root=/dev/ram0", "rw", "init=/linuxrc"]
