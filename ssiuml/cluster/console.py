"""Talk to a node over its console: wait for what it prints, log in, run a command."""

import re
import socket
from typing import Final, TextIO

import pexpect
from pexpect.fdpexpect import fdspawn

from ssiuml.errors import SsiumlError
from ssiuml.host.uml import console_tail

LOGIN: Final = re.compile(r"\w login: ?$")
PASSWORD: Final = re.compile(r"[Pp]assword: ?$")
# A prompt that no program prints by chance; set after logging in.
_PROMPT: Final = "ssiuml-check> "


class ConsoleError(SsiumlError):
    """The console did not say what was waited for."""


class Console:
    """The console of one node, read and written over *stream*; all that it prints is copied to *log*."""

    def __init__(self, stream: socket.socket, log: TextIO) -> None:
        self._stream = stream
        self._log = log
        self._spawn = fdspawn(stream.fileno(), encoding="utf-8", codec_errors="replace")
        self._spawn.logfile_read = log

    def expect(self, pattern: str | re.Pattern[str], what: str, limit_s: float) -> "re.Match[str]":
        """Wait until the console prints *pattern*; ConsoleError names *what* did not come, and the limit."""
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
        raise ConsoleError(f"{reasons[found]}; its console's end:\n{self.tail()}")

    def expect_end(self, limit_s: float) -> None:
        """Wait until the node has closed its console."""
        if self._spawn.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=limit_s) != 0:
            raise ConsoleError(
                f"the node did not end within {limit_s:.0f} s; its console's end:\n{self.tail()}"
            )

    def tail(self) -> str:
        """The last lines that the console printed."""
        self._log.flush()
        with open(self._log.name, encoding="utf-8") as log:  # noqa: PTH123 - a stream's own name
            return console_tail(log)

    def log_in(self, password: str, new_password: str, limit_s: float) -> None:
        """Log in as root for the first time: the password has to be changed, then the shell is there."""
        self.expect(LOGIN, "login prompt", limit_s)
        self.send("root")
        self.expect(PASSWORD, "question for the password", limit_s)
        self.send(password)
        self.expect("must be changed|required to change", "demand to change the first password", limit_s)
        for answer in (password, new_password, new_password):
            self.expect(PASSWORD, "question for a password", limit_s)
            self.send(answer)
        self.expect(r"[#$] $", "prompt of the shell", limit_s)
        # The quotes keep the prompt from being found in the echo of this line.
        self.send(
            f"stty -echo cols 200; bind 'set enable-bracketed-paste off'; PS1='{_PROMPT[:6]}''{_PROMPT[6:]}'"
        )
        self.expect(re.escape(_PROMPT), "prompt of the shell", limit_s)

    def run(self, command: str, limit_s: float) -> tuple[int, str]:
        """Run a command in the shell; return its exit status and what it printed."""
        self.send(f'{command}; echo "ssiuml-status=$?"')
        match = self.expect(r"ssiuml-status=(\d+)\r?\n", f"end of the command '{command}'", limit_s)
        output: str = self._spawn.before
        self.expect(re.escape(_PROMPT), "prompt of the shell", limit_s)
        return int(match[1]), output.replace("\r", "")

    def send(self, line: str) -> None:
        """Type a line without waiting for anything."""
        self._stream.sendall(f"{line}\n".encode())
