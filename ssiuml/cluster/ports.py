"""Names and addresses of the ports of a cluster's bridge. The port of node N is a pair of interfaces."""

from typing import Final

# A locally administered address; the last byte is the node's number.
MAC: Final = "fe:fd:00:00:00:{:02x}"
BRIDGE: Final = "ssi0"
BRIDGE_MAC: Final = MAC.format(0xFE)


def bridge_end(node: int) -> str:
    """Return the name of the interface that belongs to the bridge."""
    return f"port{node}"


def node_end(node: int) -> str:
    """Return the name of the interface that the node opens."""
    return f"node{node}"


def mac_address(node: int) -> bytes:
    """Return a node's MAC address."""
    return bytes.fromhex(MAC.format(node).replace(":", ""))
