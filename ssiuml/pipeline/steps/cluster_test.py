"""Boot two nodes from the images, have them share a file, stop them; a release needs this test."""

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ssiuml.host.digests import file_sha256
from ssiuml.pipeline.inputs import images

if TYPE_CHECKING:
    from ssiuml.host.digests import Values
    from ssiuml.pipeline.graph import Graph

NODES: Final = 2
PROGRAM: Final = "ssiuml.cli.cluster_test"
COMMANDS: Final = ("ssiuml.cli.exec", "ssiuml.cli.stop")  # which that program runs
LIMIT_S: Final = 1800.0


def add(graph: "Graph") -> None:
    """Add cluster-test, for images that boot here.

    The digests of the files that were tested are among its results. If it fails, images/RECIPE/cluster-test
    has the logs.
    """
    from ssiuml.release.commands import PROGRAMS

    if not graph.recipe.can_boot:
        return
    made = [name for name, _ in images(graph).values()]
    graph.add(
        "cluster-test",
        lambda: _test(graph),
        after=[*made, "kernel", "build-root"],
        inputs=lambda: {"nodes": NODES},
        measured=("ready_s",),
        modules=(PROGRAM, *COMMANDS, *PROGRAMS),
    )


def _test(graph: "Graph") -> "Values":
    from ssiuml.errors import SsiumlError
    from ssiuml.host.files import scratch_folder
    from ssiuml.host.progress import stages
    from ssiuml.host.run import CommandError, run

    plan = graph.plan
    logs = plan.places.out / "cluster-test"
    shutil.rmtree(logs, ignore_errors=True)
    paths = [*(path for _, path in images(graph).values()), plan.kernel]
    digests = {path.name: file_sha256(path) for path in paths}
    count = min(NODES, graph.recipe.cluster.node_limit)
    words = [sys.executable, "-m", PROGRAM, str(plan.places.out), str(count)]
    # Not below the images: names of sockets may not be long.
    with scratch_folder(Path(tempfile.gettempdir()), "ssi") as state, stages("cluster-test") as show:
        try:
            said = run(
                words,
                timeout_s=LIMIT_S,
                env={"XDG_STATE_HOME": str(state)},
                on_line=show,
                merge_stderr=False,
            )
        except CommandError as error:
            _keep_logs(state, logs)
            raise SsiumlError(
                f"the cluster test failed: {error}", hint=f"read what the nodes said in {logs}"
            ) from error
    return {**json.loads(said.splitlines()[-1]), "sha256": digests}


def _keep_logs(state: Path, target: Path) -> None:
    """Copy the logs of the cluster below *state*: those of consoles and supervisor."""
    target.mkdir(parents=True)
    for path in state.rglob("*.log"):
        shutil.copyfile(path, target / path.name)
