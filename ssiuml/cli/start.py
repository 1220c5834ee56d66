"""ssi-start: boot a cluster."""

import argparse
import os
import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from ssiuml.cli.entry import DONE, FAILED, call, folder_of, node_number, parser
from ssiuml.cli.progress import Progress
from ssiuml.cli.terminals import Terminals, add_terminal_option, terminals_for
from ssiuml.cluster import command_lines, launch_plan
from ssiuml.cluster.client import ask
from ssiuml.cluster.image_choice import Image, choose_image
from ssiuml.cluster.launch import (
    launch_supervisor,
    network_namespace_prefix,
    require_memory,
    supervisor_command,
)
from ssiuml.cluster.launch_plan import LaunchPlan, write_launch_plan
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.cluster.protocol import STOP_LIMIT_S
from ssiuml.cluster.root_copy import prepare_root
from ssiuml.cluster.ssh_keys import keygen_command, make_initrd, make_keys
from ssiuml.cluster.state import clear_stale, read_state
from ssiuml.errors import SsiumlError, UsageError
from ssiuml.host.uml import NODE_MEMORY_MIB
from ssiuml.units import parse_size

DEFAULT_NODES: Final = 3
LEAST_MEMORY_MIB: Final = 96
READY_LIMIT_S: Final = 300.0


def parser_of() -> argparse.ArgumentParser:
    made = parser(
        "ssi-start",
        "Boot a cluster: nodes 1 to N that share one root. Ends when all of them are ready: "
        "login reached, in the "
        "cluster. Its root is a copy of the image's and survives ssi-stop.",
        """
ssi-start                        three nodes of images/bookworm
ssi-start 1 --memory 256M        one node with more memory
ssi-start 2 --cluster test --recipe bookworm-min
ssi-start 15 --no-xterm
""",
    )
    made.add_argument(
        "nodes", nargs="?", metavar="N", default=str(DEFAULT_NODES), help="how many nodes; default: 3"
    )
    made.add_argument(
        "--recipe",
        metavar="NAME",
        help="the image of this recipe: images/NAME of a checkout, else PREFIX/lib/ssiuml/NAME",
    )
    made.add_argument("--image", metavar="DIR", type=Path, help="the image in this folder")
    made.add_argument("--memory", metavar="SIZE", help=f"memory of each node; default: {NODE_MEMORY_MIB}M")
    made.add_argument(
        "--plan-for",
        metavar="N",
        help="the token timeout for so many nodes; default: as many as are started, at least 3",
    )
    made.add_argument(
        "--limit",
        metavar="SECONDS",
        type=float,
        default=READY_LIMIT_S,
        help="after which a node that is not ready is taken to hang; default: 300",
    )
    made.add_argument("--fresh", action="store_true", help="a new copy of the root; the old one is lost")
    made.add_argument("--keep", action="store_true", help="keep the root although the image has been rebuilt")
    made.add_argument("--in-place", action="store_true", help="run on the image's own root, no copy")
    made.add_argument("--keep-going", action="store_true", help="leave the others running when a node fails")
    made.add_argument(
        "--append", metavar="WORDS", default="", help="more kernel parameters, such as 'debug' or 'ssi.shell'"
    )
    add_terminal_option(made)
    made.add_argument("--dry-run", action="store_true", help="print the command lines, start nothing")
    return made


def arguments_of(words: Sequence[str]) -> argparse.Namespace:
    arguments = parser_of().parse_args(words)
    if sum([arguments.fresh, arguments.keep, arguments.in_place]) > 1:
        raise UsageError("--fresh, --keep and --in-place exclude each other", hint="give one of them")
    if not 1 <= arguments.limit <= 86400:
        raise UsageError(f"--limit {arguments.limit:g}: is not 1 to 86400 seconds")
    return arguments


def main(words: Sequence[str]) -> int:
    return start(words)[0]


def start(words: Sequence[str], tied: Sequence[str] = ()) -> tuple[int, float]:
    """Do what the command does; the exit status, and how long the nodes took, in seconds.

    *tied* goes before the supervisor's command, as that of ssiuml.cluster.command_lines.killed_with_parent.
    """
    arguments = arguments_of(words)
    folder = folder_of(arguments)
    image = choose_image(arguments.recipe, arguments.image, Path.home())
    count = _count(arguments.nodes, image.described.node_limit)
    plan = _plan(arguments, folder, image, count)
    show = Progress()
    for remark in image.remarks:
        show.say(remark)
    if arguments.dry_run:
        _print_commands(folder, plan, count, terminals_for(folder, arguments))
        return DONE, 0.0
    folder.make()
    private = network_namespace_prefix()
    if not private:
        show.say("warning: no network namespaces here: other users of this machine reach the interconnect")
    try:
        with FileLock(folder.lock, timeout=0):
            _prepare(folder, arguments, image, plan, count, show)
            launch_supervisor(folder, (*private, *tied))
    except Timeout:
        raise UsageError(
            f"cluster '{folder.name}' is being started by another ssi-start", hint="ssi-status shows it"
        ) from None
    show.terminals = terminals_for(folder, arguments)
    started = time.monotonic()
    status = _boot(folder, count, keep_going=arguments.keep_going, show=show)
    return status, time.monotonic() - started


def _prepare(
    folder: ClusterFolder,
    arguments: argparse.Namespace,
    image: Image,
    plan: LaunchPlan,
    count: int,
    show: Progress,
) -> None:
    state = read_state(folder)
    if state is not None and state.is_current:
        nodes = " ".join(map(str, sorted(state.nodes))) or "none"
        raise UsageError(
            f"cluster '{folder.name}' runs already, nodes: {nodes}",
            hint="ssi-add starts more nodes, ssi-stop ends it, --cluster NAME starts another one",
        )
    for line in clear_stale(folder):
        show.say(line)
    require_memory(count, plan.memory_mib)
    if not arguments.in_place:
        copied = prepare_root(folder, image, fresh=arguments.fresh, keep=arguments.keep)
        if copied:
            show.say(copied)
    if not plan.has_lock_server:  # nodes of Linux 2.4 have no door
        make_keys(folder)
        make_initrd(folder, image.initrd)
    write_launch_plan(folder.plan, plan)


def _boot(folder: ClusterFolder, count: int, *, keep_going: bool, show: Progress) -> int:
    started = time.monotonic()
    stop = {"do": "stop", "limit_s": STOP_LIMIT_S}
    try:
        answer = ask(folder, {"do": "start", "nodes": list(range(1, count + 1))}, show)
    except KeyboardInterrupt:
        show.say("interrupted; stopping the cluster")
        ask(folder, stop, show)
        raise
    except SsiumlError:
        with suppress(SsiumlError):  # what went wrong first is what counts
            ask(folder, stop, show)
        raise
    if not answer["ok"]:
        failed = " ".join(map(str, answer["failed"]))
        if not keep_going:
            show.say(f"not ready: {failed}; stopping the others")
            ask(folder, stop, show)
            return FAILED
        show.say(f"not ready: {failed}; the others run")
        return FAILED
    which = "" if folder.name == "default" else f" --cluster {folder.name}"
    print(
        f"{count} {'node' if count == 1 else 'nodes'} ready in {time.monotonic() - started:.1f} s: "
        f"ssi-exec{which} 1, ssi-console{which} 1, ssi-stop{which}"
    )
    return DONE


def _count(text: str, limit: int) -> int:
    try:
        count = node_number(text)
    except UsageError:
        raise UsageError(
            f"N: '{text}' is not a number of nodes", hint=f"1 to {limit} with this image"
        ) from None
    if count > limit:
        raise UsageError(
            f"N: {count} is more than the {limit} nodes of this image, every node needs a journal",
            hint=f"at most {limit}, or an image with a higher cluster.node_limit",
        )
    return count


def _plan(arguments: argparse.Namespace, folder: ClusterFolder, image: Image, count: int) -> LaunchPlan:
    limit = image.described.node_limit
    planned = _count(arguments.plan_for, limit) if arguments.plan_for else max(count, launch_plan.QUIET_NODES)
    if image.described.values["filesystem"]["type"] == "gfs1":
        for key, file in (("CIDEV", image.root_cidev), ("INITRD_MEMEXP", image.initrd_memexp)):
            if file is None:
                raise UsageError(
                    f"{image.described.folder}: a GFS1 root needs {key}, which this image does not have",
                    hint=f"name one in ~/.ssiuml/ssiuml.conf: {key}=/path/of/it",
                )
    # A GFS1 root has no corosync; what its lock server waits for stands in gfscf.cf.
    image_token_ms = int(image.described.values["cluster"].get("timings", {}).get("token_ms", 0))
    return LaunchPlan(
        image=image.described.folder.absolute(),
        kernel=image.kernel.absolute(),
        initrd=folder.initrd if image.initrd_memexp is None else image.initrd.absolute(),
        root_fs=image.root_fs.absolute() if arguments.in_place else folder.root_fs,
        node_limit=limit,
        memory_mib=_memory_mib(arguments.memory),
        token_ms=launch_plan.token_ms(image_token_ms, planned, os.cpu_count() or 1),
        planned_nodes=planned,
        ready_limit_s=arguments.limit,
        parameters=(*_ramdisk(image), *image.described.kernel_parameters, *arguments.append.split()),
        root_cidev=None if image.root_cidev is None else image.root_cidev.absolute(),
        initrd_memexp=None if image.initrd_memexp is None else image.initrd_memexp.absolute(),
    )


def _ramdisk(image: Image) -> tuple[str, ...]:
    """Linux 2.4 makes its RAM disk 4 MiB large unless it is told how large the images are, unpacked."""
    sizes = [image.described.values.get(key, {}).get("ramdisk_kib", 0) for key in ("initrd", "initrd_memexp")]
    return (f"ramdisk_size={max(sizes)}",) if max(sizes) else ()


def _memory_mib(text: str | None) -> int:
    if text is None:
        return NODE_MEMORY_MIB
    try:
        mib = parse_size(text) >> 20
    except SsiumlError as error:
        raise UsageError(f"--memory: {error.message}", hint=error.hint) from error
    if mib < LEAST_MEMORY_MIB:
        raise UsageError(f"--memory {text}: is too little for a node", hint=f"{LEAST_MEMORY_MIB}M or more")
    return mib


def _print_commands(folder: ClusterFolder, plan: LaunchPlan, count: int, terminals: Terminals | None) -> None:
    keys = [
        keygen_command(folder.keys / name, f"ssiuml-{folder.name}")
        for name in ("host_key", "user_key")
        if not plan.has_lock_server
    ]
    lines = [
        *keys,
        [*network_namespace_prefix(), *supervisor_command(folder.path, "READY")],
        command_lines.killed_with_parent(command_lines.switch_command(folder)),
    ]
    if plan.has_lock_server:
        lines.append(command_lines.lock_server_command(folder, plan))
    for node in range(1, count + 1):
        if plan.has_lock_server:
            lines.append(command_lines.historic_node_command(folder, plan, node))
        else:
            lines.append(
                command_lines.node_command(
                    folder, plan, node, expect=count, ssh_fd="DOOR", control_fd="CONTROL"
                )
            )
        if terminals:
            lines.append(terminals.command(node))
    for line in lines:
        print(shlex.join(line))


def run() -> int:
    return call(main)


if __name__ == "__main__":
    sys.exit(run())
