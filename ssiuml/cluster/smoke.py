"""Tests built images by booting one node: from a copy of the root to the login, and down again."""

import contextlib
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

import pexpect
from pexpect.fdpexpect import fdspawn

from ssiuml import manifest
from ssiuml.errors import SsiumlError
from ssiuml.host import files, uml
from ssiuml.host.files import scratch_folder
from ssiuml.host.progress import stages
from ssiuml.host.run import die_with_parent, kill_group
from ssiuml.host.uml import Machine, console_tail
from ssiuml.images import gfs2_tools
from ssiuml.manifest import Manifest

# A quiet machine reaches the login after 8 s. A shared one may take twenty times as long.
LIMIT_S: Final = 300.0
FIRST_PASSWORD: Final = "root"  # noqa: S105 - public, it stands in the recipe
# This password is only in the copy of the root, which is deleted after the check.
CHECK_PASSWORD: Final = "Check-2002-uml"  # noqa: S105
END_LIMIT_S: Final = 30.0
LOGIN: Final = re.compile(r"\w login: ?$")
PASSWORD: Final = re.compile(r"[Pp]assword: ?$")
# A prompt that no program prints by chance. It is set after the login.
_PROMPT: Final = "ssiuml-check> "


def check_images(folder: Path) -> None:
    """Boot node 1 of the images in *folder*, log in, run commands, shut down, check the root with fsck.

    The images are not written to. Raise SsiumlError, with the end of the console, if the node does not boot,
    answer the commands or shut down as it should. Raise it, too, if the root is not clean afterwards.
    """
    images = manifest.read(folder)
    uml.require_memory_folder(os.environ)
    with scratch_folder(folder / "work", "check") as scratch, stages("check") as show:
        root_fs = scratch / "root_fs"
        files.copy(images.root_fs, root_fs)
        node = _node(images, root_fs, scratch / "uml")
        started = time.monotonic()
        with _running_node(node, scratch / "console.log") as (process, console):
            show("booting node 1")
            console.log_in(FIRST_PASSWORD, CHECK_PASSWORD, LIMIT_S)
            show(f"logged in after {time.monotonic() - started:.1f} s, first password changed")
            wanted = {"hostname": "node1", "findmnt -n -o FSTYPE /": "gfs2", "cat /proc/1/comm": "init"}
            for command, answer in wanted.items():
                status, output = console.run(command, LIMIT_S)
                if status != 0 or output.strip() != answer:
                    raise SsiumlError(
                        f"'{command}' on the node ended with status {status} and printed '{output.strip()}', "
                        f"not '{answer}'"
                    )
            show("shutting down")
            console.send("poweroff")
            console.expect("left the cluster", "message that the node left the cluster", LIMIT_S)
            console.expect_end(LIMIT_S)
            status = process.wait(timeout=LIMIT_S)
        if status != 0:
            raise SsiumlError(f"the node's kernel ended with exit status {status}\n{console.tail()}")
        show("checking the root")
        gfs2_tools.check_image(root_fs)
        show(f"the images boot: login, shell, orderly end, clean root ({time.monotonic() - started:.0f} s)")


class Console:
    """The console of one node, read and written over *stream*. Everything it prints is copied to *log*."""

    def __init__(self, stream: socket.socket, log: TextIO) -> None:
        self._stream = stream
        self._log = log
        self._spawn = fdspawn(stream.fileno(), encoding="utf-8", codec_errors="replace")
        self._spawn.logfile_read = log

    def expect(self, pattern: str | re.Pattern[str], what: str, limit_s: float) -> "re.Match[str]":
        """Wait until the console prints *pattern*. Return the match.

        Raise SsiumlError, with *what* did not come, the limit and the end of the console, if it does not.
        """
        expected = [pattern, re.compile(r"ssi: .*FAILED: .*"), pexpect.EOF, pexpect.TIMEOUT]
        found = self._spawn.expect(expected, timeout=limit_s)
        if found == 0:
            match: re.Match[str] = self._spawn.match
            return match
        reasons = {
            1: f"the node gave up before {what}",
            2: f"the node ended before {what}",
            3: f"no {what} within {limit_s:.0f} s",
        }
        raise SsiumlError(f"{reasons[found]}; the end of its console:\n{self.tail()}")

    def expect_end(self, limit_s: float) -> None:
        """Wait until the node has closed its console. Raise SsiumlError if it does not within the limit."""
        if self._spawn.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=limit_s) != 0:
            raise SsiumlError(
                f"the node did not end within {limit_s:.0f} s; the end of its console:\n{self.tail()}"
            )

    def tail(self) -> str:
        """Return the last lines that the console printed."""
        self._log.flush()
        with open(self._log.name, encoding="utf-8") as log:  # noqa: PTH123 - a stream's own name
            return console_tail(log)

    def log_in(self, password: str, new_password: str, limit_s: float) -> None:
        """Log in as root for the first time, change the password, and wait for the shell."""
        self.expect(LOGIN, "login prompt", limit_s)
        self.send("root")
        self.expect(PASSWORD, "question for the password", limit_s)
        self.send(password)
        self.expect("must be changed|required to change", "demand to change the first password", limit_s)
        for answer in (password, new_password, new_password):
            self.expect(PASSWORD, "question for a password", limit_s)
            self.send(answer)
        self.expect(r"[#$] $", "prompt of the shell", limit_s)
        # The prompt is quoted in two parts, so that the echo of this line does not match it.
        self.send(
            f"stty -echo cols 200; bind 'set enable-bracketed-paste off'; PS1='{_PROMPT[:6]}''{_PROMPT[6:]}'"
        )
        self.expect(re.escape(_PROMPT), "prompt of the shell", limit_s)

    def run(self, command: str, limit_s: float) -> tuple[int, str]:
        """Run a command in the shell. Return its exit status and what it printed."""
        self.send(f'{command}; echo "ssiuml-status=$?"')
        match = self.expect(r"ssiuml-status=(\d+)\r?\n", f"end of the command '{command}'", limit_s)
        output: str = self._spawn.before
        self.expect(re.escape(_PROMPT), "prompt of the shell", limit_s)
        return int(match[1]), output.replace("\r", "")

    def send(self, line: str) -> None:
        """Type a line. Do not wait for an answer."""
        self._stream.sendall(f"{line}\n".encode())


def _node(images: Manifest, root_fs: Path, folder: Path) -> Machine:
    """Return a node 1 that is alone. Its console is its standard input and output."""
    return Machine(
        name="node1",
        kernel=images.require_kernel(),
        folder=folder,
        memory_mib=uml.NODE_MEMORY_MIB,
        initrd=images.initrd,
        disks={"ubd0": root_fs},
        parameters=["con0=fd:0,fd:1", "ssi.node=1", "ssi.interconnect=lo", *images.kernel_parameters],
    )


@contextlib.contextmanager
def _running_node(node: Machine, log: Path) -> Iterator[tuple["subprocess.Popen[bytes]", Console]]:
    """Start a node. Yield its process and its console, which is copied to *log*. Kill it when the block ends.

    The console is a socket. With a terminal User-Mode Linux would leave a helper process behind that watches
    the terminal's size. If this process dies, the node dies too.
    """
    node.prepare()
    ours, theirs = socket.socketpair()
    # The node's root is deleted afterwards, so it gets no time to clean up.
    with ours, log.open("w", encoding="utf-8") as log_stream, die_with_parent(grace_s=0) as launcher:
        with theirs:
            process = subprocess.Popen(  # noqa: S603 - an argument list of ours
                [*launcher.prefix, *node.argv],
                cwd=node.folder,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=theirs.fileno(),
                start_new_session=True,
                pass_fds=[launcher.fd],
            )
        try:
            yield process, Console(ours, log_stream)
        finally:
            kill_group(process.pid)
            process.wait(timeout=END_LIMIT_S)
