"""Nodes of Linux 2.4 and their lock server: what is known of them is what they print on their consoles.

They have no control line. A node is ready when it asks for a login, the lock server when it says that it
runs. Nobody can tell them to leave in order: they are killed, and GFS1's journals are replayed at the next
mount. No 2.4 kernel has been run by this; stand-ins were.
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

LOCK_SERVER: Final = 0  # the lock server's, in the names of its files
SERVER_RUNS: Final = b"linuxrc: the lock server is running"
NODE_BEGINS: Final = b"linuxrc: node "
LOGIN: Final = b"login:"


def on_console_text(running: RunningCluster, node: Node, text: bytes) -> None:
    """Take what a node has printed last."""
    if node.is_killed:
        return
    if NODE_BEGINS in text and node.phase is Phase.STARTED:
        node.first_membership.set()
        running.set_phase(node, Phase.MOUNTING)
    if LOGIN in text:
        node.first_membership.set()
        running.set_phase(node, Phase.READY)
        node.console.on_text = None  # nothing more is to be read there
        if not node.became_ready.done():
            node.became_ready.set_result(True)


async def ensure_lock_server(running: RunningCluster) -> None:
    """Start the lock server, unless it runs; SsiumlError, with its console, if it does not start."""
    if running.lock_server is not None and not running.lock_server.ended.is_set():
        return
    server = running.lock_server = Node(LOCK_SERVER, running.folder)
    command = command_lines.lock_server_command(running.folder, running.plan)
    await server.start(lambda door, line: command, lambda node, message: None, (running.root,))

    def on_text(text: bytes) -> None:
        if SERVER_RUNS in text:
            server.console.on_text = None
            if not server.became_ready.done():
                server.became_ready.set_result(True)

    server.console.on_text = on_text
    running.spawn(_watch(server))
    is_running = False
    with contextlib.suppress(TimeoutError):
        limit_s = running.plan.ready_limit_s
        is_running = await asyncio.wait_for(asyncio.shield(server.became_ready), limit_s)
    if not is_running:
        tail = server.tail()
        await kill_all([server], "killed: it does not start")
        raise SsiumlError(f"the lock server does not start; the end of its console:\n{tail}")


async def _watch(server: Node) -> None:
    status = await server.wait_for_end()
    if not server.is_killed:
        log.error("the lock server has ended with status %d: no node gets a lock any more", status)
    server.ended.set()
    await server.close()
    if not server.became_ready.done():
        server.became_ready.set_result(False)


def follow_console(running: RunningCluster, node: Node) -> None:
    """Have what *node* prints followed from now on."""
    node.console.on_text = partial(on_console_text, running, node)


async def stop_historic_cluster(running: RunningCluster) -> Values:
    """End all nodes, then the lock server."""
    server = running.lock_server
    nodes = list(running.nodes.values())
    are_dead = await kill_all(nodes, "killed by ssi-stop")
    if server is not None and not server.ended.is_set():
        are_dead = await kill_all([server], "killed by ssi-stop") and are_dead
    said = "nodes of Linux 2.4 cannot be told to leave: journals are replayed at the next start"
    stopped = [node.number for node in nodes]
    return {"ok": are_dead, "stopped": stopped, "failed": {}, "root": said, "is_clean": False}
