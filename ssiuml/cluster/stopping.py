"""Ends nodes: some at once, as a crash would, or all in order; then checks the root if a node has crashed."""

import asyncio
import logging
import shlex
import time
from pathlib import Path
from typing import Final

from ssiuml.cluster import control_line
from ssiuml.cluster.node import Phase, answering, kill_all
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.cluster.protocol import Values
from ssiuml.cluster.running import Emit, RunningCluster, wait_until
from ssiuml.errors import SsiumlError
from ssiuml.images import gfs2_tools

log = logging.getLogger(__name__)

# Token timeouts until the survivors have agreed on a membership. The consensus timeout alone is 1.2 of them.
EXPELLED_TOKENS: Final = 3.0


async def kill_nodes(running: RunningCluster, numbers: list[int], emit: Emit) -> Values:
    """Kill nodes as a crash would: the other nodes get no notice. Return the answer to ``kill``."""
    for number in numbers:
        running.check_number(number)
    chosen = [running.nodes[number] for number in numbers if number in running.nodes]
    for number in numbers:
        if number not in running.nodes:
            emit({"event": "skipped", "node": number, "phase": running.past.get(number, "not started")})
    with running.listening(emit):
        are_dead = await kill_all(chosen, "killed by ssi-rm")
    return {"ok": are_dead, "killed": [node.number for node in chosen]}


async def stop_cluster(running: RunningCluster, limit_s: float) -> Values:
    """Shut every node down in order, then check the root. Return the answer to ``stop``.

    A node that hangs, or takes longer than *limit_s* seconds, is killed. ``ok`` in the answer is true if all
    nodes have left in order and the root is clean. ``failed`` has how each of the other nodes has ended,
    ``root`` the result of the check.
    """
    nodes = list(running.nodes.values())
    alive = await answering(nodes)
    hung = [node for node in nodes if node.number not in alive]
    await kill_all(hung, "killed: it does not answer")
    # The others first take over what the dead nodes had locked, then leave.
    dead = {node.number for node in hung}
    await wait_until(
        lambda: not any(dead & set(node.members) for node in running.nodes.values()),
        time.monotonic() + EXPELLED_TOKENS * running.plan.token_ms / 1000,
    )
    deadline = time.monotonic() + limit_s
    for node in list(running.nodes.values()):
        if node.holds_root:
            node.control.write(control_line.POWEROFF)
        else:
            # It does not use the root, so it need not end in order. It may not even listen yet.
            node.kill("killed before it had mounted")
    await wait_until(lambda: not running.nodes, deadline)
    late = list(running.nodes.values())
    await kill_all(late, f"killed: it had not ended within {limit_s:.0f} s")
    killed = {node.number: running.past.get(node.number, "killed") for node in [*hung, *late]}
    failed = {
        node.number: running.past[node.number]
        for node in nodes
        if node.number in running.past and node.phase is not Phase.LEFT
    }
    is_clean, said = await asyncio.to_thread(check_root_after_crash, running.folder, running.plan.root_fs)
    return {
        "ok": not failed and is_clean,
        "stopped": [node.number for node in nodes],
        "failed": {**failed, **killed},
        "root": said,
        "is_clean": is_clean,
    }


def check_root_after_crash(folder: ClusterFolder, root_fs: Path) -> tuple[bool, str]:
    """Check the root with fsck.gfs2 if a node has crashed since the last check. Correct what crashes leave.

    Return whether the root is clean, and the result in words. Without a crash do nothing; the words are "".
    """
    if not folder.crashed.exists():
        return True, ""
    try:
        corrected = gfs2_tools.repair(root_fs)
    except gfs2_tools.DirtyError:
        return False, "the root is not clean, its journals are replayed at the next start"
    except gfs2_tools.DamagedError as error:
        log.error("%s", error)
        hint = (
            f"run fsck.gfs2 -y {shlex.quote(str(root_fs))} to repair it; only if that fails, "
            "ssi-start --fresh, which copies the image again and loses what was written to this root"
        )
        return False, f"the root is not clean, {error}\n  {hint}"
    except SsiumlError as error:
        log.error("%s", error)
        hint = f"run fsck.gfs2 -n {shlex.quote(str(root_fs))} to check it, or ssi-start to go on with it"
        return False, f"the root could not be checked: {error}\n  {hint}"
    folder.crashed.unlink()
    return True, f"checked after a crash{': corrected ' if corrected else ''}{', '.join(corrected)}"
