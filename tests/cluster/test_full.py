"""Full disks of guest and host: no acknowledged line is lost, and the root is clean afterwards."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from clusters import LIMIT_S, Cluster
from programs import unshare

pytestmark = [pytest.mark.boot, pytest.mark.long]

FULL_LIMIT_S = 600.0


def test_a_full_root_is_an_error_for_the_writers_and_no_acknowledged_line_is_lost(cluster: Cluster) -> None:
    cluster.start(2)
    loads = cluster.load(1, 2)
    for load in loads:
        load.wait_for(10)
    fill = "dd if=/dev/zero of=/root/fill-{} bs=1M; sync"
    said = cluster.on(1, fill.format(1), FULL_LIMIT_S) + cluster.on(2, fill.format(2), FULL_LIMIT_S)
    assert said.count("No space left on device") == 2
    # The workload has ended with an error, or waits until it is ended. The nodes live.
    for load in loads:
        load.end()
    assert cluster.up() == {1, 2}
    cluster.check_load(loads, reader=2)
    # GFS2 of Linux 6.1 mostly looped in the kernel here, that of 7.3 does not.
    cluster.on(1, "rm /root/fill-1; sync")
    cluster.on(2, "rm -f /root/fill-2; echo room >/root/room; sync")
    assert cluster.up() == {1, 2}
    assert cluster.on(1, "cat /root/room") == "room\n"
    cluster.check_load(loads, reader=1)
    cluster.do("stop")
    cluster.fsck()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[tuple[str, ...]]:
    """Mount a small disk on *folder* in a mount namespace. Yield the words that start a program in it."""
    script = f'mount -t tmpfs -o size={size} tmpfs "$1" && echo mounted && exec cat'
    with subprocess.Popen(
        [*unshare("--map-root-user", "--mount"), "sh", "-c", script, "sh", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as keeper:
        assert keeper.stdout is not None
        if keeper.stdout.readline() != b"mounted\n":
            pytest.skip("this machine allows no user namespace, in which a small disk could be mounted")
        enter = ("nsenter", "--user", "--mount", "--preserve-credentials", "--target", str(keeper.pid), "--")
        yield enter
        assert keeper.stdin is not None
        keeper.stdin.close()
        keeper.wait(LIMIT_S)


def test_a_full_disk_of_the_host_loses_no_acknowledged_line(cluster: Cluster) -> None:
    allocated_mib = (cluster.images / "root_fs").stat().st_blocks * 512 >> 20
    with small_disk(cluster.state_home, f"{allocated_mib + 60}m") as enter:
        cluster.prefix = enter
        cluster.start(2)
        loads = cluster.load(1, 2)
        for load in loads:
            load.wait_for(10)
        cluster.run("exec", "1", "--", "dd if=/dev/zero of=/root/fill bs=1M; sync", limit_s=FULL_LIMIT_S)
        for load in loads:
            load.end()
        # A node that could not write has died, or its writers got errors. ssi-status still works.
        past = cluster.status()["past"]
        assert all("is full" in how for how in past.values()), past
        cluster.run("stop")
        room = ("mount", "-o", f"remount,size={allocated_mib + 900}m", str(cluster.state_home))
        subprocess.run([*enter, *room], check=True)
        cluster.start(2)
        cluster.check_load(loads, reader=2)
        cluster.on(1, "rm /root/fill; echo room >/root/room")
        assert cluster.on(2, "cat /root/room") == "room\n"
        cluster.do("stop")
        cluster.fsck()
        cluster.prefix = ()
