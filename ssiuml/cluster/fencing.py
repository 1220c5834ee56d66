"""Carries out what the arbiter says: asks who is alive, kills, makes sure, answers."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Final

from ssiuml.cluster import arbiter, control_line
from ssiuml.cluster.control_line import Message
from ssiuml.cluster.node import Member

log = logging.getLogger(__name__)

PING_LIMIT_S: Final = 1.0
KILL_LIMIT_S: Final = 15.0


async def answering(members: Iterable[Member], limit_s: float = PING_LIMIT_S) -> set[int]:
    """The nodes whose kernels answer a ping within the limit."""
    asked = list(members)
    answers = await asyncio.gather(*(member.answers(limit_s) for member in asked))
    return {member.number for member, is_alive in zip(asked, answers, strict=True) if is_alive}


class Fencing:
    """One verdict after the other: the nodes that one has killed are dead when the next is found."""

    def __init__(self, running: Mapping[int, Member]) -> None:
        self._running = running
        self._lock = asyncio.Lock()

    async def fence(self, asker: Member, message: Message) -> None:
        """Answer a node's `fence`, once everybody who has to go is dead for certain."""
        async with self._lock:
            is_dead = await self._judge(asker, message)
        log.info("node %d: fence %d: %s", asker.number, message.node, "ok" if is_dead else "failed")
        asker.control.write(control_line.fenced(message.token, is_dead=is_dead))

    async def _judge(self, asker: Member, message: Message) -> bool:
        if self._running.get(asker.number) is not asker:
            return False
        alive: set[int] = set()
        if message.node in self._running:
            alive = await answering(list(self._running.values()))
        views = {number: member.view for number, member in self._running.items()}
        verdict = arbiter.judge_fence(asker.number, message.node, message.members, views, alive)
        log.info(
            "node %d (members %s) wants node %d dead; running %s, alive %s: kill %s, %s",
            *(asker.number, message.members, message.node, sorted(views), sorted(alive)),
            *(sorted(verdict.kill), verdict.reason),
        )
        doomed = [self._running[number] for number in verdict.kill if number in self._running]
        are_dead = await kill_all(doomed, f"killed by the supervisor: {verdict.reason}")
        return verdict.victim_dies and are_dead


async def kill_all(doomed: Iterable[Member], reason: str) -> bool:
    """Kill nodes, all at once; whether they are dead for certain within the limit."""
    members = list(doomed)
    for member in members:
        member.kill(reason)
    try:
        await asyncio.wait_for(asyncio.gather(*(member.gone.wait() for member in members)), KILL_LIMIT_S)
    except TimeoutError:
        log.error("nodes %s do not die", [member.number for member in members if not member.gone.is_set()])
        return False
    return True
