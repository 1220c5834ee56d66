"""Nodes start and are followed until they are ready. fake_node.py stands in for the nodes."""

from dataclasses import replace

import pytest
from fake_clusters import FakeCluster

from ssiuml.cluster.launch_plan import write_launch_plan
from ssiuml.cluster.starting import starting_at_once


@pytest.mark.parametrize(
    ("nodes", "cores", "at_once"), [(3, 1, 3), (4, 1, 4), (5, 1, 2), (15, 2, 2), (15, 8, 8)]
)
def test_more_than_four_nodes_are_started_a_few_at_a_time(nodes: int, cores: int, at_once: int) -> None:
    assert starting_at_once(nodes, cores) == at_once


def test_events_report_the_phases_of_a_node_in_order(fake: FakeCluster) -> None:
    fake.launch()
    _, events = fake.ask("start", nodes=[1])
    assert [event["phase"] for event in events] == ["started", "member", "mounting", "mounted", "ready"]


def test_a_node_that_dies_while_it_boots_is_reported_with_the_end_of_its_console(fake: FakeCluster) -> None:
    fake.boot_script("members 1\nexit\n", 2)
    fake.launch()
    answer, events = fake.ask("start", nodes=[1, 2])
    assert (answer["ok"], answer["failed"]) == (False, [2])
    (failed,) = [event for event in events if event["phase"] == "failed"]
    assert "status 3" in failed["reason"]
    assert "out of luck" in failed["tail"]
    assert fake.nodes() == {"1": "ready"}


def test_a_node_that_reports_why_it_failed_is_shown_with_that_reason(fake: FakeCluster) -> None:
    fake.boot_script("failed root: no such device\nexit\n")
    fake.launch()
    _, events = fake.ask("start", nodes=[1])
    assert events[-1]["reason"] == "root: no such device"


def test_a_node_that_hangs_while_it_boots_is_killed_after_the_limit(fake: FakeCluster) -> None:
    write_launch_plan(fake.folder.plan, replace(fake.plan, ready_limit_s=5.0))
    fake.boot_script("members 1\nhang\n")
    fake.launch()
    answer, events = fake.ask("start", nodes=[1])
    assert answer["failed"] == [1]
    assert "not ready within 5 s; the last phase it reached is 'member'" in events[-1]["reason"]
    assert fake.nodes() == {}


def test_a_node_whose_kernel_is_missing_fails(fake: FakeCluster) -> None:
    write_launch_plan(fake.folder.plan, replace(fake.plan, kernel=fake.path / "absent"))
    fake.launch()
    answer, events = fake.ask("start", nodes=[1])
    assert (answer["ok"], events[-1]["phase"]) == (False, "failed")


def test_nodes_that_run_are_skipped_and_reported(three_fakes: FakeCluster) -> None:
    answer, events = three_fakes.ask("start", nodes=[1, 2])
    assert (answer["ok"], answer["started"]) == (True, [])
    assert {(event["event"], event["node"]) for event in events} == {("skipped", 1), ("skipped", 2)}
