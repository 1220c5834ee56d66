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
from ssiuml.cluster.node import Member, Phase, kill_all
from ssiuml.cluster.protocol import Values
from ssiuml.cluster.running import Running, SupervisorError

log = logging.getLogger(__name__)

NUMBER: Final = 0  # the lock server's, in the names of its files
SERVER_RUNS: Final = b"linuxrc: the lock server is running"
NODE_BEGINS: Final = b"linuxrc: node "
LOGIN: Final = b"login:"


def follow(running: Running, member: Member, text: bytes) -> None:
    """Take what a node has printed last."""
    if member.is_doomed:
        return
    if NODE_BEGINS in text and member.phase is Phase.STARTED:
        member.first_seen.set()
        running.reach(member, Phase.MOUNTING)
    if LOGIN in text:
        member.first_seen.set()
        running.reach(member, Phase.READY)
        member.console.on_text = None  # nothing more is to be read there
        if not member.settled.done():
            member.settled.set_result(True)


async def need_lock_server(running: Running) -> None:
    """Start the lock server, unless it runs; SupervisorError, with its console, if it does not start."""
    if running.lock_server is not None and not running.lock_server.gone.is_set():
        return
    server = running.lock_server = Member(NUMBER, running.folder)
    command = command_lines.lock_server_command(running.folder, running.plan)
    await server.start(lambda door, line: command, lambda member, message: None, (running.root,))

    def on_text(text: bytes) -> None:
        if SERVER_RUNS in text:
            server.console.on_text = None
            if not server.settled.done():
                server.settled.set_result(True)

    server.console.on_text = on_text
    running.spawn(_watch(server))
    is_running = False
    with contextlib.suppress(TimeoutError):
        limit_s = running.plan.ready_limit_s
        is_running = await asyncio.wait_for(asyncio.shield(server.settled), limit_s)
    if not is_running:
        tail = server.tail()
        await kill_all([server], "killed: it does not start")
        raise SupervisorError(f"the lock server does not start; the end of its console:\n{tail}")


async def _watch(server: Member) -> None:
    status = await server.wait_for_end()
    if not server.is_doomed:
        log.error("the lock server has ended with status %d: no node gets a lock any more", status)
    server.gone.set()
    await server.close()
    if not server.settled.done():
        server.settled.set_result(False)


def watch_console(running: Running, member: Member) -> None:
    """Have what *member* prints followed from now on."""
    member.console.on_text = partial(follow, running, member)


async def stop_historic(running: Running) -> Values:
    """End all nodes, then the lock server."""
    server = running.lock_server
    members = list(running.members.values())
    are_dead = await kill_all(members, "killed by ssi-stop")
    if server is not None and not server.gone.is_set():
        are_dead = await kill_all([server], "killed by ssi-stop") and are_dead
    said = "nodes of Linux 2.4 cannot be told to leave: journals are replayed at the next start"
    stopped = [member.number for member in members]
    return {"ok": are_dead, "stopped": stopped, "failed": {}, "root": said, "is_clean": False}
