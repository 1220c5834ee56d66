"""Clusters in folders whose names have letters that kernels, ssh and sockets take apart, and in deep ones."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from checkouts import Checkout, link_or_copy
from clusters import Cluster
from fake_clusters import TOGETHER, FakeCluster
from odd_names import PRINTABLE

from ssiuml.cluster import command_lines, ssh
from ssiuml.cluster.paths import ClusterFolder

DEEP = "/".join(["deep" * 30] * 8)  # longer than the address of any socket


@pytest.mark.parametrize("letter", PRINTABLE)
def test_no_name_of_a_folder_reaches_a_command_line_that_is_taken_apart(tmp_path: Path, letter: str) -> None:
    odd = f"x{letter}y"
    fake = FakeCluster(tmp_path / odd)
    plan = replace(fake.plan, kernel=Path("/linux"))
    machine = command_lines.node_machine(fake.folder, plan, 1, expect=1, control_fd=3)
    machine.prepare()
    lines = [
        machine.argv,
        command_lines.switch_command(fake.folder),
        ssh.master_command(fake.folder, 1, "192.168.50.1"),
        ssh.session_command(fake.folder, 1, ["true"], terminal=False),
    ]
    assert [word for line in lines for word in line if odd in word or str(tmp_path) in word] == []
    opened = dict(word.split("=", 1) for word in machine.argv if word.startswith(("initrd=", "ubd0cd=")))
    assert {(machine.folder / name).read_bytes() for name in opened.values()} == {b"initrd", b"root"}


@pytest.fixture
def odd_home() -> Iterator[Path]:
    top = Path(tempfile.mkdtemp(prefix="ssi."))
    yield top / "".join(PRINTABLE) / DEEP
    shutil.rmtree(top)


def test_a_supervisor_serves_in_a_deep_folder_with_every_letter(odd_home: Path) -> None:
    odd_home.mkdir(parents=True)
    fake = FakeCluster(odd_home)
    fake.boot_script(TOGETHER)
    fake.launch()
    try:
        assert fake.start(1, 2, 3)["ok"]
    finally:
        fake.stop()


@pytest.mark.boot
def test_nodes_run_in_deep_folders_with_every_letter(
    built: Checkout, odd_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, temporary = odd_home / "images", odd_home / "tmp"
    temporary.mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(temporary))
    shutil.copytree(
        built.images, images, ignore=shutil.ignore_patterns("layers", "work"), copy_function=link_or_copy
    )
    cluster = Cluster(images, odd_home)
    try:
        cluster.start(2)
        assert cluster.on(1, "cat /sys/block/ubda/size").strip().isdigit()
        assert cluster.status()["nodes"]["2"]["members"] == [1, 2]
        (odd_home / "file").write_text("text")
        cluster.do("cp", str(odd_home / "file"), "1:/root/copy")
        cluster.do("cp", "2:/root/copy", str(temporary))
        assert (temporary / "copy").read_text() == "text"
        assert "the root is clean" in cluster.do("stop")
    finally:
        cluster.end()


def test_ssh_reads_the_names_of_files_as_they_are_meant(tmp_path: Path) -> None:
    """ssh itself says what it has read: -G prints the settings and connects to nothing."""
    folder = ClusterFolder(tmp_path / "".join(PRINTABLE))
    folder.make()
    words = ssh.master_command(folder, 1, "192.168.50.1")
    done = subprocess.run(
        [words[0], "-G", *words[1:]], cwd=folder.path, capture_output=True, text=True, check=True, timeout=60
    )
    read = dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
    assert read["controlpath"] == "ssh-1"
    assert read["identityfile"] == "keys/user_key"
    assert read["userknownhostsfile"] == "keys/known_hosts"
    assert (read["hostname"], read["port"]) == ("192.168.50.1", "922")
