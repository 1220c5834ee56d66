"""Clusters that are stopped, and what is said about their root. fake_node.py stands in for the nodes."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from crashed_images import crash, damage_journal, healthy_image
from editable_image import EditableImage
from fake_clusters import LIMIT_S, FakeCluster
from processes import wait_until

from ssiuml.cluster import process, state
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.cluster.root_copy import lock_root
from ssiuml.cluster.stopping import check_root_after_crash
from ssiuml.host import run


def test_nodes_are_ready_then_stopped_in_order_and_nothing_is_left(three_fakes: FakeCluster) -> None:
    pids = [three_fakes.pid(node) for node in (1, 2, 3)]
    assert three_fakes.nodes() == {"1": "ready", "2": "ready", "3": "ready"}
    answer = three_fakes.stop()
    assert (answer["ok"], answer["failed"]) == (True, {})
    assert [process.group_members(pid) for pid in pids] == [[], [], []]
    left = {path.name for path in three_fakes.folder.path.iterdir()}
    assert left.isdisjoint({"state.json", "supervisor.sock", "switch.ctl", "uml", "line-1.sock"})
    os.close(lock_root(three_fakes.folder.root_fs))


def test_stop_kills_a_node_that_hangs_and_the_others_leave_in_order(three_fakes: FakeCluster) -> None:
    os.killpg(three_fakes.pid(2), signal.SIGSTOP)
    answer = three_fakes.stop()
    assert list(answer["failed"]) == ["2"]
    assert "does not answer" in answer["failed"]["2"]
    assert not answer["ok"]


def test_stop_kills_nodes_that_have_not_ended_within_the_limit(three_fakes: FakeCluster) -> None:
    three_fakes.order(2, "deaf")
    three_fakes.order(3, "sluggish")
    answer = three_fakes.stop(limit_s=1.0)
    assert sorted(answer["failed"]) == ["2", "3"]
    assert "does not answer" in answer["failed"]["2"]
    assert "had not ended within 1 s" in answer["failed"]["3"]


def test_a_supervisor_that_is_terminated_stops_its_nodes_in_order(three_fakes: FakeCluster) -> None:
    current = state.read_state(three_fakes.folder)
    assert current is not None
    os.kill(current.supervisor.pid, signal.SIGTERM)
    wait_until(lambda: not process.is_alive(current.supervisor), "the supervisor's end", LIMIT_S)
    assert "node 1: is dead: left in order" in three_fakes.folder.log.read_text()
    assert not three_fakes.folder.state.exists()


def crashed_folder(path: Path, image: EditableImage) -> ClusterFolder:
    """Return a cluster's folder with this root, after the crash of a node."""
    folder = ClusterFolder(path / "c")
    folder.make()
    folder.root_fs.write_bytes(image.data)
    folder.crashed.touch()
    return folder


def test_a_root_whose_journals_wait_for_the_next_start_is_never_to_be_thrown_away(tmp_path: Path) -> None:
    image = healthy_image(tmp_path)
    crash(image, "hashed", "statfs")
    folder = crashed_folder(tmp_path, image)
    assert (
        subprocess.run(["fsck.gfs2", "-n", folder.root_fs], capture_output=True, check=False).returncode == 8
    )
    is_clean, said = check_root_after_crash(folder, folder.root_fs)
    assert (is_clean, said) == (False, "the root is not clean, its journals are replayed at the next start")
    assert folder.crashed.exists()
    # fsck.gfs2 replays the journals, as the kernel does at the next start.
    assert (
        subprocess.run(["fsck.gfs2", "-y", folder.root_fs], capture_output=True, check=False).returncode == 1
    )
    assert check_root_after_crash(folder, folder.root_fs) == (True, "checked after a crash")
    assert not folder.crashed.exists()


def test_a_root_that_is_only_dirty_does_not_count_as_checked(tmp_path: Path) -> None:
    image = healthy_image(tmp_path)
    crash(image)
    folder = crashed_folder(tmp_path, image)
    assert (
        subprocess.run(["fsck.gfs2", "-n", folder.root_fs], capture_output=True, check=False).returncode == 0
    )
    assert not check_root_after_crash(folder, folder.root_fs)[0]
    assert folder.crashed.exists()


def test_a_damaged_root_comes_with_what_fsck_says_and_both_ways_out(tmp_path: Path) -> None:
    image = healthy_image(tmp_path)
    damage_journal(image)
    folder = crashed_folder(tmp_path, image)
    root = folder.root_fs
    assert check_root_after_crash(folder, root) == (
        False,
        f"the root is not clean, {root}: is damaged, fsck.gfs2 -n says:\n"
        '    Journal #1 ("journal0") is corrupt\n    Not fixing it due to the -n option.\n'
        "    jid=0: Failed\n    jid=0: journal not cleared.\n"
        f"  run fsck.gfs2 -y {root} to repair it; only if that fails, ssi-start --fresh, "
        "which copies the image again and loses what was written to this root",
    )


def test_a_root_that_fsck_cannot_read_is_not_called_damaged(tmp_path: Path) -> None:
    folder = crashed_folder(tmp_path, healthy_image(tmp_path))
    folder.root_fs.rename(tmp_path / "elsewhere")
    root = folder.root_fs
    assert check_root_after_crash(folder, root) == (
        False,
        f"the root could not be checked: {root}: fsck.gfs2 -n ends with status 16 and no verdict:\n"
        f"    Unable to open device: {root}\n"
        f"  run fsck.gfs2 -n {root} to check it, or ssi-start to go on with it",
    )
    assert folder.crashed.exists()


def test_without_fsck_the_root_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = crashed_folder(tmp_path, healthy_image(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(run, "SYSTEM_DIRS", ())
    is_clean, said = check_root_after_crash(folder, folder.root_fs)
    assert not is_clean
    assert said.splitlines()[0] == (
        "the root could not be checked: the program 'fsck.gfs2' is not on this machine"
    )
    assert "--fresh" not in said
