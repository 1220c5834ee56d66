"""A real cluster for tests: the ssi-* commands control it, a workload runs on it, fsck.gfs2 judges it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from processes import wait_until
from project import PROJECT

WORKLOAD: Final = PROJECT / "tests" / "cluster" / "workload.pl"
START_LIMIT_S: Final = 300.0
LIMIT_S: Final = 120.0
TOKEN_S: Final = 2.0  # the token timeout of the small image
# Token, consensus, the fence agent, the kernel's recovery: 6 to 8 s on a quiet machine, more on a busy one.
RECOVERY_LIMIT_S: Final = 60.0


class Cluster:
    """A cluster of the small image, controlled by the commands that a user has."""

    def __init__(self, images: Path, state_home: Path) -> None:
        self.images = images
        self.state_home = state_home
        self.folder = state_home / "ssiuml" / "t"
        self.prefix: tuple[str, ...] = ()  # words before every command line
        self._loads = 0  # how often the workload was started; each time has a folder of its own

    def run(self, command: str, *words: str, stdin: bytes = b"", limit_s: float = LIMIT_S) -> tuple[int, str]:
        """Run a command. Return its exit status and everything it printed."""
        process = self.popen(command, *words)
        output, _ = process.communicate(stdin, timeout=limit_s)
        return process.returncode, output.decode(errors="replace")

    def popen(self, command: str, *words: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [*self.prefix, sys.executable, "-m", f"ssiuml.cli.{command}", "--cluster", "t", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "XDG_STATE_HOME": str(self.state_home)},
        )

    def do(self, command: str, *words: str, limit_s: float = LIMIT_S) -> str:
        """Run a command that must succeed. Return what it printed."""
        status, output = self.run(command, *words, limit_s=limit_s)
        assert status == 0, output
        return output

    def start(self, count: int, *options: str) -> str:
        words = (str(count), "--image", str(self.images), "--no-xterm", *options)
        return self.do("start", *words, limit_s=START_LIMIT_S)

    def add(self, *nodes: int) -> str:
        return self.do("add", *map(str, nodes), limit_s=START_LIMIT_S)

    def on(self, node: int, line: str, limit_s: float = LIMIT_S) -> str:
        """Run a line in a node's shell. Return what it printed."""
        return self.do("exec", str(node), "--", line, limit_s=limit_s)

    def status(self) -> dict[str, Any]:
        values: dict[str, Any] = json.loads(self.do("status", "--json"))
        return values

    def up(self) -> set[int]:
        return {int(number) for number in self.status()["nodes"]}

    def pid(self, node: int) -> int:
        return int(self.status()["nodes"][str(node)]["pid"])

    def processes(self) -> dict[str, int]:
        """Return the process ids of supervisor and nodes."""
        status = self.status()
        nodes = {number: int(node["pid"]) for number, node in status["nodes"].items()}
        return {"supervisor": int(status["supervisor"]), **nodes}

    def phase(self, node: int) -> str | None:
        """Return the phase of a node, None if it does not run."""
        phase: str | None = self.status()["nodes"].get(str(node), {}).get("phase")
        return phase

    def past(self, node: int) -> str:
        """Return how a node has ended."""
        return str(self.status()["past"].get(str(node)))

    def end(self) -> None:
        """End what a failed test has left running."""
        self.run("stop", "--limit", "5")

    @contextmanager
    def paused(self, node: int, pause_s: float) -> Iterator[int]:
        """Pause a node's kernel for *pause_s* seconds, as an overloaded host would. Yield its process id.

        The id is that of its process group, too. The end of the block waits until the time is over. The other
        processes of the group run the guest's programs and wait for the kernel. They get no signal: User-Mode
        Linux would take it for one of the guest's.
        """
        process = self.pid(node)
        os.kill(process, signal.SIGSTOP)
        end = time.monotonic() + pause_s
        try:
            yield process
            wait_until(lambda: time.monotonic() >= end, "the pause ends", pause_s + 1)
        finally:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)

    def load(self, *nodes: int, pause_s: float = 0.0) -> "list[Load]":
        """Start the workload on nodes, with *pause_s* seconds between rounds. It runs until it is ended."""
        self._loads += 1
        folder = f"/root/load-{self._loads}"
        self.do("cp", str(WORKLOAD), f"{nodes[0]}:/root/workload.pl")
        self.on(nodes[0], f"mkdir {folder}")
        return [Load(self, node, folder, pause_s) for node in nodes]

    def check_load(self, loads: "list[Load]", reader: int) -> None:
        """Assert that node *reader* sees every acknowledged line once and in order."""
        shared = self.on(reader, f"cat {loads[0].folder}/shared").splitlines()
        for load in loads:
            own = self.on(reader, f"cat {load.folder}/own-{load.node}").splitlines()
            mine = [line for line in shared if line.startswith(f"{load.node} ")]
            expected = [f"{load.node} {number}" for number in range(1, load.acknowledged + 1)]
            # A line that was not acknowledged may be there, in whole or in part, or not.
            assert own[: load.acknowledged] == expected
            assert mine[: load.acknowledged] == expected

    def fsck(self) -> str:
        """Assert that fsck.gfs2 finds the root clean, with its journals. Return what it printed."""
        judged = subprocess.run(
            [*self.prefix, "fsck.gfs2", "-n", self.folder / "root_fs"],
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
        output = judged.stdout + judged.stderr
        assert judged.returncode == 0, output
        assert "is dirty" not in output, output  # that does not change the exit status
        return output


class Load:
    """The workload on one node, and the rounds that it has acknowledged."""

    def __init__(self, cluster: Cluster, node: int, folder: str, pause_s: float) -> None:
        self.node = node
        self.folder = folder
        self.acknowledged = 0
        self.longest_gap_s = 0.0
        self._last = time.monotonic()
        self._errors: list[str] = []
        command = ("perl", "/root/workload.pl", str(node), folder, str(pause_s))
        self._process = cluster.popen("exec", str(node), "--", *command)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            now = time.monotonic()
            if not line.strip().isdigit() or not line.endswith(b"\n"):
                self._errors.append(line.decode(errors="replace"))
                continue
            if self.acknowledged:
                self.longest_gap_s = max(self.longest_gap_s, now - self._last)
            self.acknowledged = int(line)
            self._last = now

    def wait_for(self, more: int, limit_s: float = LIMIT_S) -> None:
        """Wait until *more* rounds are acknowledged than now."""
        goal = self.acknowledged + more
        wait_until(lambda: self.acknowledged >= goal, f"node {self.node} writes ({self._errors})", limit_s)

    def end(self) -> None:
        """End the session of the workload, and read what it had acknowledged."""
        self._process.terminate()
        self._process.wait(LIMIT_S)
        self._thread.join(LIMIT_S)
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()


@contextmanager
def made_cluster(images: Path) -> Iterator[Cluster]:
    """Yield a cluster that is not started. End it and remove its files afterwards."""
    # The paths of sockets must be short. pytest's folders are too deep.
    home = Path(tempfile.mkdtemp(prefix="ssi."))
    cluster = Cluster(images, home)
    try:
        yield cluster
    finally:
        cluster.end()
        shutil.rmtree(home)
