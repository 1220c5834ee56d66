"""The key `cluster`: the nodes, their network, and what keeps them together."""

from ipaddress import IPv4Address
from typing import Annotated, Final

from pydantic import Field

from ssiuml.errors import UsageError
from ssiuml.recipe import values as v
from ssiuml.recipe.section import Section

MAX_NODES: Final = 15

_Milliseconds = Annotated[int, v.within(30, 600_000, "corosync takes no less than 30 ms")]
_Port = Annotated[int, v.within(1, 65_535, "that is what a port can be")]


class Timings(Section):
    """When corosync holds a silent node for lost, in milliseconds."""

    token_ms: _Milliseconds = Field(description="silence after which a node is suspected")
    join_ms: _Milliseconds = Field(description="how long to wait for join messages")
    consensus_ms: _Milliseconds = Field(description="how long to wait for agreement, at least 1.2 x token_ms")


class LockServer(Section):
    """The node that keeps the locks of a GFS1 root, by memexp (HOWTO 2.4, 5.2: gfscf.cf)."""

    address: v.Address = Field(description="its address on the interconnect")
    port: _Port = Field(15697, description="where it listens")
    callback_port: _Port = Field(3001, description="where nodes listen for it (cbport)")
    timeout_s: Annotated[int, v.within(1, 3600, "seconds of silence")] = Field(
        30, description="seconds after which a silent node is held for lost"
    )
    stomith: v.Word = Field("NUN", description="how lost nodes are reset; NUN: not at all")


class Cluster(Section):
    """The nodes and their network."""

    node_limit: Annotated[
        int, v.within(1, MAX_NODES, f"nodes are numbered 1-{MAX_NODES}, as in the SSI/UML HOWTO")
    ] = Field(description="the highest node number")
    network: v.Network = Field(description="the interconnect; node N has its Nth address")
    timings: Timings | None = Field(None, description="corosync's timeouts, for a root with lock_dlm")
    lock_server: LockServer | None = Field(None, description="the lock server, for a root with memexp")

    def address_of(self, node: int) -> IPv4Address:
        """Return the address of *node* on the interconnect; UsageError if there is no such node."""
        if not 1 <= node <= self.node_limit:
            raise UsageError(f"node {node} does not exist: this cluster has nodes 1 to {self.node_limit}")
        return self.network.network_address + node
