"""Three real nodes at work on a shared root. The kernel's tables and fsck.gfs2 are the judges."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from clusters import LIMIT_S, Cluster
from processes import wait_until

from ssiuml.cluster.process import group_members
from ssiuml.release.completion import write_completions

pytestmark = pytest.mark.boot
FULL_LIMIT_S = 480.0  # until a node whose memory is full answers


def test_every_node_sees_all_members_and_has_the_root_mounted(three: Cluster) -> None:
    nodes = three.status()["nodes"]
    assert {number: node["members"] for number, node in nodes.items()} == {
        number: [1, 2, 3] for number in "123"
    }
    assert all(node["phase"] == "ready" and node["mounted"] for node in nodes.values())


def test_a_file_written_on_one_node_is_read_on_all(three: Cluster) -> None:
    three.on(2, "echo shared >/root/shared")
    assert [three.on(node, "cat /root/shared") for node in (1, 2, 3)] == ["shared\n"] * 3


@pytest.mark.long
def test_memory_that_runs_out_on_a_node_does_not_end_it(cluster: Cluster) -> None:
    cluster.start(1)
    # So many small processes that the largest one is a daemon of the cluster. They end by themselves, since
    # perhaps no session can be opened while they run. The first must not end before the last has begun, which
    # takes more than half a minute on a busy host.
    many = "for i in $(seq 1500); do sleep 100 <&- >/dev/null 2>&1 & done"
    cluster.run("exec", "1", "--", many, limit_s=FULL_LIMIT_S)

    def can_be_entered() -> bool:
        return cluster.run("exec", "1", "--", "true", limit_s=FULL_LIMIT_S)[0] == 0

    wait_until(can_be_entered, "the node can be entered again", FULL_LIMIT_S)
    assert cluster.phase(1) == "ready", cluster.past(1)
    assert "out of memory" in cluster.on(1, "dmesg | tr A-Z a-z")


def test_all_nodes_see_that_a_file_was_renamed_or_unlinked(three: Cluster) -> None:
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


def test_counting_under_a_posix_lock_from_all_nodes_loses_nothing(three: Cluster) -> None:
    script = (
        "import fcntl\n"
        "with open('/root/posix', 'r+') as stream:\n"
        "    for _ in range(40):\n"
        "        fcntl.lockf(stream, fcntl.LOCK_EX)\n"
        "        stream.seek(0)\n"
        "        count = int(stream.read())\n"
        "        stream.seek(0)\n"
        "        stream.write(str(count + 1))\n"
        "        stream.flush()\n"
        "        fcntl.lockf(stream, fcntl.LOCK_UN)\n"
    )
    three.on(2, "echo 0 >/root/posix")
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda node: three.do("exec", str(node), "--", "python3", "-c", script), (1, 2, 3)))
    assert three.on(3, "cat /root/posix") == "120"


def test_a_command_gets_its_input_and_gives_its_output_and_status(three: Cluster) -> None:
    data = bytes(range(256)) * 1000
    status, output = three.run("exec", "1", "--", "sha256sum; exit 7", stdin=data)
    assert status == 7
    expected = subprocess.run(["sha256sum"], input=data, capture_output=True, check=True).stdout
    assert output == expected.decode()


def test_several_words_reach_the_command_unchanged(three: Cluster) -> None:
    assert three.do("exec", "1", "--", "printf", "%s|", "a b", "$HOME", "it's") == "a b|$HOME|it's|"


def test_many_commands_run_on_a_node_at_once(three: Cluster) -> None:
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda n: three.on(1, f"sleep 1; echo {n}"), range(12)))
    assert found == [f"{n}\n" for n in range(12)]


def test_each_line_of_a_command_on_all_nodes_begins_with_its_node(three: Cluster) -> None:
    status, output = three.run("exec", "all", "--", "hostname; exit 3")
    assert status == 3
    assert sorted(output.splitlines()) == [f"node{n}: node{n}" for n in (1, 2, 3)]


def test_files_are_copied_in_and_out_unchanged(three: Cluster, tmp_path: Path) -> None:
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


@pytest.mark.parametrize("name", ["KILL", "TERM", "INT", "HUP", "SEGV", "PIPE"])
def test_a_command_that_a_signal_ends_has_the_status_of_a_shell(three: Cluster, name: str) -> None:
    line = f"ulimit -c 0; kill -{name} $$"
    shell = subprocess.run(["bash", "-c", f"bash -c '{line}'; exit $?"], capture_output=True, check=False)
    assert three.run("exec", "1", "--", line) == (shell.returncode, "")
    assert shell.returncode == 128 + signal.Signals[f"SIG{name}"]


def test_a_command_has_its_own_input_output_and_status(three: Cluster) -> None:
    status, output = three.run("exec", "2", "--", "cat; echo error >&2; exit 7", stdin=b"in\n")
    assert (status, sorted(output.splitlines())) == (7, ["error", "in"])
    assert three.run("exec", "2", "--", "printf", "%s|", "a b", "'", '"$HOME"', "-n") == (
        0,
        'a b|\'|"$HOME"|-n|',
    )
    assert three.run("exec", "2", "--", "sleep 1 & echo begun; wait") == (0, "begun\n")


@pytest.mark.parametrize("name", ["KILL", "TERM", "INT"])
def test_when_the_client_is_killed_its_command_ends(three: Cluster, name: str) -> None:
    client = three.popen("exec", "1", "--", f"echo begun; sleep 98{signal.Signals[f'SIG{name}'].value}")
    assert client.stdout is not None
    assert client.stdout.readline() == b"begun\n"
    client.send_signal(signal.Signals[f"SIG{name}"])
    client.communicate(timeout=60)
    wait_until(lambda: three.run("exec", "1", "--", "pgrep -f '^sleep 98'")[0] == 1, "the command ends")


def test_a_command_that_ignores_the_end_of_its_client_goes_on(three: Cluster) -> None:
    client = three.popen("exec", "1", "--", "nohup sleep 971 >/dev/null 2>&1 & sleep 1; echo begun; wait")
    assert client.stdout is not None
    assert client.stdout.readline() == b"begun\n"
    client.kill()
    client.communicate(timeout=60)
    time.sleep(2)
    assert three.run("exec", "1", "--", "pkill -f '^sleep 971'")[0] == 0


def test_holes_stay_holes_both_ways_and_the_bytes_are_the_same(three: Cluster, tmp_path: Path) -> None:
    folder, back = tmp_path / "sparse", tmp_path / "back"
    folder.mkdir()
    with (folder / "file").open("wb") as stream:
        stream.write(b"begin")
        stream.seek(1 << 30)
        stream.write(b"end")
    three.do("cp", str(folder), "1:/root/")
    assert int(three.on(2, "stat -c %b /root/sparse/file")) * 512 < 1 << 20
    (back / "sparse").mkdir(parents=True)  # copied into what is there
    three.do("cp", "2:/root/sparse", str(back))
    copied = back / "sparse" / "file"
    assert copied.stat().st_blocks * 512 < 1 << 20
    assert subprocess.run(["cmp", folder / "file", copied], check=False).returncode == 0
    three.on(1, "rm -r /root/sparse")


def test_a_copy_says_nothing_but_how_far_it_is(three: Cluster, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(os.urandom(6 << 20))
    for source, target in (
        (str(tmp_path / "data"), "1:/root/data"),
        ("1:/root/data", str(tmp_path / "again")),
    ):
        output = three.do("cp", source, target, limit_s=300)
        lines = output.splitlines()
        assert all(re.fullmatch(rf"{re.escape(source)}: \d+( of 6)? MiB", line) for line in lines), output
    three.on(1, "rm /root/data")


def processes_of(cluster: Cluster) -> list[Path]:
    """Return the folders below /proc of a cluster's processes."""
    name, found = str(cluster.state_home), []
    for folder in Path("/proc").iterdir():
        with suppress(OSError):  # a process of another test that ends at this moment
            if folder.name.isdigit() and str((folder / "cwd").readlink()).startswith(name):
                found.append(folder)
    return found


def sockets_of(process: Path) -> set[str]:
    """Return the inodes of a process's sockets."""
    links = {str(link.readlink()) for link in (process / "fd").iterdir()}
    return {match[1] for link in links if (match := re.fullmatch(r"socket:\[(\d+)\]", link))}


def test_no_process_of_the_cluster_has_a_port_of_this_machine(three: Cluster) -> None:
    processes = processes_of(three)
    assert len(processes) > 4
    ports = {
        line.split()[9]
        for table in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6")
        for line in Path("/proc/net", table).read_text().splitlines()[1:]
    }
    for process in processes:
        with suppress(FileNotFoundError):  # a process of a guest that ends at this moment
            assert not sockets_of(process) & ports, (process / "cmdline").read_bytes()
            assert (process / "ns" / "net").readlink() != Path("/proc/self/ns/net").readlink()


SERVER = """\
use IO::Socket::INET;
open my $name, "<", "/proc/sys/kernel/hostname"; chomp(my $hostname = <$name>);
my $server = IO::Socket::INET->new(LocalPort => 8080, Listen => 5, ReuseAddr => 1) or die "$!\\n";
fork and exit;
alarm 120;
open $_, "+<", "/dev/null" for *STDIN, *STDOUT, *STDERR;
while (my $client = $server->accept) { print $client $hostname; close $client }
"""


def asked(port: int) -> str:
    """Return what the server behind a port of this machine sends."""
    with socket.create_connection(("127.0.0.1", port), LIMIT_S) as stream:
        return stream.makefile().read()


def test_ports_of_this_machine_lead_to_a_node_or_to_all_in_turn(three: Cluster) -> None:
    for node in (1, 2, 3):
        three.do("exec", str(node), "--", "perl", "-e", SERVER)
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [each.getsockname()[1] for each in (one, other)]
    three.do("forward", f"{ports[0]}:2:8080", f"{ports[1]}:8080")
    try:
        assert [asked(ports[0]) for _ in range(3)] == ["node2"] * 3
        assert sorted(asked(ports[1]) for _ in range(3)) == ["node1", "node2", "node3"]
        forwards = three.status()["forwards"]
        assert [(one["port"], one["node"], one["node_port"]) for one in forwards] == sorted(
            [(ports[0], 2, 8080), (ports[1], None, 8080)]
        )
    finally:
        three.do("forward", *(word for port in ports for word in ("--remove", str(port))))


def test_every_process_of_a_node_runs_on_the_same_processor_and_nodes_on_all_in_turn(three: Cluster) -> None:
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) == 1:
        pytest.skip("this machine has one processor")
    for number in (1, 2, 3):
        chosen = {allowed[(number - 1) % len(allowed)]}
        members = [one.pid for one in group_members(three.pid(number))]
        assert members
        for pid in members:
            with suppress(ProcessLookupError):  # a process of the guest that ends at this moment
                assert os.sched_getaffinity(pid) == chosen


def test_no_process_of_the_cluster_has_a_socket_that_other_users_reach(three: Cluster) -> None:
    """Sockets of the abstract namespace have no owner; packet sockets are on interfaces of one namespace."""
    held = set().union(*map(sockets_of, processes_of(three)))
    supervisor = Path(f"/proc/{three.status()['supervisor']}")
    seen = (supervisor / "net" / "unix").read_bytes() + Path("/proc/net/unix").read_bytes()
    lines = [line.split() for line in seen.split(b"\n")]
    abstract = {line[6].decode() for line in lines if len(line) > 7 and line[7].startswith(b"@")}
    assert not held & abstract
    inside, outside = (
        {line.split()[-1] for line in path.read_text().splitlines()[1:]}
        for path in (supervisor / "net" / "packet", Path("/proc/net/packet"))
    )
    assert len(held & inside) >= 3, "each node has its own"
    assert not held & outside


def test_only_the_owner_can_read_the_clusters_folder(three: Cluster) -> None:
    assert three.folder.stat().st_mode & 0o777 == 0o700
    for path in (three.folder / "keys").iterdir():
        if not path.name.endswith((".pub", "known_hosts")):
            assert path.stat().st_mode & 0o777 == 0o600, path
    assert (three.folder / "initrd").stat().st_mode & 0o777 == 0o600


def pinged(cluster: Cluster, sender: int, receiver: int, count: int) -> tuple[int, float]:
    """Return how many answers ping got on a node, and the least of their milliseconds."""
    line = f"ping -q -c {count} -i 0.02 -W 2 192.168.50.{receiver} || true"
    output = cluster.on(sender, line)
    received, least = re.search(r"(\d+) received", output), re.search(r"min/avg/max/mdev = ([\d.]+)/", output)
    assert received, output
    return int(received[1]), float(least[1]) if least else 0.0


def test_a_delay_adds_its_time_to_each_way_and_is_shown(three: Cluster) -> None:
    assert pinged(three, 1, 2, 10)[1] < 40
    three.do("net", "delay", "1", "2", "40ms")
    try:
        count, least_ms = pinged(three, 1, 2, 20)
        assert (count, 80 <= least_ms < 120) == (20, True)
        assert pinged(three, 1, 3, 10)[1] < 40
        assert "network: between 1 and 2: 40 ms later\n" in three.do("status")
        assert three.do("net") == "between 1 and 2: 40 ms later\n"
        faults = [{"nodes": [1, 2], "cut": False, "delay_ms": 40, "loss_percent": 0}]
        assert three.status()["network"]["faults"] == faults
    finally:
        three.do("net", "heal")
    assert pinged(three, 1, 2, 10)[1] < 40
    assert three.do("net") == "all nodes reach each other\n"


def test_of_a_lossy_network_each_way_loses_its_share(three: Cluster) -> None:
    three.do("net", "loss", "2", "3", "20%")
    try:
        # 0.8 of the questions and 0.8 of their answers; the standard deviation of 400 is 10: five of them.
        assert abs(pinged(three, 2, 3, 400)[0] - 256) < 50
        assert pinged(three, 1, 3, 50)[0] == 50
    finally:
        three.do("net", "heal")


def test_this_machine_has_no_interface_and_no_socket_of_the_cluster(three: Cluster) -> None:
    assert not {name for _, name in socket.if_nameindex()} & {"ssi0", "port1", "node1"}
    tables = ("tcp", "tcp6", "udp", "udp6", "raw", "raw6", "packet")
    seen = "\n".join(Path("/proc/net", table).read_text() for table in tables)
    assert not set().union(*map(sockets_of, processes_of(three))) & set(seen.split())


def test_a_second_start_is_refused_and_a_node_that_runs_is_skipped(three: Cluster) -> None:
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


def test_the_shell_completes_nodes_that_are_up_and_those_that_are_down(
    three: Cluster, tmp_path: Path
) -> None:
    write_completions(tmp_path)
    for name, expected in (
        ("ssi-console", "1 2 3"),
        ("ssi-rm", "1 2 3"),
        ("ssi-exec", "1 2 3 all"),
        ("ssi-add", ""),
    ):
        line = f"{name} --cluster t "
        script = f"""
            . {tmp_path}/bash-completion/completions/{name}
            COMP_WORDS=({line} ''); COMP_CWORD=3
            _shtab_{name.replace("-", "_")} && echo "${{COMPREPLY[*]}}"
        """
        seen = subprocess.run(
            ["bash", "-c", script],
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "XDG_STATE_HOME": str(three.state_home),
            },
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert seen.stdout == f"{expected}\n", seen.stderr
