"""ssi-start: boot a cluster of User-Mode Linux nodes that share one root."""

import argparse
import os
import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from ssiuml.cli.arguments import chosen_cluster, cluster_command_parser, node_number
from ssiuml.cli.exit_status import DONE, FAILED, run_command
from ssiuml.cli.node_progress import NodeProgress
from ssiuml.cli.terminals import Terminals, add_terminal_option, terminals_for
from ssiuml.cluster import command_lines, launch_plan
from ssiuml.cluster.client import ask
from ssiuml.cluster.image_choice import Image, choose_image
from ssiuml.cluster.launch import launch_supervisor, require_memory, supervisor_command
from ssiuml.cluster.launch_plan import LaunchPlan, processors_to_pin_to, write_launch_plan
from ssiuml.cluster.namespace import bridge_prefix, require_bridge, switch_prefix
from ssiuml.cluster.paths import DEFAULT_CLUSTER, ClusterFolder
from ssiuml.cluster.protocol import STOP_LIMIT_S
from ssiuml.cluster.root_copy import prepare_root
from ssiuml.cluster.ssh_keys import keygen_command, make_initrd, make_keys, require_user
from ssiuml.cluster.state import clear_stale, read_state
from ssiuml.cluster.uplink import Uplink, plan_uplink, require_uplink, start_uplink, uplink_command
from ssiuml.errors import SsiumlError, UsageError
from ssiuml.host import uml
from ssiuml.host.places import user_home
from ssiuml.units import parse_size

DEFAULT_NODES: Final = 3
MIN_MEMORY_MIB: Final = 96
READY_LIMIT_S: Final = 300.0
MAX_LIMIT_S: Final = 86_400  # a day
ANSWER_LIMIT_S: Final = 30.0


def make_parser() -> argparse.ArgumentParser:
    parser = cluster_command_parser(
        "ssi-start",
        "Boot a cluster: nodes 1 to N that share one root file system. The command ends when every node is "
        "ready: it is in the cluster and has reached its login prompt. The nodes run on the cluster's own "
        "copy of the image's root; ssi-stop keeps that copy.",
        """
ssi-start                        three nodes of images/trixie
ssi-start 1 --memory 256M        one node with more memory
ssi-start 2 --cluster test --recipe trixie-min
ssi-start 15 --no-xterm
""",
    )
    parser.add_argument(
        "nodes",
        nargs="?",
        metavar="N",
        default=str(DEFAULT_NODES),
        help=f"number of nodes to boot; default: {DEFAULT_NODES}",
    )
    parser.add_argument(
        "--recipe",
        metavar="NAME",
        help="boot the image of this recipe: images/NAME in a checkout, else PREFIX/lib/ssiuml/NAME",
    )
    parser.add_argument("--image", metavar="DIR", type=Path, help="boot the image in this folder")
    parser.add_argument(
        "--memory", metavar="SIZE", help=f"memory of each node; default: {uml.NODE_MEMORY_MIB}M"
    )
    parser.add_argument(
        "--plan-for",
        metavar="N",
        help="set the token timeout for this number of nodes, if you will add nodes later; default: the "
        f"number of nodes booted now, at least {launch_plan.QUIET_NODES}",
    )
    parser.add_argument(
        "--limit",
        metavar="SECONDS",
        type=float,
        default=READY_LIMIT_S,
        help=f"kill a node that is not ready after this time; default: {READY_LIMIT_S:.0f}",
    )
    parser.add_argument(
        "--fresh", action="store_true", help="make a new copy of the root; the old copy is lost"
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep the copy of the root although the image has changed since"
    )
    parser.add_argument(
        "--in-place", action="store_true", help="run on the image's own root instead of a copy"
    )
    parser.add_argument("--keep-going", action="store_true", help="if a node fails, leave the others running")
    parser.add_argument(
        "--append",
        metavar="WORDS",
        default="",
        help="add kernel parameters, such as 'debug' or 'ssi.shell'",
    )
    parser.add_argument(
        "--userspace",
        choices=uml.USERSPACES,
        help="how guest processes run; with seccomp they are faster, but can reach all memory of their node. "
        "Default: as the recipe says, ptrace",
    )
    parser.add_argument(
        "--internet",
        action="store_true",
        help="give the nodes a way out to the networks of this machine, with DNS. Needs slirp4netns",
    )
    parser.add_argument(
        "--no-pin",
        action="store_true",
        help="let each node run on all processors of this machine, instead of on one of them",
    )
    add_terminal_option(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the command lines and start nothing")
    return parser


def parse_arguments(words: Sequence[str]) -> argparse.Namespace:
    """Parse *words*. Raise UsageError if options contradict each other or a value is out of range."""
    arguments = make_parser().parse_args(words)
    if sum([arguments.fresh, arguments.keep, arguments.in_place]) > 1:
        raise UsageError("--fresh, --keep and --in-place exclude each other", hint="give one of them")
    if not 1 <= arguments.limit <= MAX_LIMIT_S:
        raise UsageError(f"--limit {arguments.limit:g}: is not 1 to {MAX_LIMIT_S} seconds")
    return arguments


def main(words: Sequence[str]) -> int:
    return start(words)[0]


def start(words: Sequence[str], supervisor_prefix: Sequence[str] = ()) -> tuple[int, float]:
    """Do what the command does. Return its exit status and the seconds that the nodes took.

    *supervisor_prefix* goes before the supervisor's command line, such as that of
    ssiuml.cluster.command_lines.killed_with_parent.
    """
    arguments = parse_arguments(words)
    folder = chosen_cluster(arguments)
    image = choose_image(arguments.recipe, arguments.image, user_home(os.environ))
    count = _node_count("N", arguments.nodes, image.described.node_limit)
    plan = _launch_plan(arguments, folder, image, count)
    way_out = None
    if arguments.internet:
        way_out = plan_uplink(plan.network, plan.node_limit)
        plan = replace(plan, parameters=(*plan.parameters, *way_out.parameters))
    terminals = terminals_for(folder, arguments)
    progress = NodeProgress(terminals)
    for remark in image.remarks:
        progress.say(remark)
    if arguments.dry_run:
        _print_command_lines(folder, plan, count, way_out, terminals)
        return DONE, 0.0
    if not plan.has_lock_server:  # its nodes have no server for ssh
        require_user()
    if way_out is not None:
        require_uplink()
    folder.make()
    namespace = _namespace(plan, progress)
    try:
        with FileLock(folder.lock, timeout=0):
            _prepare(folder, arguments, image, plan, count, progress)
            try:
                _launch(folder, (*namespace, *supervisor_prefix), way_out)
            except SsiumlError:
                if not plan.has_lock_server:
                    require_bridge(namespace)  # if that is the reason, it knows the way out
                raise
    except Timeout:
        raise UsageError(
            f"cluster '{folder.name}' is being started by another ssi-start",
            hint="run ssi-status to see its nodes",
        ) from None
    started = time.monotonic()
    status = _boot(folder, count, keep_going=arguments.keep_going, progress=progress)
    return status, time.monotonic() - started


def _namespace(plan: LaunchPlan, progress: NodeProgress) -> tuple[str, ...]:
    """Return the words that start the supervisor in its namespace."""
    if plan.has_lock_server:
        prefix = switch_prefix()
        if not prefix:
            progress.say(
                "warning: no network namespaces here: other users of this machine can reach the interconnect"
            )
        return prefix
    return bridge_prefix(plan.supervisor_address)


def _launch(folder: ClusterFolder, prefix: Sequence[str], way_out: Uplink | None) -> None:
    """Start the supervisor, and slirp4netns beside it if the nodes get a *way_out*."""
    if way_out is None:
        launch_supervisor(folder, prefix)
        return
    # slirp4netns ends when the supervisor, which holds the other end, has ended.
    end, held = os.pipe()
    try:
        try:
            supervisor = launch_supervisor(folder, prefix, [held])
        finally:
            os.close(held)
        _attach(folder, way_out, supervisor, end)
    finally:
        os.close(end)


def _attach(folder: ClusterFolder, way_out: Uplink, supervisor: int, end: int) -> None:
    """Start slirp4netns for a supervisor that runs. Stop the cluster again if that fails."""
    try:
        start_uplink(way_out, supervisor, end, folder.uplink_log)
        ask(folder, {"do": "uplink"}, limit_s=ANSWER_LIMIT_S)
    except SsiumlError:
        with suppress(SsiumlError):  # the first error is the one to report
            ask(folder, {"do": "stop", "limit_s": STOP_LIMIT_S})
        raise


def _prepare(
    folder: ClusterFolder,
    arguments: argparse.Namespace,
    image: Image,
    plan: LaunchPlan,
    count: int,
    progress: NodeProgress,
) -> None:
    """Make the files that the supervisor needs. Raise UsageError if the cluster runs already."""
    state = read_state(folder)
    if state is not None and state.is_current:
        nodes = " ".join(map(str, sorted(state.nodes))) or "none"
        raise UsageError(
            f"cluster '{folder.name}' runs already, nodes: {nodes}",
            hint="run ssi-add to boot more nodes or ssi-stop to end it, or start another with --cluster NAME",
        )
    for line in clear_stale(folder):
        progress.say(line)
    require_memory(count, plan.memory_mib)
    if not arguments.in_place:
        copied = prepare_root(folder, image, fresh=arguments.fresh, keep=arguments.keep)
        if copied:
            progress.say(copied)
    if not plan.has_lock_server:  # nodes of Linux 2.4 have no server for ssh
        make_keys(folder)
        make_initrd(folder, image.initrd)
    write_launch_plan(folder.plan, plan)


def _boot(folder: ClusterFolder, count: int, *, keep_going: bool, progress: NodeProgress) -> int:
    """Have the supervisor boot the nodes. Return the exit status.

    Stop the cluster again if the user interrupts, or if a node fails and *keep_going* is not set.
    """
    started = time.monotonic()
    stop = {"do": "stop", "limit_s": STOP_LIMIT_S}
    try:
        answer = ask(folder, {"do": "start", "nodes": list(range(1, count + 1))}, progress)
    except KeyboardInterrupt:
        progress.say("interrupted; stopping the cluster")
        ask(folder, stop, progress)
        raise
    except SsiumlError:
        with suppress(SsiumlError):  # the first error is the one to report
            ask(folder, stop, progress)
        raise
    if not answer["ok"]:
        failed = " ".join(map(str, answer["failed"]))
        if not keep_going:
            progress.say(f"not ready: {failed}; stopping the others")
            ask(folder, stop, progress)
            return FAILED
        progress.say(f"not ready: {failed}; the others run")
        return FAILED
    which = "" if folder.name == DEFAULT_CLUSTER else f" --cluster {folder.name}"
    print(
        f"{count} {'node' if count == 1 else 'nodes'} ready in {time.monotonic() - started:.1f} s: "
        f"ssi-exec{which} 1, ssi-console{which} 1, ssi-stop{which}"
    )
    return DONE


def _node_count(name: str, text: str, limit: int) -> int:
    """Return the number of nodes in *text*, the argument *name*. Raise UsageError unless 1 to *limit*."""
    try:
        count = node_number(text)
    except UsageError:
        raise UsageError(
            f"{name}: '{text}' is not a number of nodes", hint=f"give 1 to {limit} with this image"
        ) from None
    if count > limit:
        raise UsageError(
            f"{name}: {count} is more than the {limit} nodes of this image, every node needs a journal",
            hint=f"give at most {limit}, or build an image with a higher cluster.node_limit",
        )
    return count


def _launch_plan(
    arguments: argparse.Namespace, folder: ClusterFolder, image: Image, count: int
) -> LaunchPlan:
    limit = image.described.node_limit
    planned = max(count, launch_plan.QUIET_NODES)
    if arguments.plan_for:
        planned = _node_count("--plan-for", arguments.plan_for, limit)
    if image.described.values["filesystem"]["type"] == "gfs1":
        for key, file in (("CIDEV", image.root_cidev), ("INITRD_MEMEXP", image.initrd_memexp)):
            if file is None:
                raise UsageError(
                    f"{image.described.folder}: a GFS1 root needs {key}, which this image does not have",
                    hint=f"name one in ~/.ssiuml/ssiuml.conf: {key}=/path/of/it",
                )
    # A GFS1 root has no corosync; the timeout of its lock server stands in gfscf.cf.
    image_token_ms = int(image.described.values["cluster"].get("timings", {}).get("token_ms", 0))
    return LaunchPlan(
        image=image.described.folder.absolute(),
        kernel=image.kernel.absolute(),
        initrd=folder.initrd if image.initrd_memexp is None else image.initrd.absolute(),
        root_fs=image.root_fs.absolute() if arguments.in_place else folder.root_fs,
        node_limit=limit,
        network=str(image.described.network),
        memory_mib=_memory_mib(arguments.memory),
        token_ms=launch_plan.token_ms(image_token_ms, planned, os.cpu_count() or 1),
        planned_nodes=planned,
        ready_limit_s=arguments.limit,
        parameters=(
            *_ramdisk(image),
            *image.described.kernel_parameters,
            *_userspace(arguments, image),
            *arguments.append.split(),
        ),
        processors=() if arguments.no_pin else processors_to_pin_to(os.sched_getaffinity(0)),
        root_cidev=None if image.root_cidev is None else image.root_cidev.absolute(),
        initrd_memexp=None if image.initrd_memexp is None else image.initrd_memexp.absolute(),
    )


def _userspace(arguments: argparse.Namespace, image: Image) -> tuple[str, ...]:
    userspace = arguments.userspace or image.described.userspace
    uml.require_userspace(image.kernel, userspace)
    return uml.userspace_parameters(userspace)


def _ramdisk(image: Image) -> tuple[str, ...]:
    """Return the kernel parameter for the size of the RAM disk, nothing if the image gives no size.

    Linux 2.4 makes a RAM disk of 4 MiB unless ramdisk_size gives the size of the unpacked image in KiB.
    """
    sizes = [image.described.values.get(key, {}).get("ramdisk_kib", 0) for key in ("initrd", "initrd_memexp")]
    return (f"ramdisk_size={max(sizes)}",) if max(sizes) else ()


def _memory_mib(text: str | None) -> int:
    if text is None:
        return uml.NODE_MEMORY_MIB
    try:
        mib = parse_size(text) >> 20
    except SsiumlError as error:
        raise UsageError(f"--memory: {error.message}", hint=error.hint) from error
    if mib < MIN_MEMORY_MIB:
        raise UsageError(f"--memory {text}: is too little for a node", hint=f"give {MIN_MEMORY_MIB}M or more")
    return mib


def _print_command_lines(
    folder: ClusterFolder, plan: LaunchPlan, count: int, way_out: Uplink | None, terminals: Terminals | None
) -> None:
    keys = [
        keygen_command(folder.keys / name, f"ssiuml-{folder.name}")
        for name in ("host_key", "user_key")
        if not plan.has_lock_server
    ]
    machines = []
    if plan.has_lock_server:
        machines.append(command_lines.lock_server_machine(folder, plan))
    for node in range(1, count + 1):
        if plan.has_lock_server:
            machines.append(command_lines.historic_node_machine(folder, plan, node))
        else:
            machines.append(
                command_lines.node_machine(folder, plan, node, expect=count, control_fd="CONTROL")
            )
    prefix = switch_prefix() if plan.has_lock_server else bridge_prefix(plan.supervisor_address)
    switch = command_lines.killed_with_parent(command_lines.switch_command(folder))
    lines = [
        *keys,
        [*prefix, *supervisor_command(folder.path, "READY")],
        *([uplink_command(way_out, "SUPERVISOR", "READY", "END")] if way_out else []),
        *([["cd", str(folder.path)], switch] if plan.has_lock_server else []),
        ["cd", str(folder.uml)],
        *(["ln", "-s", str(target), name] for one in machines for name, target in one.links.items()),
        *(one.argv for one in machines),
        *(terminals.command(node) for node in range(1, count + 1) if terminals),
    ]
    for line in lines:
        print(shlex.join(line))


def run() -> int:
    return run_command(main)


if __name__ == "__main__":
    sys.exit(run())
