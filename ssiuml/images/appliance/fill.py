"""Fill a file system image from a tree by way of the appliance, or only read one, and say what is in it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.host import files
from ssiuml.host.progress import stages
from ssiuml.host.run import CommandError, run
from ssiuml.host.uml import command_line, console_tail
from ssiuml.layers.initrd import modules_tree, tools_tree
from ssiuml.tree.compare import Census, Facts, differences, take_census
from ssiuml.tree.cpio import write_segment
from ssiuml.tree.layer import merge, read_layer, write_tree
from ssiuml.tree.tree import Meta, Tree, file, whole_file

PROGRAMS: Final = ("/bin/busybox", "/bin/tar")
MODULES: Final = ("gfs2",)
MEMORY_MIB: Final = 512
# 300 MB take 15 s on a quiet machine; a shared one may be twenty times slower.
TIMEOUT_S: Final = 900.0
MARK: Final = "appliance: "
_STAGE: Final = re.compile(rf"^{MARK}(.*?)(?: \[[\d.]+ s\])?$")
_SCRIPT: Final = Path(__file__).with_name("init")
# Room in the archive that comes back: a header, extended headers and a partial block for each name, and
# tar fills up the last record of the size that the script asks for.
_ARCHIVE_BYTES_PER_NAME: Final = 4096
_RECORD_BYTES: Final = 1 << 20


class ApplianceError(SsiumlError):
    """The appliance did not finish its work, or the image does not hold what it should."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What is in an image, as somebody saw it who mounted it, or as it was written."""

    names: int
    inodes: int
    content_bytes: int
    digest: str  # see Census.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Appliance:
    """What an appliance runs from: a User-Mode Linux, a tree with its modules, GNU tar and busybox.

    *work* holds temporary files, about twice the size of the tree that goes in or comes out.
    """

    kernel: Path
    modules_version: str
    programs: Tree
    work: Path
    timeout_s: float = TIMEOUT_S
    task: str = "copy-root"  # in progress lines
    shows_devices: bool = False  # whether the kernel has the patch for device numbers on GFS2

    def fill(self, image: Path, tree: Tree) -> Filled:
        """Put *tree* into the formatted GFS2 file system in *image*, read it back and compare.

        Raises ApplianceError, with the end of the console, if a stage fails or takes too long, and with a
        list of differences if the image does not hold what the tree does.
        """
        archive = self.work / "tree.tar"
        try:
            expected = take_census(tree)
            write_tree(archive, tree)
            return self._run(image, expected, {"ubd0": image, "ubd1r": archive}, "fill")
        finally:
            archive.unlink(missing_ok=True)

    def read_back(self, image: Path, expected: Census) -> Filled:
        """Read what is in the GFS2 file system in *image* and compare; raises ApplianceError as fill does."""
        return self._run(image, expected, {"ubd0r": image}, "read")

    def _run(self, image: Path, expected: Census, disks: Mapping[str, Path], work: str) -> Filled:
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
            return Filled(len(seen.facts), seen.inodes, seen.content_bytes, seen.digest())
        finally:
            for path in (back, initrd):
                path.unlink(missing_ok=True)

    def boot(self, initrd: Path, disks: Mapping[str, Path], parameters: Sequence[str]) -> None:
        """Run an appliance to its end; ApplianceError, with the end of the console, unless it says "done"."""
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

            words = [
                *command_line(
                    self.kernel, memory_mib=MEMORY_MIB, initrd=initrd, disks=disks, folder=self.work / "uml"
                ),
                "con0=null,fd:1",
                *parameters,
            ]
            try:
                run(words, timeout_s=self.timeout_s, on_line=on_line)
            except CommandError as error:
                raise ApplianceError(f"the build appliance failed: {error}") from error
        if not done:
            tail = console_tail(console)
            raise ApplianceError(f"the build appliance ended before it was done; its console's end:\n{tail}")


def appliance_tree(tree: Tree, modules_version: str, modules: Sequence[str], script: Path) -> Tree:
    """An appliance's RAM disk: its programs and *modules* from *tree*, and *script* as the first program."""
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
        raise ApplianceError(f"{image}: does not hold what the tree does:\n{lines}")


def _without_known_defects(expected: Census, seen: Census) -> Census:
    # Linux 6.1 shows device 0:0 for every device node on GFS2 that it finds by its name; on the disk the
    # numbers are right. linux-ssi is mended: kernel/6.1/patches/0002.
    def adjusted(path: str, want: Facts) -> Facts:
        have = seen.facts.get(path)
        if have is None or want.device is None or have.device != (0, 0):
            return want
        return replace(want, device=(0, 0))

    facts = {path: adjusted(path, want) for path, want in expected.facts.items()}
    return Census(facts, expected.inodes, expected.content_bytes)
