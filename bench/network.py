"""The network between two nodes, the bridge of a cluster and uml_switch, in one run.

Run ``.venv/bin/python -m bench.network KERNEL [OLD]``, with iperf3 and iputils-ping on this machine.
KERNEL has the vector driver and hostfs, such as images/trixie/linux-ssi. OLD has uml_switch's driver, such as
that of Debian 12's user-mode-linux; it cannot run on processors with AMX. The nodes use the programs of this
machine by hostfs and write nothing.
"""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Interface
from pathlib import Path
from typing import NamedTuple

from ssiuml.cluster.namespace import bridge_prefix, switch_prefix
from ssiuml.cluster.network import Network
from ssiuml.cluster.ports import MAC, node_end

PROJECT = Path(__file__).parent.parent
LIMIT_S = 120.0
PINGS = 2000
SECONDS = 4
# Node 1 serves; node 2 measures and prints.
JOB = f"""#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /tmp
read -r words </proc/cmdline
for word in $words; do case $word in bench.node=*) node=${{word#*=}} ;; esac; done
[ ! -d /sys/class/net/vec0 ] || ip link set vec0 name eth0
ip address add 10.9.0.$node/24 dev eth0
ip link set lo up
ip link set eth0 up
if [ "$node" = 1 ]; then
	iperf3 -s >/dev/null 2>&1
else
	until ping -q -c 1 -W 1 10.9.0.1 >/dev/null; do :; done
	ping -q -c {PINGS} -i 0.002 10.9.0.1
	for try in 1 2 3 4 5; do iperf3 -f m -t {SECONDS} -c 10.9.0.1 && break; sleep 1; done
fi
echo bench: end
echo o >/proc/sysrq-trigger
sleep 9
"""


class Figures(NamedTuple):
    """What two nodes have measured."""

    mbit_s: float
    ping_ms: float  # average


@contextmanager
def node(kernel: str, folder: Path, number: int, interconnect: str) -> "Iterator[subprocess.Popen[str]]":
    """Run a node on the files of this machine. Yield its process; its standard output is the console."""
    argv = [
        *(kernel, "mem=128M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro"),
        *(f"init={folder}/job", f"bench.node={number}", f"uml_dir={folder}", f"umid=node{number}"),
        *("con=null", "con0=null,fd:1", interconnect),
    ]
    process = subprocess.Popen(
        argv,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, 9)
        process.communicate()


def measured(kernel: str, folder: Path, interconnects: Sequence[str]) -> Figures:
    """Run two nodes. Return what the second one has measured."""
    job = folder / "job"
    job.write_text(JOB)
    job.chmod(0o755)
    with (
        node(kernel, folder, 1, interconnects[0]) as server,
        node(kernel, folder, 2, interconnects[1]) as client,
    ):
        assert server.stdout is not None
        assert client.stdout is not None
        said = ""
        for line in client.stdout:
            said += line
            if line.startswith("bench: end"):
                break
    speed, ping = (
        re.search(r"([\d.]+) Mbits/sec +receiver", said),
        re.search(r"mdev = [\d.]+/([\d.]+)/", said),
    )
    assert speed, said
    assert ping, said
    return Figures(float(speed[1]), float(ping[1]))


def over_bridge(kernel: str, folder: Path) -> Figures:
    async def ports() -> None:
        network = Network(2)
        for number in (1, 2):
            await network.add_port(number)

    asyncio.run(ports())
    vector = "vec0:transport=raw,ifname={},mac={},depth=64,gro=1"
    return measured(kernel, folder, [vector.format(node_end(n), MAC.format(n)) for n in (1, 2)])


def over_switch(kernel: str, folder: Path) -> Figures:
    switch = subprocess.Popen(
        ["uml_switch", "-unix", folder / "switch"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        return measured(kernel, folder, [f"eth0=daemon,{MAC.format(n)},unix,{folder}/switch" for n in (1, 2)])
    finally:
        switch.kill()
        switch.wait()


def in_namespace(prefix: Sequence[str], way: str, kernel: str) -> Figures | None:
    """Measure in a namespace of its own. Return None if that kernel does not run here."""
    argv = [*prefix, sys.executable, "-m", "bench.network", way, str(Path(kernel).absolute())]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=LIMIT_S, cwd=PROJECT)
    match = re.search(r"^figures (\S+) (\S+)$", done.stdout, re.MULTILINE)
    if match is None:
        print("\n".join(done.stderr.splitlines()[-5:]))
        return None
    return Figures(float(match[1]), float(match[2]))


def main(words: Sequence[str]) -> None:
    ways = {"bridge": over_bridge, "switch": over_switch}
    if words[0] in ways:
        with tempfile.TemporaryDirectory(prefix="ssi.") as scratch:
            figures = ways[words[0]](words[1], Path(scratch))
        print(f"figures {figures.mbit_s} {figures.ping_ms}")
        return
    prefix = bridge_prefix(IPv4Interface("10.9.0.254/24"))
    bridge = in_namespace(prefix, "bridge", words[0])
    assert bridge is not None, f"{words[0]} does not run here"
    switch = in_namespace(switch_prefix(), "switch", words[1]) if len(words) > 1 else None
    for name, one in (("bridge", bridge), ("uml_switch", switch)):
        if one is not None:
            print(f"{name:12} {one.mbit_s:8.0f} Mbit/s    ping {one.ping_ms:6.3f} ms on average")
    if switch is not None:
        speed, ping = bridge.mbit_s / switch.mbit_s, bridge.ping_ms / switch.ping_ms
        print(f"ratios       {speed:8.1f} goal: at least 5   {ping:8.2f} goal: at most 1.5")


if __name__ == "__main__":
    main(sys.argv[1:])
