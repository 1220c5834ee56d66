"""Timings of a cluster on this machine, from the image's timings for a quiet one with up to three nodes."""

from typing import Final

QUIET_NODES: Final = 3
PER_NODE_MS: Final = 250
# With fewer processors than a quarter of the nodes, each waits for its turn.
NODES_PER_CORE: Final = 4
STAGGER_ABOVE: Final = 4


def token_ms(image_token_ms: int, nodes: int, cores: int) -> int:
    """How long the token may be away before a node is expelled; the same for all nodes of a cluster."""
    token = image_token_ms + PER_NODE_MS * max(0, nodes - QUIET_NODES)
    return 2 * token if cores * NODES_PER_CORE < nodes else token


def starting_at_once(nodes: int, cores: int) -> int:
    """How many nodes may be between the start of their process and their first membership."""
    return nodes if nodes <= STAGGER_ABOVE else max(2, cores)


def expected_members(others_up: int, starting: int) -> int:
    """``ssi.expect`` of a node: members that it waits for before it goes on."""
    return 2 if others_up else starting
