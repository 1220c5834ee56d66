"""Ends nodes: at once, as a crash would, or the whole cluster in order."""

import asyncio
import logging
import time
from pathlib import Path
from typing import Final

from ssiuml.cluster import control_line
from ssiuml.cluster.node import Phase, answering, kill_all
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.cluster.protocol import Values
from ssiuml.cluster.running import Emit, RunningCluster, wait_until
from ssiuml.errors import SsiumlError
from ssiuml.images import fsck

# What a token timeout takes until the survivors have agreed on a membership: consensus is 1.2 of it.
EXPELLED_TOKENS: Final = 3.0


async def kill_nodes(running: RunningCluster, numbers: list[int], emit: Emit) -> Values:
    """Kill nodes as a crash would: nobody in the cluster is told."""
    for number in numbers:
        running.check_number(number)
    doomed = [running.nodes[number] for number in numbers if number in running.nodes]
    for number in numbers:
        if number not in running.nodes:
            emit({"event": "skipped", "node": number, "phase": running.past.get(number, "not started")})
    with running.listening(emit):
        are_dead = await kill_all(doomed, "killed by ssi-rm")
    return {"ok": are_dead, "killed": [node.number for node in doomed]}


async def stop_cluster(running: RunningCluster, limit_s: float) -> Values:
    """Take every node down in order, kill what hangs or takes longer than *limit_s*, and look after the root.

    ``ok`` in the answer: all have left in order and the root is clean. ``failed`` says of each node that has
    not how it ended, ``root`` what there is to say of the root.
    """
    nodes = list(running.nodes.values())
    alive = await answering(nodes)
    hung = [node for node in nodes if node.number not in alive]
    await kill_all(hung, "killed: it does not answer")
    # The others take over what the dead ones had locked before they leave themselves.
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
            # Not in the cluster's root: nothing to do in order. It may not even listen yet.
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


log = logging.getLogger(__name__)


def check_root_after_crash(folder: ClusterFolder, root_fs: Path) -> tuple[bool, str]:
    """Check the root if a node has crashed since fsck.gfs2 last found it clean; mend what crashes leave.

    Returns whether the root is clean, and what there is to say of it; without a crash nothing is done and
    nothing said.
    """
    if not folder.crashed.exists():
        return True, ""
    try:
        mended = fsck.mend(root_fs)
    except fsck.DirtyError:
        return False, "its journals are replayed at the next start"
    except SsiumlError as error:
        log.error("%s", error)
        return False, f"{error}\n  fsck.gfs2 -y {root_fs} repairs it, ssi-start --fresh makes a new one"
    folder.crashed.unlink()
    return True, f"checked after a crash{': corrected ' if mended else ''}{', '.join(mended)}"
