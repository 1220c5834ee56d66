"""Forwarded ports: real connections through a relay, and the command with a real supervisor."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from fake_clusters import FakeCluster

from ssiuml.cli.forward import Wanted, parse_forward
from ssiuml.cluster.forwarding import HOST, Forward
from ssiuml.errors import UsageError

LIMIT_S = 60.0
BIG = os.urandom(3_000_000)


@pytest.fixture
def server() -> Iterator[int]:
    """The port of a server that reads everything a client sends, then sends it back."""
    with socket.create_server((HOST, 0)) as listening:
        listening.settimeout(LIMIT_S)

        def serve() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                with client:
                    data = b""
                    while piece := client.recv(65536):
                        data += piece
                    client.sendall(data)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(LIMIT_S)


def echoed(port: int, data: bytes) -> bytes:
    """Send *data*, end the sending side, return all that comes back."""
    with socket.create_connection((HOST, port), LIMIT_S) as stream:

        def send() -> None:
            stream.sendall(data)
            stream.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        received = b""
        while piece := stream.recv(65536):
            received += piece
        sender.join(LIMIT_S)
        return received


def through(
    node_port: int, addresses: Callable[[], list[str]], use: Callable[[int], object], times: int = 1
) -> list[object]:
    """Call *use* with the number of a forwarded port, *times* times. Return the results."""

    async def work() -> list[object]:
        listening = socket.create_server((HOST, 0))
        forward = Forward(listening.getsockname()[1], None, node_port, addresses)
        await forward.open(listening)
        try:
            return [await asyncio.to_thread(use, forward.port) for _ in range(times)]
        finally:
            await forward.close()

    return asyncio.run(work())


def test_bytes_pass_both_ways_and_the_end_of_one_side_reaches_the_other(server: int) -> None:
    assert through(server, lambda: [HOST], lambda port: echoed(port, BIG)) == [BIG]


def test_a_node_that_does_not_answer_is_left_out(server: int) -> None:
    # Nothing listens on this address.
    addresses = ["127.0.0.99", HOST]
    assert through(server, lambda: addresses, lambda port: echoed(port, b"x"), times=3) == [b"x"] * 3


def test_a_connection_is_closed_if_no_node_is_ready(server: int) -> None:
    assert through(server, list, lambda port: echoed(port, b"")) == [b""]


@pytest.mark.parametrize(
    ("text", "wanted"), [("8080:1:80", Wanted(8080, 1, 80)), ("2222:22", Wanted(2222, None, 22))]
)
def test_a_forward_is_read(text: str, wanted: Wanted) -> None:
    assert parse_forward(text) == wanted


@pytest.mark.parametrize(
    "text", ["", "80", "80:", "1:2:3:4", "0:1:80", "8080:0:80", "65536:80", "a:1:80", "1:1:0"]
)
def test_what_is_no_forward_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(UsageError, match=f"'{text}'|'0' is not a node"):
        parse_forward(text)


def run(fake: FakeCluster, *words: str) -> tuple[int, str]:
    """Call the command for the fake cluster. Return its status and what it printed."""
    home = fake.path / "state"
    if not home.exists():
        home.mkdir()
        (home / "ssiuml").symlink_to(fake.path)
    done = subprocess.run(
        [sys.executable, "-m", "ssiuml.cli.forward", "--cluster", fake.folder.name, *words],
        env={**os.environ, "XDG_STATE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    return done.returncode, done.stdout + done.stderr


def free_port() -> int:
    with socket.create_server((HOST, 0)) as one:
        port: int = one.getsockname()[1]
        return port


def is_open(port: int) -> bool:
    with closing(socket.socket()) as one:
        return one.connect_ex((HOST, port)) == 0


def test_the_command_opens_shows_and_closes_a_port(three_fakes: FakeCluster) -> None:
    port = free_port()
    line = f"127.0.0.1:{port} leads to port 80 of node 1\n"
    assert run(three_fakes, f"{port}:1:80") == (0, line)
    assert is_open(port)
    assert run(three_fakes) == (0, line)
    assert run(three_fakes, "--remove", str(port)) == (0, "")
    assert not is_open(port)
    assert run(three_fakes) == (0, "")


def test_ports_are_closed_when_the_cluster_stops(three_fakes: FakeCluster) -> None:
    port = free_port()
    assert run(three_fakes, f"{port}:22")[0] == 0
    three_fakes.stop()
    assert not is_open(port)


def test_refusals_name_the_value_and_the_way_out(three_fakes: FakeCluster) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        assert run(three_fakes, f"{port}:1:80") == (
            2,
            f"error: port {port}: is in use by another program on this machine\n  give another\n",
        )
    status, said = run(three_fakes, f"{free_port()}:9:80")
    assert (status, "node 9: is not one of 1 to 4" in said) == (2, True)
    status, said = run(three_fakes, "--remove", "9999")
    assert (status, "port 9999: is not forwarded\n  forwarded ports: none" in said) == (2, True)


def test_without_a_cluster_the_command_says_how_to_start_one(fake: FakeCluster) -> None:
    status, said = run(fake, "8080:1:80")
    assert (status, "does not run\n  run ssi-start to start it" in said) == (2, True)
