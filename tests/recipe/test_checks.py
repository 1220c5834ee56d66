"""Values that do not fit together, and several errors at once."""

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

from ssiuml.recipe.checks import RULES
from ssiuml.recipe.model import Recipe

ErrorOf = Callable[[str], str]
Write = Callable[[str, str], Path]

# Text below `extends: base`, and the message.
WRONG_TOGETHER = [
    (
        "cluster:\n  node_limit: 4\n  network: 192.168.50.0/29",
        "recipes/base.yaml:12: filesystem.journals: "
        "3 is too few for cluster.node_limit: 4\n"
        "  set journals: 4 or more; every node that mounts the root needs its own journal",
    ),
    (
        "filesystem:\n  journals: 2",
        "recipes/mine.yaml:3: filesystem.journals: "
        "2 is too few for cluster.node_limit: 3\n"
        "  set journals: 3 or more; every node that mounts the root needs its own journal",
    ),
    (
        "filesystem: {lock_protocol: lock_nolock}",
        "recipes/mine.yaml:2: filesystem.lock_protocol: "
        "lock_nolock is for one node, and cluster.node_limit is 3\n"
        "  set lock_dlm, or node_limit: 1; nodes that write without locks destroy the file system",
    ),
    (
        "sizes: {root_fs: 87 MiB}",
        "recipes/mine.yaml:2: sizes.root_fs: 87 MiB is too small: "
        "3 journals of 8 MiB and 64 MiB for files need at least 88 MiB\n"
        "  make root_fs larger, or set fewer or smaller journals in filesystem",
    ),
    (
        "sizes: {root_fs: 200 MiB}\nfilesystem: {journal_size: 40 MiB}",
        "recipes/mine.yaml:2: sizes.root_fs: 200 MiB is too small: "
        "3 journals of 40 MiB and 64 MiB for files need at least 240 MiB\n"
        "  make root_fs larger, or set fewer or smaller journals in filesystem",
    ),
    (
        "sizes: {root_fs: 999999999 TiB}",
        "recipes/mine.yaml:2: sizes.root_fs: 999999999 TiB is too large for gfs2\n"
        "  set root_fs: 128 TiB or less",
    ),
    (
        "sizes: {root_fs: 104857601}",
        "recipes/mine.yaml:2: sizes.root_fs: 104857601 bytes is not a "
        "multiple of filesystem.block_size: 4096\n  write it in MiB",
    ),
    (
        "cluster: {network: 192.168.50.0/30}",
        "recipes/mine.yaml:2: cluster.network: "
        "192.168.50.0/30 has 1 addresses for nodes, too few for cluster.node_limit: 3\n"
        "  take a larger network, such as 192.168.50.0/24",
    ),
    (
        "cluster: {network: 192.168.50.0/32}",
        "recipes/mine.yaml:2: cluster.network: "
        "192.168.50.0/32 has 0 addresses for nodes, too few for cluster.node_limit: 3\n"
        "  take a larger network, such as 192.168.50.0/24",
    ),
    (
        "cluster: {timings: {token_ms: 2001}}",
        "recipes/base.yaml:19: cluster.timings.consensus_ms: "
        "2400 is less than 1.2 x token_ms: 2001\n  set consensus_ms: 2402 or more; corosync requires it",
    ),
    (
        "cluster: {timings: {join_ms: 2401}}",
        "recipes/mine.yaml:2: cluster.timings.join_ms: 2401 is more than consensus_ms: 2400\n"
        "  set join_ms: 2400 or less; corosync would not start otherwise",
    ),
]


@pytest.mark.parametrize(("text", "message"), WRONG_TOGETHER)
def test_values_that_do_not_fit_together_are_an_error_that_names_both(
    error_of: ErrorOf, text: str, message: str
) -> None:
    assert error_of(f"extends: base\n{text}\n") == message


def test_all_errors_are_reported_at_once_by_file_and_line(write: Write, error_of: ErrorOf) -> None:
    write("middle", "extends: base\nfilesystem: {journals: 2}\n")
    assert error_of(
        "extends: middle\nprune: [ssh, ssh]\ndescription: a\ncluster: {timings: {token: 3}}\n"
        "description: b\nsizes: {root_fs: 1 MiB}\n"
    ).splitlines()[::2] == [
        "recipes/mine.yaml:2: prune[1]: 'ssh' is listed twice, it is item 1 already",
        "recipes/mine.yaml:4: cluster.timings.token: there is no such key",
        "recipes/mine.yaml:5: description: is set twice, at line 3 already",
        "recipes/mine.yaml:6: sizes.root_fs: 1 MiB is too small: 2 journals of 8 MiB and 64 MiB for files "
        "need at least 80 MiB",
    ]


def test_broken_rules_are_reported_together_with_other_errors(error_of: ErrorOf) -> None:
    text = "extends: base\ndescription: yes\nfilesystem: {journals: 2}\n"
    assert error_of(text).splitlines()[::2] == [
        "recipes/mine.yaml:2: description: yes is true or false to YAML, expected text",
        "recipes/mine.yaml:3: filesystem.journals: 2 is too few for cluster.node_limit: 3",
    ]


def test_each_rule_compares_keys_of_the_recipe() -> None:
    """A rule with another parameter would never run."""
    keys = {key for check in RULES for key in inspect.signature(check).parameters}
    assert keys <= Recipe.model_fields.keys()
    assert len(RULES) > 10
