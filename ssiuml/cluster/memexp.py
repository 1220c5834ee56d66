"""Nodes of Linux 2.4 and their lock server, memexp.

They have no control line, so the supervisor follows what they print on their consoles. A node is ready when
it asks for a login, the lock server when it prints that it runs. They cannot be asked to leave in order: they
are killed, and the next mount replays the journals of GFS1. This code has only been tested with programs that
stand in for a 2.4 kernel.
"""

import asyncio
import contextlib
import logging
from functools import partial
from typing import Final

from ssiuml.cluster import command_lines
from ssiuml.cluster.node import Node, Phase, kill_all
from ssiuml.cluster.protocol import Values
from ssiuml.cluster.running import RunningCluster
from ssiuml.errors import SsiumlError

log = logging.getLogger(__name__)

LOCK_SERVER_NUMBER: Final = 0  # its number in the names of its files
SERVER_RUNS: Final = b"linuxrc: the lock server is running"
NODE_BEGINS: Final = b"linuxrc: node "
LOGIN: Final = b"login:"


def on_console_text(running: RunningCluster, node: Node, text: bytes) -> None:
    """Take what a node has printed last, and record how far it has come."""
    if node.is_killed:
        return
    if NODE_BEGINS in text and node.phase is Phase.STARTED:
        node.first_membership.set()
        running.set_phase(node, Phase.MOUNTING)
    if LOGIN in text:
        node.first_membership.set()
        running.set_phase(node, Phase.READY)
        node.console.on_text = None  # the rest of its console does not matter
        node.set_became_ready(True)


async def ensure_lock_server(running: RunningCluster) -> None:
    """Start the lock server, unless it runs.

    Raise SsiumlError, with the end of its console, if it does not start.
    """
    if running.lock_server is not None and not running.lock_server.ended.is_set():
        return
    server = running.lock_server = Node(LOCK_SERVER_NUMBER, running.folder)
    machine = command_lines.lock_server_machine(running.folder, running.plan)
    try:
        await server.start(lambda control_fd: machine, lambda node, message: None, (running.root,))
    except OSError as error:
        raise SsiumlError(f"the lock server does not start: {error}") from error

    def on_text(text: bytes) -> None:
        if SERVER_RUNS in text:
            server.console.on_text = None
            server.set_became_ready(True)

    server.console.on_text = on_text
    running.spawn(_watch(server))
    is_running = False
    with contextlib.suppress(TimeoutError):
        limit_s = running.plan.ready_limit_s
        is_running = await asyncio.wait_for(asyncio.shield(server.became_ready), limit_s)
    if not is_running:
        tail = server.console_tail()
        await kill_all([server], "killed: it does not start")
        raise SsiumlError(f"the lock server does not start; the end of its console:\n{tail}")


async def _watch(server: Node) -> None:
    status = await server.wait_for_end()
    if not server.is_killed:
        log.error("the lock server has ended with status %d: nodes get no locks any more", status)
    server.ended.set()
    await server.close()
    server.set_became_ready(False)


def follow_console(running: RunningCluster, node: Node) -> None:
    """Follow what *node* prints from now on."""
    node.console.on_text = partial(on_console_text, running, node)


async def stop_historic_cluster(running: RunningCluster) -> Values:
    """Kill all nodes, then the lock server. Return the answer to ``stop``."""
    server = running.lock_server
    nodes = list(running.nodes.values())
    are_dead = await kill_all(nodes, "killed by ssi-stop")
    if server is not None and not server.ended.is_set():
        are_dead = await kill_all([server], "killed by ssi-stop") and are_dead
    why = "nodes of Linux 2.4 cannot leave in order: journals are replayed at the next start"
    said = f"the root is not clean, {why}"
    stopped = [node.number for node in nodes]
    return {"ok": are_dead, "stopped": stopped, "failed": {}, "root": said, "is_clean": False}
