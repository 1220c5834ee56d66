"""Command lines of the programs that a supervisor runs: the switch, the nodes, the lock server."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ssiuml.cluster.launch_plan import LaunchPlan
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.cluster.ports import MAC, node_end
from ssiuml.errors import SsiumlError
from ssiuml.host.run import find_tool
from ssiuml.host.uml import Machine

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


def without_network_administration(argv: list[str]) -> list[str]:
    """Return the command line under setpriv: the program cannot change the network of its namespace.

    A node needs no more than packet sockets (CAP_NET_RAW).
    """
    dropped = ("--inh-caps", "-net_admin", "--ambient-caps", "-net_admin")
    return [find_program("setpriv", "util-linux"), *dropped, "--", *argv]


def switch_command(folder: ClusterFolder) -> list[str]:
    """Return the command line of the switch, for nodes of Linux 2.4. It runs in the cluster's folder.

    It is not run as a hub: a frame then wakes up only the node it is sent to, which matters with 15 nodes.
    """
    return [find_program("uml_switch", "uml-utilities"), "-unix", folder.switch.name]


def node_machine(
    folder: ClusterFolder,
    plan: LaunchPlan,
    node: int,
    *,
    expect: int,
    control_fd: int | str,
) -> Machine:
    """Return a node. Its console is its standard input and output.

    It inherits *control_fd*, the end of its control line. It waits until *expect* nodes are members.
    """
    return Machine(
        name=f"node{node}",
        kernel=plan.kernel,
        folder=folder.uml,
        memory_mib=plan.memory_mib,
        initrd=plan.initrd,
        disks={"ubd0c": plan.root_fs},
        parameters=[
            "con0=fd:0,fd:1",
            f"ssl1=fd:{control_fd}",
            _port(node),
            f"ssi.node={node}",
            "ssi.interconnect=eth0",
            f"ssi.expect={expect}",
            f"ssi.token_ms={plan.token_ms}",
            *plan.parameters,
        ],
        processor=plan.processor_of(node),
    )


def historic_node_machine(folder: ClusterFolder, plan: LaunchPlan, node: int) -> Machine:
    """Return a node of Linux 2.4 on a GFS1 root (HOWTO 2.4, 4.9).

    Its console is its standard input and output.
    """
    return _historic(
        folder,
        plan,
        f"node{node}",
        plan.initrd,
        {"ubd0": plan.root_fs, "ubd1": plan.root_cidev},
        [_interconnect(folder, node), f"ssi.node={node}"],
    )


def lock_server_machine(folder: ClusterFolder, plan: LaunchPlan) -> Machine:
    """Return the lock server of a GFS1 root: a node with memexp, no root and no login.

    Raise ValueError if the plan has no lock server.
    """
    if plan.initrd_memexp is None:
        raise ValueError("the plan has no lock server")
    interconnect = _interconnect(folder, LOCK_SERVER_MAC_BYTE)
    return _historic(folder, plan, "memexp", plan.initrd_memexp, {"ubd1": plan.root_cidev}, [interconnect])


def _port(node: int) -> str:
    # With gro the driver takes frames of 64 KiB, which other nodes send as one. depth is the number of frames
    # that it takes or sends at once; 128 was no faster than 64 and takes 4 MiB more of a node's memory.
    return f"vec0:transport=raw,ifname={node_end(node)},mac={MAC.format(node)},depth=64,gro=1"


def _interconnect(folder: ClusterFolder, mac_byte: int) -> str:
    # From folder.uml, where nodes run.
    return f"eth0=daemon,{MAC.format(mac_byte)},unix,../{folder.switch.name}"


def _historic(
    folder: ClusterFolder,
    plan: LaunchPlan,
    name: str,
    initrd: Path,
    disks: Mapping[str, Path | None],
    parameters: Sequence[str],
) -> Machine:
    return Machine(
        name=name,
        kernel=plan.kernel,
        folder=folder.uml,
        memory_mib=plan.memory_mib,
        initrd=initrd,
        disks={disk: path for disk, path in disks.items() if path is not None},
        # Linux 2.4 has no initramfs: the RAM disk is its root until linuxrc changes that.
        parameters=[
            *("con0=fd:0,fd:1", "root=/dev/ram0", "rw", "init=/linuxrc"),
            *parameters,
            *plan.parameters,
        ],
        is_linux24=True,
    )
