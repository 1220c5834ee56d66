"""Starts nodes and follows each until it is ready, or is not going to be."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from typing import Final

from ssiuml.cluster import command_lines, memexp
from ssiuml.cluster.control_line import Message
from ssiuml.cluster.membership import Admission
from ssiuml.cluster.node import Member, Phase
from ssiuml.cluster.protocol import Values
from ssiuml.cluster.running import Emit, Running, SupervisorError
from ssiuml.errors import SsiumlError
from ssiuml.host import files

log = logging.getLogger(__name__)

STAGGER_ABOVE: Final = 4


class Starting:
    """The supervisor's ``start``."""

    def __init__(
        self, running: Running, on_message: Callable[[Member, Message], None], admission: Admission
    ) -> None:
        self._running = running
        self._on_message = on_message
        self._admission = admission
        self._lock_server = asyncio.Lock()

    async def start(self, numbers: list[int], emit: Emit) -> Values:
        """Start nodes; ends when each is ready or is not going to be."""
        running = self._running
        if not running.switch_runs:
            raise SupervisorError("the switch of this cluster has ended", hint="ssi-stop, then ssi-start")
        for number in numbers:
            running.check(number)
        if running.plan.has_lock_server:
            async with self._lock_server:
                await memexp.need_lock_server(running)
        new = [number for number in numbers if number not in running.members]
        for number in sorted(set(numbers) - set(new)):
            emit({"event": "skipped", "node": number, "phase": str(running.members[number].phase)})
        expect = expected_members(len(running.members), len(new))
        slots = asyncio.Semaphore(starting_at_once(len(new), os.cpu_count() or 1))
        with running.listening(emit):
            # Reserved at once: a second command does not start the same nodes.
            members = [running.members.setdefault(number, Member(number, running.folder)) for number in new]
            are_ready = await asyncio.gather(*(self._start(member, expect, slots) for member in members))
        failed = [member.number for member, is_ready in zip(members, are_ready, strict=True) if not is_ready]
        return {"ok": not failed, "started": new, "failed": failed}

    async def _start(self, member: Member, expect: int, slots: asyncio.Semaphore) -> bool:
        running = self._running

        def command(door: int, line: int) -> list[str]:
            if running.plan.has_lock_server:
                return command_lines.historic_node_command(running.folder, running.plan, member.number)
            return command_lines.node_command(
                running.folder, running.plan, member.number, expect=expect, door=door, control=line
            )

        async with slots:
            try:
                await member.start(command, self._on_message, (running.root,))
            except (OSError, SsiumlError) as error:
                running.members.pop(member.number, None)
                member.first_seen.set()
                running.emit(member, phase="failed", reason=f"cannot be started: {error}", tail="")
                return False
            if running.plan.has_lock_server:
                memexp.watch_console(running, member)
            running.past.pop(member.number, None)
            log.info("node %d: process %d", member.number, member.process_id.pid)
            running.write_state()
            running.emit(member)
            running.spawn(self._watch(member))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(member.first_seen.wait(), running.plan.ready_limit_s)
        is_ready = await self._become_ready(member)
        if not is_ready:
            reason = running.past.get(member.number, "ended")
            running.emit(member, phase="failed", reason=reason, tail=member.tail())
        return is_ready

    async def _become_ready(self, member: Member) -> bool:
        limit_s = self._running.plan.ready_limit_s
        try:
            return await asyncio.wait_for(asyncio.shield(member.settled), max(0.0, limit_s - member.seconds))
        except TimeoutError:
            reached = member.phase
            member.kill(f"hangs: not ready within {limit_s:.0f} s, it got as far as '{reached}'")
            await member.gone.wait()
            return False

    async def _watch(self, member: Member) -> None:
        """Wait for the end of a node's process and record it."""
        running = self._running
        status = await member.wait_for_end()
        left = member.phase is Phase.LEFT
        how = "left in order" if left else (member.failure or f"its process ended with status {status}")
        if not left and not member.is_doomed and files.is_full(running.plan.root_fs):
            how += f"; the file system with {running.plan.root_fs} is full"
        if member.holds_root:
            running.crashed()
        running.past[member.number] = how
        log.info("node %d: is dead: %s", member.number, how)
        if running.members.get(member.number) is member:
            del running.members[member.number]
        # Said at once: who has waited for the end listens no longer than until the next pause.
        running.emit(member, phase="ended", reason=how, in_order=left)
        member.gone.set()
        member.first_seen.set()
        await member.close()
        if not member.settled.done():
            member.settled.set_result(False)
        self._admission.look()
        running.write_state()


def starting_at_once(nodes: int, cores: int) -> int:
    """How many nodes may be between the start of their process and their first membership."""
    return nodes if nodes <= STAGGER_ABOVE else max(2, cores)


def expected_members(others_up: int, starting: int) -> int:
    """``ssi.expect`` of a node: members that it waits for before it goes on."""
    return 2 if others_up else starting
