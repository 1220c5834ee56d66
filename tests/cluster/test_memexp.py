"""A cluster of Linux 2.4 with its lock server: the real commands, with a stand-in for the kernel."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import processes_of, wait_until
from project import PROJECT

from ssiuml import manifest
from ssiuml.host import files
from ssiuml.recipe.load import load_recipe

LIMIT_S = 120
# Prints the lines that linuxrc and the login of 2.4 print, then waits until it is killed.
KERNEL = """#!/usr/bin/env -S python3 -I -S
import sys, time
words = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
if words["umid"] == "memexp":
    if {server_works}:
        print("linuxrc: the lock server is running", flush=True)
else:
    print(f"linuxrc: node {{words['ssi.node']}}, 192.168.50.{{words['ssi.node']}}", flush=True)
    time.sleep(0.3)
    print("Red Hat Linux release 7.2 (Enigma)", flush=True)
    print(f"node{{words['ssi.node']}} login:", end=" ", flush=True)
time.sleep({stays_s})
"""


class Bench:
    """An image of the recipe rh72 without a kernel, and a home whose ssiuml.conf names one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.image = folder / "image"
        self.image.mkdir()
        loaded = load_recipe("rh72", PROJECT / "recipes")
        names = {
            "root_fs": "root_fs",
            "root_cidev": "root_cidev",
            "initrd": "initrd-ssi.img",
            "initrd_memexp": "initrd-memexp.img",
        }
        values = manifest.describe(
            loaded,
            images={key: {"file": name} for key, name in names.items()},
            kernel={"version": "2.4.16-21um", "parameters": []},
            base={},
            packages={},
            unverified=[],
            epoch=0,
        )
        manifest.write(self.image, values)
        for name in names.values():
            files.create(self.image / name, 1 << 20)
        (folder / "home" / ".ssiuml").mkdir(parents=True)

    def kernel(self, *, server_works: bool = True, stays_s: int = 600) -> None:
        path = self.folder / "linux-2.4"
        path.write_text(KERNEL.format(server_works=server_works, stays_s=stays_s))
        path.chmod(0o755)
        (self.folder / "home" / ".ssiuml" / "ssiuml.conf").write_text(f"KERNEL={path}\n")

    def call(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        environ = {
            **os.environ,
            "HOME": str(self.folder / "home"),
            "XDG_STATE_HOME": str(self.folder / "s"),
            "PYTHONPATH": str(PROJECT),
        }
        return subprocess.run(
            [sys.executable, "-m", f"ssiuml.cli.{name}", *words],
            capture_output=True,
            text=True,
            env=environ,
            stdin=subprocess.DEVNULL,
            timeout=LIMIT_S,
            check=False,
        )

    def start(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.call("start", *words, "--image", str(self.image), "--no-xterm")


@pytest.fixture
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("m"))


def test_a_dry_run_prints_switch_lock_server_and_nodes(bench: Bench) -> None:
    bench.kernel()
    done = bench.start("2", "--dry-run", "--append", "debug")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sum("uml_switch" in line for line in lines) == 1
    files = {line.split()[3]: line.split()[2] for line in lines if line.startswith("ln -s ")}
    server, *nodes = lines[-3:]
    assert "initrd=memexp.initrd" in server.split()
    assert files["memexp.initrd"] == f"{bench.image}/initrd-memexp.img"
    assert "umid=memexp" in server
    assert "ubd1=memexp.ubd1" in server.split()
    assert files["memexp.ubd1"] == f"{bench.image}/root_cidev"
    assert "ubd0=" not in server
    for number, node in enumerate(nodes, 1):
        words = node.split()
        assert words[0] == str(bench.folder / "linux-2.4")
        name = f"node{number}"
        assert {f"initrd={name}.initrd", f"ubd0={name}.ubd0", f"ubd1={name}.ubd1"} <= set(words)
        assert files[f"{name}.initrd"] == f"{bench.image}/initrd-ssi.img"
        assert files[f"{name}.ubd0"].endswith("/root_fs")
        assert files[f"{name}.ubd1"] == f"{bench.image}/root_cidev"
        assert any(word.startswith(f"eth0=daemon,fe:fd:00:00:00:0{number},unix,") for word in words)
        assert {
            f"ssi.node={number}",
            f"umid=node{number}",
            "root=/dev/ram0",
            "init=/linuxrc",
            "debug",
        } <= set(words)
    assert not (bench.folder / "s").exists()


def test_a_root_that_names_another_file_as_its_lower_layer_is_not_given_to_linux_24(bench: Bench) -> None:
    """Without a flag that 2.4 lacks, the kernel opens that file of the host."""
    bench.kernel()
    with (bench.image / "root_fs").open("r+b") as stream:
        stream.write(b"OOOM" if sys.byteorder == "big" else b"MOOO")
    done = bench.start("1")
    assert done.returncode == 1
    root = bench.folder / "s/ssiuml/default/root_fs"
    assert (
        f"cannot be started: {root}: is a copy-on-write file of User-Mode Linux, which names another file\n"
        in done.stdout + done.stderr
    )


def test_a_cluster_starts_the_lock_server_first_then_nodes_and_ends_all(bench: Bench) -> None:
    bench.kernel()
    done = bench.start("2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 nodes ready" in done.stdout
    status = json.loads(bench.call("status", "--json").stdout)
    assert {number: node["phase"] for number, node in status["nodes"].items()} == {"1": "ready", "2": "ready"}
    assert len(processes_of("umid=memexp")) >= 1
    assert bench.call("add", "3").returncode == 0
    assert bench.call("rm", "2").returncode == 0
    status = json.loads(bench.call("status", "--json").stdout)
    assert set(status["nodes"]) == {"1", "3"}
    log = (bench.folder / "s" / "ssiuml" / "default" / "console-1.log").read_text()
    assert "node1 login:" in log
    stopped = bench.call("stop")
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    assert "journals are replayed at the next start" in stopped.stdout + stopped.stderr
    assert processes_of(str(bench.folder)) == []


def test_a_switch_that_has_ended_is_shown_and_no_node_is_added(bench: Bench) -> None:
    bench.kernel()
    assert bench.start("1").returncode == 0
    state = json.loads((bench.folder / "s" / "ssiuml" / "default" / "state.json").read_text())
    os.kill(state["helpers"][0][0], signal.SIGKILL)
    wait_until(lambda: "the switch has ended" in bench.call("status").stdout, "the switch's end")
    added = bench.call("add", "2")
    assert added.returncode == 1, "the call is right"
    assert "the switch of this cluster has ended" in added.stderr
    bench.call("stop")


def test_a_lock_server_that_does_not_start_is_reported_and_everything_ends(bench: Bench) -> None:
    bench.kernel(server_works=False, stays_s=0)
    done = bench.start("1")
    assert done.returncode == 1
    assert "the lock server does not start" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    wait_until(lambda: processes_of(str(bench.folder)) == [], "nothing runs any more")


def test_an_image_without_a_kernel_is_refused_with_the_key_that_names_one(bench: Bench) -> None:
    done = bench.start("1")
    assert done.returncode in (1, 2)
    assert "KERNEL=" in done.stderr
    assert "Traceback" not in done.stderr
