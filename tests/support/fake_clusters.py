"""A cluster whose nodes are programs that stand in for User-Mode Linux (tests/cluster/fake_node.py)."""

import shutil
import socket
from pathlib import Path
from typing import Final

from processes import wait_until
from project import PROJECT

from ssiuml.cluster.client import ask, connect
from ssiuml.cluster.launch import launch_supervisor
from ssiuml.cluster.launch_plan import LaunchPlan, write_launch_plan
from ssiuml.cluster.namespace import bridge_prefix
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.cluster.protocol import Values, encode

FAKE_NODE: Final = PROJECT / "tests" / "cluster" / "fake_node.py"
LIMIT_S: Final = 30.0
# What three nodes that start together report when they boot.
TOGETHER: Final = "members 1 2 3\ngo?\nmounted\nready\n"


class FakeCluster:
    """A cluster of fake nodes, with a real supervisor."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(exist_ok=True)
        self.folder = ClusterFolder(path / "c")
        self.folder.make()
        self.program = path / "fake_node.py"
        shutil.copy2(FAKE_NODE, self.program)
        self.folder.root_fs.write_bytes(b"root")
        self.folder.initrd.write_bytes(b"initrd")
        self.plan = LaunchPlan(
            image=path,
            kernel=self.program,
            initrd=self.folder.initrd,
            root_fs=self.folder.root_fs,
            node_limit=4,
            network="192.168.50.0/24",
            memory_mib=64,
            token_ms=100,
            planned_nodes=3,
            ready_limit_s=LIMIT_S,
        )
        write_launch_plan(self.folder.plan, self.plan)

    def boot_script(self, text: str, node: int | None = None) -> None:
        (self.path / (f"boot-{node}" if node else "boot")).write_text(text)

    def launch(self) -> None:
        launch_supervisor(self.folder, bridge_prefix(self.plan.supervisor_address))

    def ask(self, do: str, **more: object) -> tuple[Values, list[Values]]:
        events: list[Values] = []
        answer = ask(self.folder, {"do": do, **more}, events.append, limit_s=LIMIT_S)
        return answer, events

    def start(self, *nodes: int) -> Values:
        return self.ask("start", nodes=nodes)[0]

    def stop(self, limit_s: float = 5.0) -> Values:
        answer, _ = self.ask("stop", limit_s=limit_s)
        wait_until(lambda: not self.folder.state.exists(), "the supervisor's end")
        return answer

    def status(self) -> Values:
        return self.ask("status")[0]

    def nodes(self) -> dict[str, str]:
        return {number: node["phase"] for number, node in self.status()["nodes"].items()}

    def pid(self, node: int) -> int:
        return int(self.status()["nodes"][str(node)]["pid"])

    def order(self, node: int, line: str) -> None:
        """Type an order at a node's console, and wait until the node obeys."""
        self.type(node, line)
        log = self.folder.console_log(node)
        wait_until(
            lambda: f"obeys {line}" in log.read_text().splitlines(), f"node {node} obeys '{line}'", LIMIT_S
        )

    def type(self, node: int, line: str) -> None:
        """Type at a node's console."""
        with connect(self.folder) as stream:
            stream.sendall(encode({"do": "console", "node": node}))
            stream.makefile("rb").readline()
            stream.sendall(line.encode() + b"\n")
            stream.shutdown(socket.SHUT_WR)
            while stream.recv(4096):
                pass

    def heard(self, node: int) -> list[str]:
        """What a node has heard on its control line."""
        lines = self.folder.console_log(node).read_text().splitlines()
        return [line.removeprefix("heard ") for line in lines if line.startswith("heard ")]

    def wait_heard(self, node: int, text: str) -> None:
        wait_until(lambda: text in self.heard(node), f"node {node} hears '{text}'", LIMIT_S)
