"""Real nodes on a shared root: start, work, crash, pause, cut, stop.

fsck.gfs2 and the kernel's tables are the judges.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from checkouts import Checkout, wait_until

from ssiuml.cluster import process

pytestmark = [pytest.mark.cluster, pytest.mark.long]

CUT_SWITCH = Path(__file__).with_name("cut_switch.py")
START_LIMIT_S = 300.0
LIMIT_S = 120.0
TOKEN_S = 2.0  # of the small image
STATFS_STATUS = 4  # errors left uncorrected
FSCK_PROGRESS = re.compile(
    r"Initializing fsck|Validating |Level 1 |\(level 1 passed\)|Starting |Reconciling |\S+ completed in "
    r"|fsck.gfs2 complete"
)
STATFS_WRONG = re.compile(r"The statfs file |(Current|Calculated) statfs values:|(blocks|free|dinodes): ")


class Cluster:
    """A cluster of the small image, steered by the commands as a user would."""

    def __init__(self, images: Path, state_home: Path) -> None:
        self.images = images
        self.state_home = state_home
        self.folder = state_home / "ssiuml" / "t"

    def run(self, command: str, *words: str, stdin: bytes = b"", limit_s: float = LIMIT_S) -> tuple[int, str]:
        """Run a command; its exit status and all that it printed."""
        process = self.popen(command, *words)
        output, _ = process.communicate(stdin, timeout=limit_s)
        return process.returncode, output.decode(errors="replace")

    def popen(self, command: str, *words: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", f"ssiuml.cli.{command}", "--cluster", "t", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "XDG_STATE_HOME": str(self.state_home)},
        )

    def do(self, command: str, *words: str, limit_s: float = LIMIT_S) -> str:
        """Run a command that has to succeed; what it printed."""
        status, output = self.run(command, *words, limit_s=limit_s)
        assert status == 0, output
        return output

    def start(self, count: int) -> str:
        return self.do("start", str(count), "--image", str(self.images), "--no-xterm", limit_s=START_LIMIT_S)

    def on(self, node: int, line: str, limit_s: float = LIMIT_S) -> str:
        """Run a line in a node's shell."""
        return self.do("exec", str(node), "--", line, limit_s=limit_s)

    def status(self) -> dict[str, Any]:
        values: dict[str, Any] = json.loads(self.do("status", "--json"))
        return values

    def up(self) -> set[int]:
        return {int(number) for number in self.status()["nodes"]}

    def pid(self, node: int) -> int:
        return int(self.status()["nodes"][str(node)]["pid"])

    def end(self) -> None:
        if (self.folder / "state.json").exists():
            self.run("stop", "--limit", "5")

    def fsck(self, *, after_crash: bool = False) -> str:
        """What fsck.gfs2 says of the root; the test fails unless it finds nothing.

        After the crash of a node GFS2's recovery may leave the counts that df shows wrong; nothing else.
        """
        judged = subprocess.run(
            ["fsck.gfs2", "-n", self.folder / "root_fs"],
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
        said = judged.stdout + judged.stderr
        if after_crash and judged.returncode == STATFS_STATUS:
            found = [line for line in said.splitlines() if line.strip() and not FSCK_PROGRESS.match(line)]
            assert all(STATFS_WRONG.match(line) for line in found), said
        else:
            assert judged.returncode == 0, said
        return said


def make(built: Checkout) -> Iterator[Cluster]:
    # Sockets have short names: pytest's folders are too deep.
    home = Path(tempfile.mkdtemp(prefix="ssi."))
    cluster = Cluster(built.images, home)
    try:
        yield cluster
    finally:
        cluster.end()
        shutil.rmtree(home)


@pytest.fixture
def cluster(built: Checkout) -> Iterator[Cluster]:
    """A cluster that is not started."""
    yield from make(built)


@pytest.fixture(scope="module")
def three(built: Checkout) -> Iterator[Cluster]:
    """Three nodes for tests that leave them as they are; afterwards the root has to be clean."""
    for cluster in make(built):
        cluster.start(3)
        yield cluster
        assert cluster.up() == {1, 2, 3}
        cluster.do("stop")
        assert "Recovering journal" not in cluster.fsck()


def test_every_node_sees_all_members_and_has_the_root_mounted(three: Cluster) -> None:
    nodes = three.status()["nodes"]
    assert {number: node["members"] for number, node in nodes.items()} == {
        number: [1, 2, 3] for number in "123"
    }
    assert all(node["phase"] == "ready" and node["mounted"] for node in nodes.values())


def test_a_file_written_on_one_node_is_read_on_all(three: Cluster) -> None:
    three.on(2, "echo shared >/root/shared")
    assert [three.on(node, "cat /root/shared") for node in (1, 2, 3)] == ["shared\n"] * 3


def test_a_renamed_and_an_unlinked_file_are_so_on_all_nodes(three: Cluster) -> None:
    three.on(1, "echo x >/root/old; echo x >/root/gone")
    three.on(2, "mv /root/old /root/new; rm /root/gone")
    assert three.on(3, "ls /root/new; ls /root/old /root/gone 2>/dev/null || true") == "/root/new\n"


def test_appends_under_a_lock_from_all_nodes_lose_nothing(three: Cluster) -> None:
    line = (
        "for i in $(seq 40); do flock /root/count sh -c "
        "'n=$(cat /root/count); echo $((n + 1)) >/root/count'; done"
    )
    three.on(1, "echo 0 >/root/count")
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda node: three.on(node, line), (1, 2, 3)))
    assert three.on(1, "cat /root/count") == "120\n"


def test_a_command_gets_its_input_and_gives_its_output_and_status(three: Cluster) -> None:
    data = bytes(range(256)) * 1000
    status, output = three.run("exec", "1", "--", "sha256sum; exit 7", stdin=data)
    assert status == 7
    expected = subprocess.run(["sha256sum"], input=data, capture_output=True, check=True).stdout
    assert output == expected.decode()


def test_several_words_reach_the_command_as_they_are(three: Cluster) -> None:
    assert three.do("exec", "1", "--", "printf", "%s|", "a b", "$HOME", "it's") == "a b|$HOME|it's|"


def test_many_commands_run_on_a_node_at_once(three: Cluster) -> None:
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda n: three.on(1, f"sleep 1; echo {n}"), range(12)))
    assert found == [f"{n}\n" for n in range(12)]


def test_a_command_on_all_nodes_tells_which_node_said_what(three: Cluster) -> None:
    status, output = three.run("exec", "all", "--", "hostname; exit 3")
    assert status == 3
    assert sorted(output.splitlines()) == [f"node{n}: node{n}" for n in (1, 2, 3)]


def test_files_come_in_and_out_as_they_are(three: Cluster, tmp_path: Path) -> None:
    source = tmp_path / "in" / "a folder"
    source.mkdir(parents=True)
    (source / "data").write_bytes(os.urandom(3_000_000))
    (source / "link").symlink_to("data")
    (source / "script").write_text("#!/bin/sh\n")
    (source / "script").chmod(0o751)
    three.do("cp", str(source), "1:/root/")
    three.do("cp", "3:/root/a folder", str(tmp_path))
    copied = tmp_path / "a folder"
    assert subprocess.run(["diff", "-r", source, copied], check=False).returncode == 0
    assert (copied / "link").is_symlink()
    assert (copied / "script").stat().st_mode & 0o777 == 0o751
    three.do("cp", str(source / "data"), "2:/root/renamed & so on")
    three.do("cp", "2:/root/renamed & so on", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == (source / "data").read_bytes()


def test_a_warm_command_takes_less_than_a_fifth_of_a_second(three: Cluster) -> None:
    three.on(1, "true")
    times = []
    for _ in range(10):
        started = time.monotonic()
        three.on(1, "true")
        times.append(time.monotonic() - started)
    # The best of ten: the machine may be shared.
    assert min(times) < 0.2, times


def test_no_process_of_the_cluster_has_a_port(three: Cluster) -> None:
    ports = {
        line.split()[9]
        for table in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6")
        for line in (Path("/proc/net") / table).read_text().splitlines()[1:]
    }
    ours = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and str(three.state_home).encode() in (entry / "cmdline").read_bytes():
            ours += 1
            links = {str(link.readlink()) for link in (entry / "fd").iterdir()}
            sockets = {match[1] for link in links if (match := re.fullmatch(r"socket:\[(\d+)\]", link))}
            assert not sockets & ports, (entry / "cmdline").read_bytes()
    assert ours > 4


def test_everything_in_the_folder_is_for_its_owner_alone(three: Cluster) -> None:
    assert three.folder.stat().st_mode & 0o777 == 0o700
    for path in (three.folder / "keys").iterdir():
        if not path.name.endswith((".pub", "known_hosts")):
            assert path.stat().st_mode & 0o777 == 0o600, path
    assert (three.folder / "initrd").stat().st_mode & 0o777 == 0o600


def test_a_second_start_and_a_node_that_is_up_are_told(three: Cluster) -> None:
    status, output = three.run("start", "3", "--image", str(three.images))
    assert status == 2
    assert "runs already, nodes: 1 2 3" in output
    assert "node 2: skipped" in three.do("add", "2")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["exec", "4", "--", "true"], "node 4: is not one of 1 to 3"),
        (["add", "x"], "'x' is not a node number"),
        (["add", "0"], "'0' is not a node number"),
        (["rm", "2", "2"], "node 2 is named 2 times"),
        (["console", "16"], "node 16: is not one of 1 to 3"),
    ],
)
def test_wrong_calls_end_with_status_2_and_name_the_value(
    three: Cluster, words: list[str], said: str
) -> None:
    status, output = three.run(*words)
    assert (status, "Traceback" in output) == (2, False)
    assert said in output


def test_a_crashed_node_costs_the_others_little_and_no_synced_line(cluster: Cluster) -> None:
    cluster.start(3)
    writing = "for i in $(seq 100000); do echo $i >>/root/w2; sync /root/w2 && echo $i; done"
    writer = cluster.popen("exec", "2", "--", writing)
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline() for _ in range(20)][-1]
    cluster.do("rm", "2")
    started = time.monotonic()
    # It needs the locks that the dead node had.
    lines = cluster.on(1, "echo x >>/root/w2; grep -c . /root/w2")
    took_s = time.monotonic() - started
    rest = writer.communicate(timeout=LIMIT_S)[0].split()
    assert int(lines) >= int(next((line for line in reversed(rest) if line.isdigit()), acknowledged))
    assert took_s < 3 * TOKEN_S + 4, "recovery"
    status, output = cluster.run("exec", "2", "--", "true")
    assert (status, "node 2 of cluster 't' does not run (killed by ssi-rm)" in output) == (2, True)
    cluster.do("add", "2", limit_s=START_LIMIT_S)
    assert cluster.on(2, "tail -n 1 /root/w2") == "x\n"
    cluster.do("stop")
    cluster.fsck(after_crash=True)


@pytest.mark.parametrize("pause_s", [5, 12])
def test_a_paused_node_is_dead_when_it_would_go_on(cluster: Cluster, pause_s: int) -> None:
    cluster.start(3)
    for node in (1, 2, 3):
        cluster.on(
            node,
            f"(while echo x >>/root/p{node}; do sync /root/p{node}; done) </dev/null >/dev/null 2>&1 &",
        )
    group = cluster.pid(2)
    os.killpg(group, signal.SIGSTOP)
    wait_until(lambda: 2 not in cluster.up(), "the death of the paused node", 3 * TOKEN_S + pause_s)
    assert process.group_members(group) == []
    assert int(cluster.on(1, "wc -l </root/p2")) > 0
    assert cluster.up() == {1, 3}
    cluster.do("stop")
    cluster.fsck(after_crash=True)


def test_a_node_that_powers_off_leaves_and_the_others_stay(cluster: Cluster) -> None:
    cluster.start(2)
    cluster.run("exec", "2", "--", "poweroff")
    wait_until(lambda: cluster.up() == {1}, "node 2 leaves", LIMIT_S)
    assert cluster.status()["past"]["2"] == "left in order"
    wait_until(lambda: cluster.status()["nodes"]["1"]["members"] == [1], "node 1 sees it")
    cluster.do("stop")
    assert "Recovering journal" not in cluster.fsck()


def test_stop_with_a_hung_node_takes_the_others_down_in_order(cluster: Cluster) -> None:
    cluster.start(2)
    os.killpg(cluster.pid(2), signal.SIGSTOP)
    status, output = cluster.run("stop")
    assert status == 1
    assert "node 2 did not end in order: killed: it does not answer" in output
    assert "node 1 did not" not in output
    cluster.fsck(after_crash=True)


def test_a_killed_supervisor_takes_its_nodes_with_it_and_the_root_lives_on(cluster: Cluster) -> None:
    cluster.start(2)
    cluster.on(1, "echo kept >/root/kept; sync")
    groups = [cluster.pid(node) for node in (1, 2)]
    os.kill(cluster.status()["supervisor"], signal.SIGKILL)
    status, output = cluster.run("status")
    assert (status, "had died; cleared up" in output) == (2, True)
    assert [process.group_members(group) for group in groups] == [[], []]
    cluster.start(2)
    assert cluster.on(2, "cat /root/kept") == "kept\n"
    cluster.do("stop")
    cluster.fsck(after_crash=True)


def test_of_a_cut_cluster_one_side_goes_on_and_the_other_is_dead(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uml_switch").symlink_to(CUT_SWITCH)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    cluster.start(3)
    for node in (1, 2, 3):
        cluster.on(
            node,
            f"(while echo x >>/root/c{node}; do sync /root/c{node}; done) </dev/null >/dev/null 2>&1 &",
        )
    (cluster.folder / "cut").write_text("1\n")
    wait_until(lambda: cluster.up() == {2, 3}, "the smaller side is dead", 5 * TOKEN_S + 10)
    assert "cut off from node 2, 3" in cluster.status()["past"]["1"]
    assert int(cluster.on(3, "wc -l </root/c1")) > 0
    (cluster.folder / "cut").unlink()
    cluster.do("add", "1", limit_s=START_LIMIT_S)
    cluster.do("stop")
    cluster.fsck(after_crash=True)
