"""User-Mode Linux: what an image must not set, how files are named, the folder of its memory."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from checkouts import Checkout
from programs import unshare

from ssiuml import manifest
from ssiuml.host.uml import console_tail, memory_folder, parameter_problem

REQUIRE = """
import os
from ssiuml.errors import SsiumlError
from ssiuml.host.uml import require_memory_folder
try:
    require_memory_folder(os.environ)
except SsiumlError as error:
    print(error)
"""
# Every __setup, __uml_setup and device_param_cb of arch/um, fs/hostfs and arch/x86/um of Linux 6.1, and what
# those of 2.4.18 (uml-patch-2.4.18-22) and 6.18 add. `quiet` is left out: it only makes the kernel silent.
TAKEN = (
    *("con0=fd:0", "con=null", "console=tty0", "debug", "dsp=/dev/dsp", "dtb=/x", "eth0=tuntap,,,10.0.0.1"),
    *(
        "fake_ide",
        "hostfs=/",
        "initrd=/etc/shadow",
        "iomem=a,/etc/shadow",
        "mconsole=notify:/run/x",
        "mem=9G",
    ),
    *("mixer=/dev/mixer", "noreboot", "nosysemu", "root=/dev/x", "ssl0=port:9000", "ssl-non-raw", "stderr=1"),
    *("time-travel=ext:/run/x", "time-travel-start=1", "ubd0=/etc/shadow", "ubdbr=/etc/shadow", "ubd=sync"),
    *("udb", "umid=x", "uml_dir=/", "vec0:transport=raw,ifname=eth0", "xterm=/bin/sh,-T,-e"),
    *("virtio_uml.device=/run/x:1", "virtio-uml.device=/run/x:1", "hostaudio.dsp=/etc/shadow"),
    *("vfio_uml.device=0", "seccomp=on", "ncpus=2", "jail", "mode=skas", "tty_log_dir=/tmp", "fakehd"),
    *("umn=1.2.3.4", "gdb-pid=1", "humfs=/", "aio=2.4", "honeypot"),
)


@pytest.mark.parametrize("text", TAKEN)
def test_an_option_of_user_mode_linux_is_no_parameter_for_an_image(text: str) -> None:
    assert parameter_problem(text) == (
        f"{text!r} is an option of User-Mode Linux itself, which only the commands that start nodes may set",
        "leave it out",
    )


@pytest.mark.parametrize(
    "text",
    [
        '"ubd1=/etc/shadow"',
        '"x',
        'a=" b',
        "a=b ubd1=/x",
        "a\tb",
        "a\nb",
        "--",
        "--help",
        "",
        "=x",
        "a=\x7f",
        "ä",
    ],
)
def test_words_that_the_kernel_would_take_apart_are_no_parameters(text: str) -> None:
    assert parameter_problem(text) == (
        f"{text!r} is not a kernel parameter",
        "write NAME or NAME=VALUE, without spaces and quotes",
    )


@pytest.mark.parametrize(
    "text",
    [
        *(
            "quiet",
            "initcall_blacklist=raid6_select_algo",
            "loglevel=7",
            "gfs2.debug=1",
            "init=/bin/sh",
            "panic=1",
        ),
        *("memhp_default_state=online", "ramdisk_size=9000", "rw", "net.ifnames=0", "debug_boot_weak_hash"),
    ],
)
def test_parameters_for_the_kernel_itself_are_allowed(text: str) -> None:
    assert parameter_problem(text) is None


def test_every_option_that_the_kernel_lists_is_refused(built: Checkout) -> None:
    kernel = manifest.read(built.images).require_kernel()
    done = subprocess.run([kernel, "--help"], capture_output=True, text=True, check=False, timeout=60)
    options = re.findall(r"^([a-z][a-z_.-]*)(?:<n>|\[0-9\][*+]|=|:|$)", done.stdout, re.MULTILINE)
    assert {"ubd", "vec", "con", "ssl", "hostfs", "initrd", "seccomp"} <= set(options)
    allowed = {option for option in options if parameter_problem(f"{option}=1") is None}
    assert allowed == {"quiet"}


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({}, "/dev/shm"),  # noqa: S108
        ({"TMPDIR": ""}, "/dev/shm"),  # noqa: S108
        ({"TMPDIR": "/a", "TMP": "/b"}, "/a"),
        ({"TMP": "/b", "TEMP": "/c"}, "/b"),
        ({"TEMP": "/c"}, "/c"),
    ],
)
def test_the_folder_is_the_one_that_user_mode_linux_takes(environ: dict[str, str], folder: str) -> None:
    assert memory_folder(environ) == Path(folder)


def _said(folder: Path, options: str, **environ: str) -> str:
    """Return what REQUIRE prints where a tmpfs with *options* is mounted on *folder*."""
    script = f'mount -t tmpfs -o {options} none "$1" && exec "$2" -c "$3"'
    clean = {name: text for name, text in os.environ.items() if name not in ("TMPDIR", "TMP", "TEMP")}
    done = subprocess.run(
        [*unshare("--map-root-user", "--mount"), "sh", "-c", script, "sh", folder, sys.executable, REQUIRE],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**clean, **environ},
    )
    return done.stdout


def test_a_folder_that_is_mounted_noexec_is_named_with_the_variable_that_chooses_another(
    tmp_path: Path,
) -> None:
    shm = Path("/dev/shm")  # noqa: S108
    for folder, environ in ((shm, {}), (tmp_path, {"TMPDIR": str(tmp_path)})):
        assert _said(folder, "noexec", **environ) == (
            f"{folder}: is mounted noexec; User-Mode Linux has a machine's memory there, programs included\n"
            "  set TMPDIR to a folder that is mounted without noexec, best on a tmpfs\n"
        )
        assert _said(folder, "nosuid", **environ) == ""
    assert _said(shm, "noexec", TMPDIR=str(tmp_path)) == ""


def test_the_end_of_a_console_explains_why_an_old_kernel_panics_on_a_new_processor() -> None:
    lines = ["Run /init as init process", "userspace - ptrace set fp regs failed, errno = 14", *["more"] * 40]
    tail = console_tail(lines)
    assert tail.splitlines()[-1].strip().startswith("This kernel is older than Linux 6.13")
    assert "older" not in console_tail(lines[2:])


def test_the_end_of_a_console_explains_that_a_kernel_needs_a_newer_c_library(tmp_path: Path) -> None:
    """ld.so is the judge."""
    program = tmp_path / "linux-ssi"
    words = ["gcc", "-x", "c", "-", "-o", str(program)]
    subprocess.run(words, input="int main(void) { return 0; }", text=True, check=True, timeout=60)
    program.write_bytes(program.read_bytes().replace(b"\0GLIBC_2.34\0", b"\0GLIBC_9.34\0"))
    said = subprocess.run([program], capture_output=True, text=True, check=False, timeout=60).stderr
    tail = console_tail(said.splitlines())
    assert "This kernel needs GLIBC_9.34, and this machine's C library is older" in tail.splitlines()[-1]
