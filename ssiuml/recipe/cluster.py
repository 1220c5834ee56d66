"""The key `cluster`: the nodes, their network, and what keeps them together."""

from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Annotated, Final

from pydantic import Field

from ssiuml.errors import UsageError
from ssiuml.recipe import values as v
from ssiuml.recipe.problems import Problem
from ssiuml.recipe.section import Section

MAX_NODES: Final = 15

_Milliseconds = Annotated[int, v.within(30, 600_000, "write 30 or more: corosync takes no less than 30 ms")]
_Port = Annotated[int, v.within(1, 65_535, "write the number of a port")]


class Timings(Section):
    """When corosync takes a silent node for lost, in milliseconds."""

    token_ms: _Milliseconds = Field(description="silence after which a node is suspected")
    join_ms: _Milliseconds = Field(description="how long to wait for join messages")
    consensus_ms: _Milliseconds = Field(description="how long to wait for agreement, at least 1.2 x token_ms")


class LockServer(Section):
    """The node that keeps the locks of a GFS1 root, by memexp (HOWTO 2.4, 5.2: gfscf.cf)."""

    address: v.Address = Field(description="its address on the interconnect")
    port: _Port = Field(15697, description="where it listens")
    callback_port: _Port = Field(3001, description="where nodes listen for it (cbport)")
    timeout_s: Annotated[int, v.within(1, 3600, "write a number of seconds")] = Field(
        30, description="seconds after which a silent node is taken for lost"
    )
    stomith: v.Word = Field("NUN", description="how lost nodes are reset; NUN: not at all")


class Cluster(Section):
    """The nodes and their network."""

    node_limit: Annotated[
        int,
        v.within(1, MAX_NODES, f"write 1 to {MAX_NODES}, the numbers of nodes in the SSI/UML HOWTO"),
    ] = Field(description="the highest node number")
    network: v.Network = Field(description="the interconnect; node N has its Nth address")
    timings: Timings | None = Field(None, description="corosync's timeouts, for a root with lock_dlm")
    lock_server: LockServer | None = Field(None, description="the lock server, for a root with memexp")

    def address_of(self, node: int) -> IPv4Address:
        """Return the address of *node* on the interconnect. Raise UsageError if there is no such node."""
        if not 1 <= node <= self.node_limit:
            raise UsageError(f"node {node} does not exist: this cluster has nodes 1 to {self.node_limit}")
        return self.network.network_address + node

    def problems(self) -> Iterator[Problem]:
        """Yield what does not fit together within the cluster; the paths are those of the recipe."""
        # The first address names the network, the last one is the broadcast, the one before it is the host's.
        usable = max(self.network.num_addresses - 3, 0)
        if usable < self.node_limit:
            yield Problem(
                ("cluster", "network"),
                f"{self.network} has {usable} addresses for nodes, too few for "
                f"cluster.node_limit: {self.node_limit}",
                "take a larger network, such as 192.168.50.0/24",
            )
        if self.lock_server is not None:
            yield from self._lock_server_problems(self.lock_server)
        if self.timings is not None:
            yield from _timing_problems(self.timings)

    def _lock_server_problems(self, server: LockServer) -> Iterator[Problem]:
        path = ("cluster", "lock_server", "address")
        network = self.network
        ends = (network.network_address, network.broadcast_address)
        if server.address not in network or server.address in ends:
            yield Problem(
                path,
                f"{server.address} is not an address of cluster.network: {network}",
                f"take one of {network} above {self.node_limit} nodes' addresses",
            )
        elif int(server.address) - int(network.network_address) <= self.node_limit:
            number = int(server.address) - int(network.network_address)
            yield Problem(
                path,
                f"{server.address} is the address of node {number}",
                f"take one above {network.network_address + self.node_limit}",
            )
        if server.port == server.callback_port:
            yield Problem(
                ("cluster", "lock_server", "callback_port"), f"{server.port} is also the port", "take another"
            )


def _timing_problems(timings: Timings) -> Iterator[Problem]:
    # In whole numbers: 1.2 x 5 is 6.0 for people and a little less or more in binary.
    if timings.consensus_ms * 10 < timings.token_ms * 12:
        least_ms = -(-timings.token_ms * 12 // 10)
        yield Problem(
            ("cluster", "timings", "consensus_ms"),
            f"{timings.consensus_ms} is less than 1.2 x token_ms: {timings.token_ms}",
            f"set consensus_ms: {least_ms} or more; corosync requires it",
        )
    if timings.join_ms > timings.consensus_ms:
        yield Problem(
            ("cluster", "timings", "join_ms"),
            f"{timings.join_ms} is more than consensus_ms: {timings.consensus_ms}",
            f"set join_ms: {timings.consensus_ms} or less; corosync would not start otherwise",
        )
