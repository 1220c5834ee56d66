"""A supervisor with its root, its network and its folder. fake_node.py stands in for the nodes."""

from dataclasses import replace

import pytest
from fake_clusters import FakeCluster

from ssiuml.cluster.launch_plan import write_launch_plan
from ssiuml.cluster.root_copy import lock_root
from ssiuml.errors import SsiumlError


def test_a_supervisor_that_cannot_start_reports_why(fake: FakeCluster) -> None:
    fake.folder.plan.write_text("{")
    with pytest.raises(SsiumlError, match=r"plan\.json: cannot be read"):
        fake.launch()


def test_no_second_cluster_gets_a_root_that_is_in_use(three_fakes: FakeCluster) -> None:
    with pytest.raises(SsiumlError, match="is in use"):
        lock_root(three_fakes.folder.root_fs)
    other = FakeCluster(three_fakes.path / "other")
    write_launch_plan(other.folder.plan, replace(other.plan, root_fs=three_fakes.folder.root_fs))
    with pytest.raises(SsiumlError, match="is in use"):
        other.launch()


def test_only_the_owner_can_read_the_folder(three_fakes: FakeCluster) -> None:
    assert three_fakes.folder.path.stat().st_mode & 0o777 == 0o700
    for path in three_fakes.folder.path.iterdir():
        if path.is_socket() or path.name.startswith("console"):
            assert path.stat().st_mode & 0o077 == 0, path
