"""Start the supervisor of a cluster, in a session of its own."""

import os
import subprocess
from collections.abc import Sequence
from typing import Final

from ssiuml.cluster.command_lines import supervisor_command
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.errors import SsiumlError
from ssiuml.host.installation import HOME

START_LIMIT_S: Final = 30.0


class LaunchError(SsiumlError):
    """The supervisor did not start."""


def launch(folder: ClusterFolder, prefix: Sequence[str] = ()) -> None:
    """Start the supervisor, with *prefix* before its command; return when it serves.

    LaunchError with what it said otherwise.
    """
    reading, writing = os.pipe()
    with open(reading, encoding="utf-8") as answer:  # noqa: PTH123 - a descriptor
        try:
            with folder.log.open("ab") as log:
                process = subprocess.Popen(  # noqa: S603 - an argument list of ours
                    [*prefix, *supervisor_command(folder.path, writing)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=folder.path,
                    env={**os.environ, "PYTHONPATH": _python_path()},
                    pass_fds=(writing,),
                    start_new_session=True,
                )
        finally:
            os.close(writing)
        # It writes a line or, if it dies, closes the pipe: no limit is needed for this end.
        said = answer.read().strip()
    if said == "ok":
        # It outlives this process and nobody waits for it; without this, subprocess would complain.
        process.returncode = 0
    else:
        if process.poll() is None:
            process.wait(START_LIMIT_S)
        message, _, hint = (said or "it died").partition("\n")
        raise LaunchError(
            f"the supervisor of cluster '{folder.name}' did not start: {message}",
            hint=hint.strip() or f"see {folder.log}",
        )


def _python_path() -> str:
    # It runs in the cluster's folder: what was found from here has to be found from there.
    return os.pathsep.join([str(HOME), *filter(None, [os.environ.get("PYTHONPATH")])])
