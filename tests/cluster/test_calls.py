"""Calls of the commands that boot nothing: wrong ones, help, --dry-run."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from programs import unshare

COMMANDS = ("add", "console", "cp", "exec", "forward", "rm", "start", "status", "stop")
LIMIT_S = 60.0


class Caller:
    """Calls commands with a home, a state folder and an image of its own (three nodes)."""

    def __init__(self, home: Path, image: Path) -> None:
        self.home = home
        self.image = image

    def __call__(self, command: str, *words: str, prefix: Sequence[str] = ()) -> tuple[int, str]:
        done = subprocess.run(
            [*prefix, sys.executable, "-m", f"ssiuml.cli.{command}", *words],
            env={**os.environ, "HOME": str(self.home), "XDG_STATE_HOME": str(self.home / "s")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
        assert "Traceback" not in done.stdout
        return done.returncode, done.stdout

    def start(self, *words: str, prefix: Sequence[str] = ()) -> tuple[int, str]:
        return self("start", "--image", str(self.image), *words, prefix=prefix)


@pytest.fixture
def call(short_path: Path, make_image: Callable[..., Path]) -> Caller:
    return Caller(short_path, make_image(short_path / "image"))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(call: Caller, command: str) -> None:
    status, output = call(command, "--help")
    assert status == 0
    assert f"examples:\n  ssi-{command}" in output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["0"], "N: '0' is not a number of nodes\n  give 1 to 3 with this image"),
        (["4"], "N: 4 is more than the 3 nodes of this image, every node needs a journal"),
        (["16"], "N: 16 is more than the 3 nodes of this image"),
        (["many"], "N: 'many' is not a number of nodes"),
        (["-1"], "N: '-1' is not a number of nodes"),
        (["--memory", "much"], "--memory: "),
        (["--memory", "8M"], "--memory 8M: is too little for a node\n  give 96M or more"),
        (["--limit", "0"], "--limit 0: is not 1 to 86400 seconds"),
        (["--fresh", "--keep"], "exclude each other"),
        (["--plan-for", "9"], "--plan-for: 9 is more than the 3 nodes of this image"),
        (["--recipe", "trixie"], "--recipe and --image are both given"),
        (["--cluster", "a/b"], "--cluster 'a/b': is not a valid name of a cluster"),
    ],
)
def test_a_wrong_start_ends_with_status_2_and_names_the_value(
    call: Caller, words: list[str], said: str
) -> None:
    status, output = call.start(*words)
    assert (status, said in output) == (2, True), output


def test_a_missing_image_is_reported_with_the_command_that_builds_it(call: Caller) -> None:
    status, output = call("start", "--recipe", "absent")
    assert status == 2
    assert "no image has been built here\n  run ./run recipe=absent build-root" in output


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (2, "was built by an earlier version of this program (schema 2, not 3)\n  run ./run build-root"),
        (99, "has schema 99, this program reads 3"),
    ],
)
def test_images_of_another_version_are_refused(call: Caller, schema: int, said: str) -> None:
    manifest = call.image / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"schema": 3', f'"schema": {schema}'))
    status, output = call.start()
    assert status == 2
    assert said in output


def test_a_configuration_with_an_unknown_key_is_refused_with_its_line(call: Caller) -> None:
    folder = call.home / ".ssiuml"
    folder.mkdir()
    (folder / "ssiuml.conf").write_text("# mine\nKERNAL=/boot/linux\n")
    status, output = call.start()
    assert status == 2
    assert "ssiuml.conf:2: unknown key KERNAL" in output


def test_more_memory_than_the_machine_has_is_refused_with_need_and_limit(call: Caller) -> None:
    status, output = call.start("3", "--memory", "4096G")
    assert status == 1
    assert "3 nodes of 4194304 MiB need 12582912 MiB" in output
    assert "give each less memory with --memory" in output


@pytest.mark.parametrize(
    "words",
    [
        ["add", "4"],
        ["rm", "1"],
        ["exec", "1", "--", "true"],
        ["console", "1"],
        ["net"],
        ["net", "cut", "1"],
        ["status"],
        ["stop"],
    ],
)
def test_without_a_cluster_the_other_commands_say_how_to_start_one(call: Caller, words: list[str]) -> None:
    status, output = call(*words)
    assert status == 2
    assert "cluster 'default' does not run\n  run ssi-start to start it" in output


def test_a_dry_run_prints_every_command_line_and_makes_nothing(call: Caller) -> None:
    status, output = call.start("2", "--dry-run", "--append", "debug")
    assert status == 0
    lines = output.splitlines()
    assert sum("ssh-keygen" in line for line in lines) == 2
    assert sum("vec0:transport=raw" in line for line in lines) == 2
    assert not any("uml_switch" in line for line in lines)
    assert [line.split()[-1] for line in lines if "ssi.node=" in line] == ["debug", "debug"]
    assert not (call.home / "s").exists()


def test_nodes_are_pinned_to_the_processors_that_the_caller_may_use_in_turn(call: Caller) -> None:
    allowed = sorted(os.sched_getaffinity(0))
    output = call.start("3", "--dry-run")[1]
    pinned = [line.split() for line in output.splitlines() if "ssi.node=" in line]
    if len(allowed) == 1:
        assert not any("taskset" in words[0] for words in pinned)
    else:
        assert [words[1:3] for words in pinned] == [
            ["--cpu-list", str(allowed[index % len(allowed)])] for index in range(3)
        ]
        assert all(words[0].endswith("taskset") for words in pinned)


def test_no_pin_lets_nodes_run_on_all_processors(call: Caller) -> None:
    assert "taskset" not in call.start("2", "--dry-run", "--no-pin")[1]


@pytest.mark.parametrize(("help_text", "can"), [("umid=<name>", False), ("seccomp=<on/auto/off>", True)])
def test_seccomp_is_refused_for_a_kernel_whose_help_does_not_list_it(
    call: Caller, help_text: str, can: bool
) -> None:
    kernel = call.image / "k"
    kernel.write_text(f"#!/bin/sh\necho '{help_text}'\n")
    kernel.chmod(0o755)
    status, output = call.start("2", "--dry-run", "--userspace", "seccomp")
    if can:
        assert status == 0
        assert sum("seccomp=on" in line.split() for line in output.splitlines()) == 2
    else:
        assert status == 2
        assert f"userspace seccomp: the kernel {kernel} can run guest processes under ptrace only\n" in output
        assert "use ptrace, or a kernel of Linux 6.16 or later" in output


def test_a_dry_run_prints_the_way_out_and_tells_the_nodes_of_it(call: Caller) -> None:
    lines = call.start("2", "--dry-run", "--internet")[1].splitlines()
    (slirp,) = [line.split() for line in lines if "slirp4netns" in line]
    assert "--cidr=192.168.50.128/25" in slirp
    nodes = [line.split() for line in lines if "ssi.node=" in line]
    assert all({"ssi.gateway=192.168.50.130", "ssi.dns=192.168.50.131"} <= set(words) for words in nodes)
    assert len(nodes) == 2


def test_a_machine_without_namespaces_is_told_which_setting_allows_them(call: Caller) -> None:
    """A user namespace has limits of its own, so that no setting of this machine need change."""
    limited = ("sh", "-c", 'echo 0 >/proc/sys/user/max_net_namespaces; exec "$@"', "sh")
    status, output = call.start("1", prefix=(*unshare("--user", "--map-root-user"), *limited))
    assert status == 1
    assert "this machine allows no network namespace with a bridge, which a cluster needs: unshare" in output
    assert "run sudo sysctl user.max_net_namespaces=10000" in output
