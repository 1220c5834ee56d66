"""Programs of an unpacked 32-bit root: the stand-in of Red Hat 7.2, with busybox."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from redhat.busybox import fetch_busybox
from redhat.root_tree import make_tree

from ssiuml.errors import SsiumlError
from ssiuml.historic.editable_copy import editable_copy
from ssiuml.host.run import CommandError
from ssiuml.kernel.toolchain import Toolchain


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The stand-in root as a folder."""
    tree = make_tree(shell=fetch_busybox(), sockets=False)
    with editable_copy(tree, tmp_path_factory.mktemp("toolchain") / "work") as copy:
        yield copy.root


@pytest.fixture
def root(unpacked: Path, tmp_path: Path) -> Path:
    """A copy of the files that its programs need, for a test to damage."""
    folder = tmp_path / "root"
    for name in ("bin", "usr/bin"):
        shutil.copytree(unpacked / name, folder / name, symlinks=True)
    for name in ("tmp", "proc", "dev"):
        (folder / name).mkdir()
    return folder


@pytest.fixture
def tools(root: Path, tmp_path: Path) -> Toolchain:
    for name in ("linux", "made"):
        (tmp_path / name).mkdir()
    return Toolchain(root, {"linux": tmp_path / "linux", "made": tmp_path / "made"})


def _run(tools: Toolchain, line: str) -> str:
    return tools.run(["sh", "-c", line], folder=tools.folders["linux"], timeout_s=60)


def test_a_complete_root_is_accepted(root: Path) -> None:
    Toolchain(root).check()
    Toolchain(None).check()


def test_programs_see_a_32_bit_machine_their_folders_and_their_root(tools: Toolchain, tmp_path: Path) -> None:
    (tmp_path / "linux/Makefile").write_text("VERSION = 2\n")
    assert _run(tools, "uname -m; pwd; id -u; cat Makefile") == "i686\n/tmp/linux\n0\nVERSION = 2\n"
    assert _run(tools, "ls /usr/bin/gcc; touch /usr/bin/new 2>&1 || echo refused").endswith("refused\n")
    # The modes of new files do not depend on the user's umask.
    old = os.umask(0o077)
    try:
        _run(tools, f"echo x >{tools.path_inside(tmp_path / 'made')}/new")
    finally:
        os.umask(old)
    assert (tmp_path / "made/new").stat().st_mode & 0o777 == 0o644


def test_programs_see_nothing_else_of_this_machine(tools: Toolchain, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("private\n")
    assert _run(tools, f"cat {tmp_path}/other 2>&1 || echo hidden").endswith("hidden\n")
    assert _run(tools, "ls /home /etc/passwd 2>/dev/null || echo hidden") == "hidden\n"
    assert "eth0" not in _run(tools, "cat /proc/net/dev")
    assert _run(tools, "echo $LC_ALL $TZ") == "C UTC\n"


@pytest.mark.parametrize("of_host", [True, False])
def test_variables_of_the_callers_shell_do_not_reach_programs(
    tools: Toolchain, monkeypatch: pytest.MonkeyPatch, of_host: bool
) -> None:
    for name in ("CFLAGS", "CONFIG_SITE", "LD_LIBRARY_PATH", "SECRET"):
        monkeypatch.setenv(name, "leaked")
    chosen = Toolchain(None, tools.folders) if of_host else tools
    assert "leaked" not in chosen.run(["env"], folder=tools.folders["linux"], timeout_s=60)


def test_programs_of_the_host_see_its_own_paths(tmp_path: Path) -> None:
    host = Toolchain(None, {"linux": tmp_path})
    assert host.path_inside(tmp_path / "x") == str(tmp_path / "x")
    assert host.run(["pwd"], folder=tmp_path, timeout_s=60).strip() == str(tmp_path)


def test_the_error_of_a_program_that_fails_has_its_output(tools: Toolchain) -> None:
    with pytest.raises(CommandError) as error:
        _run(tools, "echo why; exit 3")
    assert "exit status 3" in str(error.value)
    assert error.value.output == "why"


@pytest.mark.parametrize("name", ["gcc", "make"])
def test_the_error_for_a_root_without_a_program_names_it(root: Path, name: str) -> None:
    (root / "usr/bin" / name).unlink()
    with pytest.raises(SsiumlError, match=f"kernel.toolchain: there is no {name} in {root}"):
        Toolchain(root).check()


def test_a_root_for_another_machine_is_an_error(root: Path) -> None:
    program = bytearray((root / "bin/busybox").read_bytes())
    program[18] = 8  # EM_MIPS
    (root / "bin/busybox").write_bytes(program)
    with pytest.raises(SsiumlError) as error:
        Toolchain(root).check()
    assert f"the shell of {root} is for another machine than this one can run" in str(error.value)
    assert "CONFIG_IA32_EMULATION" in str(error.value)


def test_a_compiler_for_another_machine_is_an_error(root: Path) -> None:
    (root / "usr/bin/gcc").write_text("#!/bin/sh\necho x86_64-linux-gnu\n")
    with pytest.raises(SsiumlError, match=r"compiles for x86_64-linux-gnu; Linux 2\.4 needs i386's"):
        Toolchain(root).check()


def test_a_folder_without_a_root_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    with pytest.raises(SsiumlError, match=r"no program of .* runs here"):
        Toolchain(tmp_path).check()


def test_the_hosts_make_gets_no_folder_whose_name_it_would_take_apart(tmp_path: Path) -> None:
    odd = tmp_path / "a b"
    odd.mkdir()
    with pytest.raises(SsiumlError) as caught:
        Toolchain(None, {"linux": odd}).run(["make"], folder=odd, timeout_s=60)
    assert str(caught.value) == (
        f"{odd}: the Makefiles of Linux 2.4 would take this name apart\n"
        "  set SSIUML_CACHE, and put the checkout, where names have only letters, digits and /._+-, or set "
        "kernel.toolchain: base-image"
    )
