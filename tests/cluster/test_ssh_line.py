"""The node's end of the line that carries ssh: the program itself, on a pseudoterminal, with cat for sshd."""

import os
import select
import shutil
import subprocess
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from project import PROJECT

from ssiuml.cluster.ssh_mux import Frame, FrameReader

PROGRAM = PROJECT / "cluster-tools" / "debian" / "ssh-line"
REPLACED = {
    "my $keys   = '/run/ssi/ssh-line';": "my $keys = '{folder}';",
    "my @server = qw(/usr/sbin/sshd -i -f /etc/ssi/ssh-line.conf);": "my @server = ('{cat}');",
    "-d '/run/sshd' or mkdir '/run/sshd', 0755;": "",
}
LIMIT_S = 60.0


class Line:
    """The supervisor's end. It keeps the frames that have come."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.frames: list[Frame] = []
        self._reader = FrameReader()

    def read(self) -> None:
        readable, _, _ = select.select([self.descriptor], [], [], LIMIT_S)
        assert readable, "the program writes nothing"
        self.frames += self._reader.feed(os.read(self.descriptor, 65536))

    def write(self, *frames: Frame) -> int:
        """Write the frames at once. Return how many bytes they have."""
        data = b"".join(frame.encode() for frame in frames)
        assert os.write(self.descriptor, data) == len(data)
        return len(data)

    def payloads(self, kind: bytes) -> list[bytes]:
        return [frame.payload for frame in self.frames if frame.kind == kind]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    cat = shutil.which("cat")
    text = PROGRAM.read_text()
    for old, new in REPLACED.items():
        assert old in text
        text = text.replace(old, new.format(folder=tmp_path, cat=cat))
    program = tmp_path / "ssh-line"
    program.write_text(text)
    for name in ("authorized_keys", "host_key"):
        (tmp_path / name).write_text("a key\n")
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    process = subprocess.Popen(["perl", program, os.ttyname(theirs).removeprefix("/dev/")])
    try:
        yield Line(ours)
    finally:
        process.kill()
        process.wait(LIMIT_S)
        os.close(ours)
        os.close(theirs)


def test_bytes_that_follow_the_hello_at_once_are_acknowledged(line: Line) -> None:
    while not line.payloads(b"H"):
        line.read()
    hello = Frame(b"H", 0, line.payloads(b"H")[0])
    sent = line.write(hello, Frame(b"O", 1), Frame(b"D", 1, b"hello"))
    while b"".join(line.payloads(b"D")) != b"hello":
        line.read()
    assert sum(int.from_bytes(payload, "big") for payload in line.payloads(b"A")) == sent
