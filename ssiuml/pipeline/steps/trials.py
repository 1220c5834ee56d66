"""The step cluster-test: what a release rests on."""

import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ssiuml.cli.registry import COMMANDS, PROGRAMS
from ssiuml.errors import SsiumlError
from ssiuml.host.digests import Values, file_sha256
from ssiuml.host.progress import stages
from ssiuml.host.run import CommandError, run
from ssiuml.host.scratch import scratch_folder
from ssiuml.pipeline.graph import StepGraph
from ssiuml.pipeline.steps.build_root import images

NAME: Final = "cluster-test"
NODES: Final = 2
PROGRAM: Final = "ssiuml.cli.trial"
LIMIT_S: Final = 1800.0


def add_trial(graph: StepGraph, made: Sequence[str]) -> None:
    """Add the step that boots a cluster from the images that the steps *made* leave, and uses it.

    The digests of what was tested are among its results; if it fails, images/RECIPE/cluster-test has logs.
    """
    plan = graph.plan
    logs = plan.places.out / NAME

    def test() -> Values:
        shutil.rmtree(logs, ignore_errors=True)
        paths = [*(path for _, path in images(graph).values()), plan.kernel]
        digests = {path.name: file_sha256(path) for path in paths}
        count = min(NODES, graph.recipe.cluster.node_limit)
        words = [sys.executable, "-m", PROGRAM, str(plan.places.out), str(count)]
        # Not below the images: the names of sockets may not be long.
        with scratch_folder(Path(tempfile.gettempdir()), "ssi") as state, stages(NAME) as show:
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
                    f"the cluster test failed: {error}", hint=f"what the nodes said is in {logs}"
                ) from error
        return {**json.loads(said.splitlines()[-1]), "sha256": digests}

    graph.add(
        NAME,
        [*made, "build-root"],
        lambda: {"nodes": NODES},
        test,
        measured=("ready_s",),
        modules=(PROGRAM, *COMMANDS.values(), *PROGRAMS),
    )


def _keep_logs(state: Path, target: Path) -> None:
    """Copy the logs of the cluster below *state*: its consoles and its supervisor's."""
    target.mkdir(parents=True)
    for path in state.rglob("*.log"):
        shutil.copyfile(path, target / path.name)
