"""Starts nodes and follows each of them until it is ready or has ended."""

import asyncio
import contextlib
import logging
import os
from typing import Final

from ssiuml.cluster import command_lines, memexp
from ssiuml.cluster.membership import Membership
from ssiuml.cluster.node import Node, Phase
from ssiuml.cluster.protocol import Values
from ssiuml.cluster.running import Emit, RunningCluster
from ssiuml.errors import SsiumlError
from ssiuml.host import files
from ssiuml.host.uml import Machine

log = logging.getLogger(__name__)

STAGGER_ABOVE: Final = 4  # so many nodes, or fewer, start at the same time


class NodeStarter:
    """Starts the nodes of one cluster."""

    def __init__(self, running: RunningCluster, membership: Membership) -> None:
        self._running = running
        self._membership = membership
        self._lock_server = asyncio.Lock()

    async def start(self, numbers: list[int], emit: Emit) -> Values:
        """Start nodes. Return the answer when each of them is ready or has failed.

        Raise SsiumlError if the switch or the lock server does not run, UsageError if the image does not have
        one of the nodes.
        """
        running = self._running
        if running.switch_runs is False:
            raise SsiumlError("the switch of this cluster has ended", hint="run ssi-stop, then ssi-start")
        for number in numbers:
            running.check_number(number)
        if running.plan.has_lock_server:
            async with self._lock_server:
                await memexp.ensure_lock_server(running)
        new = [number for number in numbers if number not in running.nodes]
        for number in sorted(set(numbers) - set(new)):
            emit({"event": "skipped", "node": number, "phase": str(running.nodes[number].phase)})
        expect = expected_members(len(running.nodes), len(new))
        slots = asyncio.Semaphore(starting_at_once(len(new), os.cpu_count() or 1))
        with running.listening(emit):
            # There is no await since `new` was made: a second command must not start the same nodes.
            nodes = [running.nodes.setdefault(number, Node(number, running.folder)) for number in new]
            are_ready = await asyncio.gather(*(self._start(node, expect, slots) for node in nodes))
        failed = [node.number for node, is_ready in zip(nodes, are_ready, strict=True) if not is_ready]
        return {"ok": not failed, "started": new, "failed": failed}

    async def _start(self, node: Node, expect: int, slots: asyncio.Semaphore) -> bool:
        """Start a node when one of *slots* is free, and follow it. Return whether it is ready."""
        running = self._running

        def machine(control_fd: int) -> Machine:
            if running.plan.has_lock_server:
                return command_lines.historic_node_machine(running.folder, running.plan, node.number)
            return command_lines.node_machine(
                running.folder, running.plan, node.number, expect=expect, control_fd=control_fd
            )

        async with slots:
            try:
                if node.is_killed:
                    raise SsiumlError(node.failure or "killed")
                if running.network is not None:
                    await running.network.add_port(node.number)
                await node.start(machine, self._membership.on_message, (running.root,))
            except (OSError, SsiumlError) as error:
                running.nodes.pop(node.number, None)
                node.first_membership.set()
                running.emit(node, phase="failed", reason=f"cannot be started: {error}", tail="")
                return False
            if running.plan.has_lock_server:
                memexp.follow_console(running, node)
            running.past.pop(node.number, None)
            log.info("node %d: process %d", node.number, node.process_id.pid)
            running.write_state()
            running.emit(node)
            running.spawn(self._watch(node))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(node.first_membership.wait(), running.plan.ready_limit_s)
        is_ready = await self._wait_until_ready(node)
        if not is_ready:
            reason = running.past.get(node.number, "ended")
            running.emit(node, phase="failed", reason=reason, tail=node.console_tail())
        return is_ready

    async def _wait_until_ready(self, node: Node) -> bool:
        """Wait until a node is ready or has ended. Kill it after the limit. Return whether it is ready."""
        limit_s = self._running.plan.ready_limit_s
        try:
            return await asyncio.wait_for(asyncio.shield(node.became_ready), max(0.0, limit_s - node.seconds))
        except TimeoutError:
            reached = node.phase
            node.kill(f"hangs: not ready within {limit_s:.0f} s; the last phase it reached is '{reached}'")
            await node.ended.wait()
            return False

    async def _watch(self, node: Node) -> None:
        """Wait for the end of a node's process and record it."""
        running = self._running
        status = await node.wait_for_end()
        if running.network is not None:
            await running.network.remove_port(node.number)
        left = node.phase is Phase.LEFT
        how = "left in order" if left else (node.failure or f"its process ended with status {status}")
        if not left and not node.is_killed and files.is_full(running.plan.root_fs):
            how += f"; the file system with {running.plan.root_fs} is full"
        if node.holds_root:
            running.record_crash()
        running.past[node.number] = how
        log.info("node %d: is dead: %s", node.number, how)
        if running.nodes.get(node.number) is node:
            del running.nodes[node.number]
        # Before any await: a command that waits for the end of the node stops listening at the next one.
        running.emit(node, phase="ended", reason=how, in_order=left)
        node.ended.set()
        node.first_membership.set()
        await node.close()
        node.set_became_ready(False)
        self._membership.on_end()
        running.write_state()


def starting_at_once(nodes: int, cores: int) -> int:
    """Return how many nodes may be between the start of their process and their first membership."""
    return nodes if nodes <= STAGGER_ABOVE else max(2, cores)


def expected_members(others_up: int, starting: int) -> int:
    """Return ``ssi.expect`` for *starting* new nodes: the number of members that each of them waits for."""
    return 2 if others_up else starting
