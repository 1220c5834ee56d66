"""The supervisor of a cluster: owns switch and nodes, answers the commands. ``python -m
ssiuml.cluster.supervisor``.

It holds everything in one thread and never waits for a node: whatever a node does or does not do, the others
are served.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ssiuml.cluster import arbiter, commands, control, process, state, timings
from ssiuml.cluster.control import Message
from ssiuml.cluster.doorkeeper import open_door
from ssiuml.cluster.fencing import Fencing, answering, kill_all
from ssiuml.cluster.folder import ClusterFolder
from ssiuml.cluster.member import Member, Phase
from ssiuml.cluster.plan import ClusterPlan, read_plan
from ssiuml.cluster.protocol import Values
from ssiuml.cluster.root import take_root
from ssiuml.errors import SsiumlError, UsageError
from ssiuml.leash import kill_group

log = logging.getLogger(__name__)

SWITCH_LIMIT_S: Final = 10.0
MOUNT_WAIT_LIMIT_S: Final = 30.0
STOP_LIMIT_S: Final = 60.0
# What a token timeout takes until the survivors have agreed on a membership: consensus is 1.2 of it.
EXPELLED_TOKENS: Final = 3.0
_POLL_S: Final = 0.02

Emit = Callable[[Values], None]


class SupervisorError(SsiumlError):
    """The supervisor cannot do what it is asked."""


class Supervisor:
    """One cluster."""

    def __init__(self, folder: ClusterFolder, plan: ClusterPlan) -> None:
        self.folder = folder
        self.plan = plan
        self.running: dict[int, Member] = {}
        self.past: dict[int, str] = {}  # how nodes that do not run any more have ended
        self.ended = asyncio.Event()
        self._listeners: set[Emit] = set()
        self._fencing = Fencing(self.running)
        self._switch: asyncio.subprocess.Process | None = None
        self._xterms: dict[int, asyncio.subprocess.Process] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._root = -1
        self._stopping: asyncio.Task[Values] | None = None

    # --- life

    async def begin(self) -> None:
        """Take the root, start the switch."""
        self._root = take_root(self.plan.root_fs)
        self.write_state()
        argv = commands.dying_with_us(commands.switch_command(self.folder))
        self._switch = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            # It remarks on every frame to a node that has said nothing yet, and would fill the disk.
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        self.write_state()
        deadline = time.monotonic() + SWITCH_LIMIT_S
        while not self.folder.switch.exists():
            if self._switch.returncode is not None or time.monotonic() > deadline:
                raise SupervisorError(
                    f"the switch has made no {self.folder.switch} within {SWITCH_LIMIT_S:.0f} s",
                    hint="try it by hand: uml_switch -unix /tmp/try.ctl -hub </dev/null",
                )
            await asyncio.sleep(_POLL_S)
        self.spawn(self._watch_switch())

    async def close(self) -> None:
        """End what still runs, leave nothing behind but the root and the logs."""
        await kill_all(list(self.running.values()), "killed: its supervisor ended")
        for helper in [*self._xterms.values(), self._switch]:
            if helper is not None and helper.returncode is None:
                kill_group(helper.pid)
                await helper.wait()
        for path in (self.folder.switch, self.folder.socket, self.folder.state):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.folder.uml, ignore_errors=True)
        os.close(self._root)

    def spawn(self, work: Any) -> None:
        """Run beside everything else; what goes wrong is logged."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("internal error", exc_info=task.exception())

    async def _watch_switch(self) -> None:
        assert self._switch is not None  # noqa: S101 - begin was called
        await self._switch.wait()
        if not self.ended.is_set():
            log.error("the switch has ended: the nodes do not see each other any more")

    def write_state(self) -> None:
        helpers = [self._switch, *self._xterms.values(), *(member.master for member in self.running.values())]
        current = state.ClusterState(
            boot=process.boot_id(),
            supervisor=process.identify(os.getpid()),
            kernel=str(self.plan.kernel.resolve()),
            helpers=tuple(process.identify(one.pid) for one in helpers if one is not None),
            nodes={
                number: state.NodeState(member.process_id, str(member.phase))
                for number, member in self.running.items()
            },
        )
        try:
            state.write_state(self.folder, current)
        except OSError as error:  # a full disk ends no cluster
            log.error("%s: cannot be written: %s", self.folder.state, error)

    # --- what nodes say

    def on_message(self, member: Member, message: Message) -> None:
        if self.running.get(member.number) is not member or member.is_doomed:
            return
        if message.word == "pong":
            member.answer_ping(message)
            return
        text = " ".join(map(str, message.members)) or message.text
        log.info("node %d: %.1f s: %s %s", member.number, member.seconds, message.word, text)
        match message.word:
            case "hello":
                self._on_hello(member, message)
            case "members":
                self._on_members(member, message)
            case "mount":
                self._on_mount(member, message)
            case "mounted":
                self._reach(member, Phase.MOUNTED)
            case "ready":
                self._reach(member, Phase.READY)
                if not member.settled.done():
                    member.settled.set_result(True)
            case "fence":
                self.spawn(self._fencing.fence(member, message))
            case "leaving":
                self._reach(member, Phase.LEAVING)
            case "unmounted":
                member.holds_root = False
                self._reach(member, Phase.UNMOUNTED)
            case "left":
                self._reach(member, Phase.LEFT)
            case "failed":
                member.failure = member.failure or message.text

    def _on_hello(self, member: Member, message: Message) -> None:
        if message.node != member.number:
            log.warning("node %d: says that it is node %d", member.number, message.node)
        if member.phase is not Phase.STARTED:
            log.info("node %d: has been restarted", member.number)
            member.reset()
            self._reach(member, Phase.STARTED)

    def _on_members(self, member: Member, message: Message) -> None:
        member.members = message.members
        member.first_seen.set()
        if member.phase is Phase.STARTED:
            self._reach(member, Phase.MEMBER)
        elif member.phase is Phase.MOUNTING:
            # It was told that it may, for a membership that has broken since: better none of it.
            unseen = arbiter.strangers(member.number, message.members, self._views())
            if unseen:
                member.kill(
                    f"killed: while it mounted it lost sight of {sorted(unseen)}, which have the root mounted"
                )
        else:
            self.emit(member, event="members")

    def _on_mount(self, member: Member, message: Message) -> None:
        member.members = message.members
        member.first_seen.set()
        unseen = arbiter.strangers(member.number, message.members, self._views())
        if not unseen:
            member.holds_root = True
            member.waiting_since = None
            self._reach(member, Phase.MOUNTING)
            member.control.write(control.GO)
            return
        now = time.monotonic()
        member.waiting_since = member.waiting_since or now
        if now - member.waiting_since > MOUNT_WAIT_LIMIT_S:
            names = " ".join(map(str, sorted(unseen)))
            member.kill(
                f"killed: for {MOUNT_WAIT_LIMIT_S:.0f} s it has not seen nodes {names}, which have the "
                "root mounted"
            )
            return
        self._reach(member, Phase.WAITING)
        member.control.write(control.WAIT)

    def _views(self) -> dict[int, arbiter.NodeView]:
        return {number: member.view for number, member in self.running.items()}

    def _reach(self, member: Member, phase: Phase) -> None:
        if member.phase is not phase:
            member.phase = phase
            self.write_state()
            self.emit(member)

    # --- events

    def emit(self, member: Member, **more: Any) -> None:
        """Tell every command that listens how far a node is."""
        values = {
            "event": "node",
            "node": member.number,
            "phase": str(member.phase),
            "members": list(member.members),
            "seconds": round(member.seconds, 2),
            **more,
        }
        for listener in list(self._listeners):
            listener(values)

    @contextlib.contextmanager
    def listening(self, emit: Emit) -> Any:
        self._listeners.add(emit)
        try:
            yield
        finally:
            self._listeners.discard(emit)

    # --- requests

    async def start(self, numbers: list[int], emit: Emit) -> Values:
        """Start nodes; ends when each is ready or is not going to be."""
        if self._stopping is not None:
            raise SupervisorError("the cluster is being stopped", hint="wait for ssi-stop, then ssi-start")
        if self._switch is None or self._switch.returncode is not None:
            raise SupervisorError("the switch of this cluster has ended", hint="ssi-stop, then ssi-start")
        for number in numbers:
            self._check(number)
        new = [number for number in numbers if number not in self.running]
        for number in sorted(set(numbers) - set(new)):
            emit({"event": "skipped", "node": number, "phase": str(self.running[number].phase)})
        cores = os.cpu_count() or 1
        expect = timings.expected_members(len(self.running), timings.starting_at_once(len(new), cores))
        slots = asyncio.Semaphore(timings.starting_at_once(len(new), cores))
        with self.listening(emit):
            # Reserved at once: a second command does not start the same nodes.
            members = [self.running.setdefault(number, Member(number, self.folder)) for number in new]
            are_ready = await asyncio.gather(
                *(self._start(member, expect if i < expect else 2, slots) for i, member in enumerate(members))
            )
        failed = [member.number for member, is_ready in zip(members, are_ready, strict=True) if not is_ready]
        return {"ok": not failed, "started": new, "failed": failed}

    async def _start(self, member: Member, expect: int, slots: asyncio.Semaphore) -> bool:
        async with slots:
            try:
                await member.start(
                    lambda door, line: commands.dying_with_us(
                        commands.node_command(
                            self.folder, self.plan, member.number, expect=expect, door=door, control=line
                        )
                    ),
                    self.on_message,
                    (self._root,),
                )
            except (OSError, SsiumlError) as error:
                self.running.pop(member.number, None)
                member.first_seen.set()
                self.emit(member, phase="failed", reason=f"cannot be started: {error}", tail="")
                return False
            self.past.pop(member.number, None)
            log.info("node %d: process %d", member.number, member.process_id.pid)
            self.write_state()
            self.emit(member)
            self.spawn(self._watch(member))
            if self.plan.xterms:
                self.spawn(self._open_xterm(member))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(member.first_seen.wait(), self.plan.ready_limit_s)
        try:
            is_ready = await asyncio.wait_for(
                asyncio.shield(member.settled), max(0.0, self.plan.ready_limit_s - member.seconds)
            )
        except TimeoutError:
            reached = member.phase
            member.kill(
                f"hangs: not ready within {self.plan.ready_limit_s:.0f} s, it got as far as '{reached}'"
            )
            await member.gone.wait()
            is_ready = False
        if not is_ready:
            self.emit(
                member, phase="failed", reason=self.past.get(member.number, "ended"), tail=member.tail()
            )
        return is_ready

    async def _watch(self, member: Member) -> None:
        """Wait for the end of a node's process and record it."""
        status = await member.wait_for_end()
        left = member.phase is Phase.LEFT
        how = "left in order" if left else (member.failure or f"its process ended with status {status}")
        self.past[member.number] = how
        log.info("node %d: is dead: %s", member.number, how)
        if self.running.get(member.number) is member:
            del self.running[member.number]
        member.gone.set()
        member.first_seen.set()
        await member.close()
        if not member.settled.done():
            member.settled.set_result(False)
        self.write_state()
        self.emit(member, phase="ended", reason=how, in_order=left)

    async def _open_xterm(self, member: Member) -> None:
        try:
            argv = commands.dying_with_us(commands.xterm_command(self.folder, member.number))
        except SsiumlError as error:
            log.warning("node %d: no terminal: %s", member.number, error.message)
            return
        xterm = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.DEVNULL, start_new_session=True
        )
        self._xterms[member.number] = xterm
        self.write_state()
        await xterm.wait()
        self._xterms.pop(member.number, None)

    async def kill(self, numbers: list[int], emit: Emit) -> Values:
        """Kill nodes as a crash would: nobody in the cluster is told."""
        for number in numbers:
            self._check(number)
        doomed = [self.running[number] for number in numbers if number in self.running]
        for number in numbers:
            if number not in self.running:
                emit({"event": "skipped", "node": number, "phase": self.past.get(number, "not started")})
        with self.listening(emit):
            are_dead = await kill_all(doomed, "killed by ssi-rm")
        return {"ok": are_dead, "killed": [member.number for member in doomed]}

    async def stop(self, limit_s: float, emit: Emit) -> Values:
        """Take the cluster down in order; ends with the supervisor's own end."""
        if self._stopping is None:
            self._stopping = asyncio.get_running_loop().create_task(self._stop(limit_s))
        with self.listening(emit):
            return await asyncio.shield(self._stopping)

    async def _stop(self, limit_s: float) -> Values:
        members = list(self.running.values())
        alive = await answering(members)
        hung = [member for member in members if member.number not in alive]
        await kill_all(hung, "killed: it does not answer")
        # The others take over what the dead ones had locked before they leave themselves.
        dead = {member.number for member in hung}
        expelled_s = EXPELLED_TOKENS * self.plan.token_ms / 1000
        await self._until(
            lambda: not any(dead & set(member.members) for member in self.running.values()),
            time.monotonic() + expelled_s,
        )
        deadline = time.monotonic() + limit_s
        for member in list(self.running.values()):
            if member.holds_root:
                member.control.write(control.POWEROFF)
            else:
                # Not in the cluster's root: nothing to do in order. It may not even listen yet.
                member.kill("killed before it had mounted")
        await self._until(lambda: not self.running, deadline)
        late = list(self.running.values())
        await kill_all(late, f"killed: it had not ended within {limit_s:.0f} s")
        killed = {member.number: self.past.get(member.number, "killed") for member in [*hung, *late]}
        failed = {
            m.number: self.past[m.number]
            for m in members
            if m.number in self.past and m.phase is not Phase.LEFT
        }
        self.ended.set()
        return {
            "ok": not failed,
            "stopped": [member.number for member in members],
            "failed": {**failed, **killed},
        }

    async def _until(self, condition: Callable[[], bool], deadline: float) -> None:
        while not condition() and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_S)

    async def status(self) -> Values:
        members = dict(self.running)
        nodes = await asyncio.to_thread(lambda: {str(n): one.describe() for n, one in members.items()})
        return {
            "ok": True,
            "cluster": self.folder.name,
            "supervisor": os.getpid(),
            "switch": self._switch is not None and self._switch.returncode is None,
            "image": str(self.plan.image),
            "root_fs": str(self.plan.root_fs),
            "node_limit": self.plan.node_limit,
            "token_ms": self.plan.token_ms,
            "planned_nodes": self.plan.planned_nodes,
            "nodes": nodes,
            "past": {str(number): how for number, how in self.past.items()},
        }

    async def door(self, number: int) -> Values:
        member = self.member(number)
        try:
            await open_door(member)
        finally:
            self.write_state()
        return {"ok": True}

    def member(self, number: int) -> Member:
        """A running node; UsageError if it is none."""
        self._check(number)
        if number not in self.running:
            how = f" ({self.past[number]})" if number in self.past else ""
            raise UsageError(
                f"node {number} of cluster '{self.folder.name}' does not run{how}",
                hint=f"ssi-add {number} starts it",
            )
        return self.running[number]

    def _check(self, number: int) -> None:
        if not 1 <= number <= self.plan.node_limit:
            raise UsageError(
                f"node {number}: is not one of 1 to {self.plan.node_limit}, the nodes of this image"
            )


async def supervise(folder: ClusterFolder, ready: int) -> int:
    """Run a cluster until it is stopped; *ready* takes a line as soon as commands are served, or why not."""
    from ssiuml.cluster.reception import Reception

    supervisor: Supervisor | None = None
    try:
        supervisor = Supervisor(folder, read_plan(folder.plan))
        await supervisor.begin()
        reception = Reception(supervisor)
        await reception.open()
    except (SsiumlError, OSError) as error:
        if supervisor is not None and supervisor._root >= 0:
            await supervisor.close()
        os.write(ready, f"{error}\n".encode())
        return 1
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(
            number, lambda: supervisor.spawn(supervisor.stop(STOP_LIMIT_S, lambda _: None))
        )
    os.write(ready, b"ok\n")
    os.close(ready)
    log.info("supervisor %d of cluster '%s' serves", os.getpid(), folder.name)
    await supervisor.ended.wait()
    await supervisor.close()
    await reception.close()
    log.info("the cluster has ended")
    return 0


def main() -> int:
    os.umask(0o077)
    folder = ClusterFolder(Path(sys.argv[1]))
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s.%(msecs)03d %(message)s", datefmt="%F %T"
    )
    logging.raiseExceptions = False  # a full disk ends no cluster
    return asyncio.run(supervise(folder, int(sys.argv[2])))


if __name__ == "__main__":
    sys.exit(main())
