"""Fill a file system image from a tree with the appliance, or only read one, and report its contents."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from ssiuml.errors import SsiumlError
from ssiuml.host import files
from ssiuml.host.progress import stages
from ssiuml.host.run import CommandError, run
from ssiuml.host.uml import Machine, console_tail, require_memory_folder
from ssiuml.layers.initrd import modules_tree, tools_tree
from ssiuml.tree.compare import Census, Facts, differences, take_census
from ssiuml.tree.cpio import write_segment
from ssiuml.tree.layer import merge, read_layer, write_tree
from ssiuml.tree.tree import Meta, Tree, file, whole_file

PROGRAMS: Final = ("/bin/busybox", "/bin/tar")
MODULES: Final = ("gfs2",)
MEMORY_MIB: Final = 512
# 300 MB take 15 s on an idle machine. A shared one may be twenty times slower.
TIMEOUT_S: Final = 900.0
MARK: Final = "appliance: "
_STAGE: Final = re.compile(rf"^{MARK}(.*?)(?: \[[\d.]+ s\])?$")
_SCRIPT: Final = Path(__file__).with_name("init")
# Room in the archive that the appliance writes: a header, extended headers and a partial block for each name.
# tar fills the last record, whose size the script sets.
_ARCHIVE_BYTES_PER_NAME: Final = 4096
_RECORD_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class ImageContents:
    """A summary of the tree in an image: as the kernel that mounted it saw it, or as it was written."""

    names: int
    inodes: int
    content_bytes: int
    digest: str  # see Census.digest

    @classmethod
    def of(cls, census: Census) -> Self:
        """Return the summary of the tree of *census*."""
        return cls(len(census.facts), census.inodes, census.content_bytes, census.digest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Appliance:
    """A User-Mode Linux, a tree with its modules, GNU tar and busybox.

    *work* holds temporary files, about twice as large as the tree that is written or read.
    """

    kernel: Path
    modules_version: str
    programs: Tree
    work: Path
    timeout_s: float = TIMEOUT_S
    task: str = "copy-root"  # begins progress lines
    shows_devices: bool = False  # the kernel has the patch for device numbers on GFS2

    def fill(self, image: Path, tree: Tree) -> ImageContents:
        """Copy *tree* into the formatted GFS2 file system in *image*, read it back and compare.

        Raise SsiumlError, with the end of the console, if a stage fails or takes too long; with a list of
        differences, if the contents of the image differ from *tree*.
        """
        archive = self.work / "tree.tar"
        try:
            expected = take_census(tree)
            write_tree(archive, tree)
            return self._run(image, expected, {"ubd0": image, "ubd1r": archive}, "fill")
        finally:
            archive.unlink(missing_ok=True)

    def read_back(self, image: Path, expected: Census) -> ImageContents:
        """Read the GFS2 file system in *image* and compare it with *expected*. Raise what fill raises."""
        return self._run(image, expected, {"ubd0r": image}, "read")

    def _run(self, image: Path, expected: Census, disks: Mapping[str, Path], work: str) -> ImageContents:
        self.work.mkdir(parents=True, exist_ok=True)
        back, initrd = self.work / "back.tar", self.work / "appliance.img"
        try:
            per_name = _ARCHIVE_BYTES_PER_NAME * len(expected.facts)
            files.create(back, expected.content_bytes + per_name + expected.xattr_bytes + _RECORD_BYTES)
            write_segment(initrd, appliance_tree(self.programs, self.modules_version, MODULES, _SCRIPT))
            parameters = [f"appliance.modules={','.join(MODULES)}", f"appliance.work={work}"]
            self.boot(initrd, {**disks, "ubd2": back}, parameters)
            seen = take_census(merge([read_layer(back)]))
            _compare(image, expected if self.shows_devices else _without_known_defects(expected, seen), seen)
            return ImageContents.of(seen)
        finally:
            for path in (back, initrd):
                path.unlink(missing_ok=True)

    def boot(self, initrd: Path, disks: Mapping[str, Path], parameters: Sequence[str]) -> None:
        """Run an appliance to its end. Raise SsiumlError, with its console's end, unless it prints "done"."""
        require_memory_folder(os.environ)
        done = False
        console: list[str] = []
        with stages(self.task) as show:

            def on_line(line: str) -> None:
                nonlocal done
                console.append(line)
                match = _STAGE.match(line)
                if match is not None:
                    done = done or match[1] == "done"
                    show(match[1])

            machine = Machine(
                name="appliance",
                kernel=self.kernel,
                folder=self.work / "uml",
                memory_mib=MEMORY_MIB,
                initrd=initrd,
                disks=disks,
                parameters=["con0=null,fd:1", *parameters],
            )
            machine.prepare()
            try:
                run(machine.argv, timeout_s=self.timeout_s, on_line=on_line, cwd=machine.folder)
            except CommandError as error:
                raise SsiumlError(f"the build appliance failed: {error}") from error
        if not done:
            tail = console_tail(console)
            raise SsiumlError(f"the build appliance ended before it was done; its console's end:\n{tail}")


def appliance_tree(tree: Tree, modules_version: str, modules: Sequence[str], script: Path) -> Tree:
    """Return an appliance's RAM disk: its programs and *modules* from *tree*, and *script* as /init."""
    small = tools_tree(tree, PROGRAMS, mtime_ns=0)
    for path, node in modules_tree(tree, modules_version, list(modules), mtime_ns=0).walk():
        if path and small.find(path) is None:
            small.add(path, node)
    small.add("init", file(whole_file(script), Meta(mode=0o755)))
    return small


def _compare(image: Path, expected: Census, seen: Census) -> None:
    wrong = differences(expected, seen)
    if wrong:
        lines = "\n".join(f"    {line}" for line in wrong)
        raise SsiumlError(f"{image}: differs from the tree:\n{lines}")


def _without_known_defects(expected: Census, seen: Census) -> Census:
    # Linux 6.1 shows device 0:0 for each device node on GFS2 that it looks up by name; on the disk, the
    # numbers are right. linux-ssi has a fix: kernel/6.1/patches/0002.
    def adjusted(path: str, want: Facts) -> Facts:
        have = seen.facts.get(path)
        if have is None or want.device is None or have.device != (0, 0):
            return want
        return replace(want, device=(0, 0))

    facts = {path: adjusted(path, want) for path, want in expected.facts.items()}
    return Census(facts, expected.inodes, expected.content_bytes)
