"""Nodes with a ready kernel of Debian: they share their root and no more."""

from collections.abc import Iterator

import pytest
from checkouts import Checkout
from clusters import START_LIMIT_S, Cluster, made_cluster

# These kernels lose events of their disk when the network is busy, and stand still for half a minute (see
# kernel/7.3/patches/0008). The test tells whether they work at all, not whether they always do.
pytestmark = [pytest.mark.boot, pytest.mark.long]


@pytest.fixture(scope="module")
def two(stock: Checkout) -> Iterator[Cluster]:
    """Two nodes. Afterwards the root must be clean."""
    with made_cluster(stock.images) as made:
        words = ("2", "--image", str(stock.images), "--no-xterm")
        status, said = made.run("start", *words, limit_s=START_LIMIT_S)
        if status != 0 and "This kernel is older than Linux 6.13" in said:
            pytest.skip("Linux 6.1 does not run on this machine's processor")
        assert status == 0, said
        yield made
        assert "the root is clean" in made.do("stop")
        made.fsck()


def test_nodes_of_debian_12_share_their_root(two: Cluster) -> None:
    assert two.on(1, "uname -r").startswith("6.1.")
    two.on(1, "hostname >/root/who")
    assert two.on(2, "cat /root/who; cat /etc/debian_version").splitlines()[0] == "node1"


def test_where_pid_reports_a_kernel_without_ranges(two: Cluster) -> None:
    status, said = two.run("exec", "1", "--", "where_pid $$")
    assert status == 1
    assert "where_pid: this kernel, 6.1." in said
    assert "gives the same process ids on every node" in said


def test_guest_processes_cannot_run_under_seccomp(two: Cluster) -> None:
    status, said = two.run("start", "1", "--image", str(two.images), "--userspace", "seccomp", "--no-xterm")
    assert status == 2
    assert "can run guest processes under ptrace only" in said
