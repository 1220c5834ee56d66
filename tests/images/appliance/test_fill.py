"""The build appliance on trees and images that are unusual, too large or damaged."""

import os
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ssiuml.errors import SsiumlError
from ssiuml.host import files, uml
from ssiuml.host.run import find_tool
from ssiuml.images.appliance import Appliance, ImageContents
from ssiuml.images.appliance.fill import TIMEOUT_S
from ssiuml.tree.compare import take_census
from ssiuml.tree.layer import Layer
from ssiuml.tree.tree import Content, Kind, Literal, Meta, Node, Tree, directory, file, symlink

pytestmark = pytest.mark.boot


@dataclass(frozen=True)
class Bench:
    """A small tree with the appliance's programs, and an image to fill."""

    appliance: Appliance
    folder: Path

    @property
    def tree(self) -> Tree:
        return self.appliance.programs

    def image(self, size_mib: int = 256) -> Path:
        image = self.folder / "image"
        files.create(image, size_mib << 20)
        mkfs = find_tool("mkfs.gfs2") or ""
        words = [mkfs, "-q", "-O", "-p", "lock_nolock", "-t", "a:b", "-j", "1", "-J", "8", str(image)]
        subprocess.run(words, check=True, capture_output=True)
        return image

    def fill(self, image: Path, timeout_s: float = TIMEOUT_S) -> ImageContents:
        return replace(self.appliance, timeout_s=timeout_s).fill(image, self.tree)


@pytest.fixture
def bench(appliance: Appliance, tmp_path: Path) -> Bench:
    return Bench(appliance, tmp_path)


def test_an_image_that_begins_like_a_copy_on_write_file_gets_no_file_of_this_machine(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel opened the file that is named there, and the image was the layer above it.

    Source: arch/um/drivers/cow_user.c, struct cow_header_v3. GFS2 does not use the first 64 KiB.
    """
    image, secret = bench.image(), bench.folder / "secret"
    files.create(secret, image.stat().st_size)
    state = secret.stat()
    head = struct.pack(">4sIIQIII", b"OOOM", 3, int(state.st_mtime), state.st_size, 512, 4096, 0)
    with image.open("r+b") as stream:
        stream.write(head + os.fsencode(secret) + b"\0")
    with pytest.raises(SsiumlError) as caught:
        bench.fill(image)
    assert str(caught.value) == (
        f"{image}: is a copy-on-write file of User-Mode Linux, which names another file\n"
        "  use another image, or ask who made this one"
    )
    # A node can write this to its root while others start: then the kernel has to leave that file alone.
    monkeypatch.setattr(uml, "_COPY_ON_WRITE", b"none")
    assert bench.fill(image).names > 1


@dataclass(frozen=True)
class Restless:
    """Contents that differ each time they are read, as those of a failing disk."""

    times: list[int]
    size_bytes: int = 4096

    def chunks(self) -> Iterator[bytes]:
        self.times.append(0)
        yield bytes([len(self.times)]) * self.size_bytes


def odd_layer() -> Layer:
    layer = Layer()
    layer.add("odd", directory(Meta(mode=0o1777, uid=1000, gid=1001, mtime_ns=1_600_000_000_123_456_789)))

    def put(name: str, node: Node) -> None:
        layer.add(f"odd/{name}", node)

    put("empty", file(Literal(b""), Meta(mode=0o600, mtime_ns=1)))
    put("one-byte-over-a-block", file(Literal(b"x" * 4097), Meta(mode=0o644, mtime_ns=1_999_999_999)))
    put("large", file(Literal(b"0123456789abcdef" * (1 << 18)), Meta(mode=0o4755, uid=65534, gid=65534)))
    capability = bytes.fromhex("0100000200200000000000000000000000000000")
    xattrs = {"security.capability": capability, "user.odd": b"a\0b\n=\xff"}
    put("with-attributes", file(Literal(b"x"), Meta(mode=0o755, xattrs=xattrs)))
    linked = file(Literal(b"linked"), Meta(mode=0o640, gid=5))
    put("first-name", linked)
    put("second-name", linked)
    put("dangling", symlink("nowhere/at/all"))
    put("long-target", symlink("t" * 1000))
    put("fifo", Node(Kind.FIFO, Meta(mode=0o620)))
    put("disk", Node(Kind.BLOCK, Meta(mode=0o660, gid=6), device=(98, 16)))
    put("tty", Node(Kind.CHARACTER, Meta(mode=0o620, gid=5), device=(4, 0)))
    put("n" * 255, file(Literal(b"long"), Meta(mode=0o644)))
    put("latin-\udce9-1\nnext line", file(Literal(b"odd"), Meta(mode=0o644)))
    put("-rf", file(Literal(b"option?"), Meta(mode=0o644)))
    put("/".join(["deep"] * 40), directory(Meta(mode=0o700)))
    for number in range(2000):
        put(f"many/{number:05}", file(Literal(b"%d" % number), Meta(mode=0o644)))
    return layer


def test_the_kernel_reads_back_every_kind_of_file_unchanged(bench: Bench) -> None:
    odd_layer().apply(bench.tree)
    image = bench.image()
    filled = bench.fill(image)
    names = sum(1 for _ in bench.tree.walk())
    assert filled.names == names
    assert filled.inodes == names - 1  # one file has two names
    fsck = subprocess.run([find_tool("fsck.gfs2") or "", "-n", image], check=False, capture_output=True)
    assert fsck.returncode == 0, fsck.stdout.decode()
    assert list((bench.folder / "work").glob("*.tar")) == []


def test_reading_alone_leaves_the_image_unchanged_and_finds_differences(bench: Bench) -> None:
    image = bench.image()
    filled = bench.fill(image)
    before = subprocess.run(["sha256sum", image], check=True, capture_output=True).stdout
    expected = take_census(bench.tree)
    assert bench.appliance.read_back(image, expected) == filled
    bench.tree.add("more", file(Literal(b"x"), Meta(mode=0o644)))
    with pytest.raises(SsiumlError, match="/more: is missing"):
        bench.appliance.read_back(image, take_census(bench.tree))
    assert subprocess.run(["sha256sum", image], check=True, capture_output=True).stdout == before


def test_contents_that_changed_while_they_were_copied_are_found(bench: Bench) -> None:
    content: Content = Restless([])
    bench.tree.add("restless", file(content, Meta(mode=0o644)))
    with pytest.raises(SsiumlError, match="/restless: sha256 is"):
        bench.fill(bench.image())


def test_the_error_for_a_tree_larger_than_the_image_has_the_end_of_the_console(bench: Bench) -> None:
    bench.tree.add("large", file(Literal(b"x" * (60 << 20)), Meta(mode=0o644)))
    with pytest.raises(SsiumlError, match=r"(?s)tar could not unpack everything.*") as caught:
        bench.fill(bench.image(size_mib=48))
    assert "No space left on device" in str(caught.value)


def test_image_without_a_file_system_is_an_error(bench: Bench) -> None:
    image = bench.folder / "image"
    files.create(image, 64 << 20)
    with pytest.raises(SsiumlError, match="/dev/ubda cannot be mounted as gfs2"):
        bench.fill(image)


def test_an_appliance_is_ended_at_its_time_limit(bench: Bench) -> None:
    bench.tree.add("large", file(Literal(b"x" * (100 << 20)), Meta(mode=0o644)))
    with pytest.raises(SsiumlError, match="not finished after 1 s, ended"):
        bench.fill(bench.image(), timeout_s=1.0)


def test_kernel_that_does_not_start_is_an_error(bench: Bench) -> None:
    kernel = bench.folder / "kernel"
    kernel.write_text("#!/bin/sh\necho no kernel\n")
    kernel.chmod(0o755)
    broken = Bench(replace(bench.appliance, kernel=kernel), bench.folder)
    with pytest.raises(SsiumlError, match=r"(?s)ended before it was done.*no kernel"):
        broken.fill(bench.image())
