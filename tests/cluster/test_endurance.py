"""Long series of crashes, and a cluster of 15 nodes (./run test-long)."""

import statistics
import time

import pytest
from checkouts import Checkout
from clusters import RECOVERY_LIMIT_S, TOKEN_S, Cluster, made_cluster

pytestmark = [pytest.mark.boot, pytest.mark.long]

ROUNDS = 30
NODES = 15
FIFTEEN = f"""\
description: {NODES} nodes with small journals
extends: trixie-min
sizes: {{root_fs: 2 GiB}}
filesystem: {{journals: {NODES}}}
cluster: {{node_limit: {NODES}}}
"""


def test_many_crashes_and_pauses_under_load_lose_nothing_and_the_root_stays_clean(cluster: Cluster) -> None:
    cluster.start(3)
    gaps = []
    for number in range(ROUNDS):
        victim = number % 3 + 1
        others = [node for node in (1, 2, 3) if node != victim]
        loads = cluster.load(1, 2, 3)
        for load in loads:
            load.wait_for(5)
        survivors = [load for load in loads if load.node != victim]
        if number % 2:
            with cluster.paused(victim, 2 * TOKEN_S):
                for load in survivors:
                    load.wait_for(5, RECOVERY_LIMIT_S)
        else:
            cluster.do("rm", str(victim))
            for load in survivors:
                load.wait_for(5, RECOVERY_LIMIT_S)
        assert cluster.up() == set(others)
        for load in loads:
            load.end()
        cluster.check_load(loads, reader=others[1])
        cluster.on(others[0], f"rm -rf {loads[0].folder}")  # also what the dead node has made
        gaps.append(max(load.longest_gap_s for load in survivors))
        print(f"round {number + 1}: node {victim}, the others waited {gaps[-1]:.1f} s", flush=True)
        cluster.add(victim)
        if number % 10 == 9:
            print(cluster.do("stop").splitlines()[-1], flush=True)
            cluster.fsck()
            cluster.start(3)
    print(f"{ROUNDS} rounds: median {statistics.median(gaps):.1f} s, longest {max(gaps):.1f} s")
    cluster.do("stop")
    cluster.fsck()


def test_fifteen_nodes_form_one_cluster_survive_a_crash_and_leave_in_order(built: Checkout) -> None:
    checkout = built.write_recipe("fifteen", FIFTEEN)
    checkout.build()
    all_nodes = list(range(1, NODES + 1))
    with made_cluster(checkout.images) as cluster:
        started = time.monotonic()
        cluster.start(NODES)
        print(f"{NODES} nodes ready in {time.monotonic() - started:.0f} s")
        nodes = cluster.status()["nodes"]
        assert [nodes[str(node)]["members"] for node in all_nodes] == [all_nodes] * NODES
        memory = [node["memory_bytes"] / (1 << 20) for node in nodes.values()]
        print(f"memory per node: median {statistics.median(memory):.0f} MiB, most {max(memory):.0f} MiB")
        loads = cluster.load(*all_nodes, pause_s=2.0)
        for load in loads:
            load.wait_for(3, 600)
        cluster.do("rm", "7")
        for load in loads:
            if load.node != 7:
                load.wait_for(2, 600)
        assert cluster.up() == set(all_nodes) - {7}
        for load in loads:
            load.end()
        gaps = [load.longest_gap_s for load in loads if load.node != 7]
        print(f"after the crash of one the others waited {max(gaps):.0f} s at most")
        cluster.check_load(loads, reader=15)
        cluster.add(7)
        cluster.do("stop", "--limit", "300")
        cluster.fsck()
