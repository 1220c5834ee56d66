"""Opens a node's door: runs the ssh connection that all sessions of the node share."""

import asyncio
import logging
import time
from typing import Final

from ssiuml.cluster import command_lines, ssh
from ssiuml.cluster.node import Member
from ssiuml.errors import SsiumlError

log = logging.getLogger(__name__)

OPEN_LIMIT_S: Final = 30.0
# An sshd that gave up on a client just as this one came costs an attempt.
_ATTEMPT_LIMIT_S: Final = 20.0
_POLL_S: Final = 0.01
_RETRY_S: Final = 0.5


class DoorError(SsiumlError):
    """A node cannot be entered."""


async def open_door(member: Member) -> None:
    """Make sure that ssh's master connection stands. DoorError, with what ssh said, if it does not within the
    limit.
    """
    async with member.opening:
        path = member.folder.ssh(member.number)
        deadline = time.monotonic() + OPEN_LIMIT_S
        said = "nothing"
        while not ssh.is_open(path):
            if time.monotonic() > deadline or member.gone.is_set():
                raise DoorError(
                    f"node {member.number} cannot be entered: no connection within {OPEN_LIMIT_S:.0f} s, "
                    f"ssh's last words: {said}",
                    hint=f"ssi-console {member.number} shows what it does",
                )
            said = await _attempt(member, min(deadline, time.monotonic() + _ATTEMPT_LIMIT_S)) or said


async def _attempt(member: Member, deadline: float) -> str:
    """Start ssh and wait until it is through, has ended, or the time is over. Return what it said if it
    failed.
    """
    path = member.folder.ssh(member.number)
    path.unlink(missing_ok=True)
    if member.master is not None and member.master.returncode is None:
        member.master.kill()
        await member.master.wait()
    log_path = member.folder.door(member.number).with_suffix(".log")
    with log_path.open("wb") as errors:
        member.master = await asyncio.create_subprocess_exec(
            *command_lines.dying_with_us(ssh.master_command(member.folder, member.number)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
    while member.master.returncode is None and time.monotonic() < deadline and not member.gone.is_set():
        if ssh.is_open(path):
            return ""
        await asyncio.sleep(_POLL_S)
    if member.master.returncode is None:
        member.master.kill()
        await member.master.wait()
    said = log_path.read_text(errors="replace").strip()
    log.warning("node %d: ssh did not come through: %s", member.number, said)
    await asyncio.sleep(_RETRY_S)
    return said
