"""Requests to a supervisor. fake_node.py stands in for the nodes."""

import pytest
from fake_clusters import LIMIT_S, FakeCluster

from ssiuml.cluster.client import ask, connect
from ssiuml.cluster.protocol import encode
from ssiuml.errors import UsageError


def test_a_wrong_request_is_refused_and_the_next_one_served(three_fakes: FakeCluster) -> None:
    for line in (b"\n", b"{}\n", b"[]\n", b'{"do": "fly"}\n', b'{"do": "start"}\n', b"\xff\n"):
        with connect(three_fakes.folder) as stream:
            stream.sendall(line)
            assert b"not a request" in stream.makefile("rb").readline()
    assert len(three_fakes.nodes()) == 3


@pytest.mark.parametrize("node", [0, 5, 16])
def test_nodes_that_the_image_does_not_have_are_refused(three_fakes: FakeCluster, node: int) -> None:
    for request in (
        {"do": "start", "nodes": [node]},
        {"do": "kill", "nodes": [node]},
        {"do": "connect", "node": node},
    ):
        with pytest.raises(UsageError, match=f"node {node}: is not one of 1 to 4"):
            ask(three_fakes.folder, request, limit_s=LIMIT_S)


def test_two_commands_can_watch_a_console_and_its_log_goes_on(three_fakes: FakeCluster) -> None:
    with connect(three_fakes.folder) as one, connect(three_fakes.folder) as two:
        for stream in (one, two):
            stream.sendall(encode({"do": "console", "node": 1}))
            lines = stream.makefile("rb")
            assert lines.readline().startswith(b'{"ok": true')
            assert b"fake node 1 boots" in lines.readline()
    three_fakes.type(1, "fence 9 4 1 2 3")
    three_fakes.wait_heard(1, "fenced 9 ok")
