"""The process of a supervisor: ``python -m ssiuml.cluster FOLDER DESCRIPTOR``, started by ssi-start."""

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from ssiuml.cluster.launch_plan import read_launch_plan
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.cluster.protocol import STOP_LIMIT_S
from ssiuml.cluster.server import CommandServer
from ssiuml.cluster.supervisor import Supervisor
from ssiuml.errors import SsiumlError

log = logging.getLogger(__name__)


async def supervise(folder: ClusterFolder, ready: int) -> int:
    """Run a cluster until it is stopped. Return the exit status.

    Write one line to the descriptor *ready*: ``ok`` when the supervisor serves commands, else the error.
    """
    supervisor: Supervisor | None = None
    try:
        supervisor = Supervisor(folder, read_launch_plan(folder.plan))
        await supervisor.begin()
        server = CommandServer(supervisor)
        await server.open()
        supervisor.forwards.open()
    except (SsiumlError, OSError) as error:
        # Another supervisor holds the root, and the files in the folder are that one's: leave them alone.
        if supervisor is not None and supervisor.running.root >= 0:
            await supervisor.close()
        os.write(ready, f"{error}\n".encode())
        return 1
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(
            number, lambda: supervisor.running.spawn(supervisor.stop(STOP_LIMIT_S, lambda _: None))
        )
    os.write(ready, b"ok\n")
    os.close(ready)
    log.info("supervisor %d of cluster '%s' serves", os.getpid(), folder.name)
    await supervisor.ended.wait()
    await supervisor.close()
    await server.close()
    log.info("the cluster has ended")
    return 0


def main() -> int:
    os.umask(0o077)
    folder = ClusterFolder(Path(sys.argv[1]))
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s.%(msecs)03d %(message)s", datefmt="%F %T"
    )
    logging.raiseExceptions = False  # a full disk must not end the cluster
    return asyncio.run(supervise(folder, int(sys.argv[2])))


if __name__ == "__main__":
    sys.exit(main())
