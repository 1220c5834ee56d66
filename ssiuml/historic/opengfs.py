"""The programs of a real OpenGFS installation, on loop devices: the HOWTO's own command lines (5.2, 5.7).

They need root, OpenGFS's kernel modules and the devices that the pools' configuration files name. Whatever
was set up is taken down again, the last first, also when something fails: umount, passemble -r all,
losetup -d. Each program is named by its absolute path; losetup, mount and umount are the system's.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ssiuml.host.run import run
from ssiuml.host.session import finish_before_exit

TIMEOUT_S: Final = 3600.0

Words = list[str]


@dataclass(frozen=True, kw_only=True)
class OpenGfs:
    """Command lines. *programs* has the absolute path of each by its historic name."""

    programs: Mapping[str, str]

    def losetup(self, device: str, image: Path | str) -> Words:
        return ["losetup", device, str(image)]

    def losetup_remove(self, device: str) -> Words:
        return ["losetup", "-d", device]

    def ptool(self, config: Path | str) -> Words:
        return [self.programs["ptool"], str(config)]

    def passemble(self) -> Words:
        return [self.programs["passemble"]]

    def passemble_remove(self) -> Words:
        return [self.programs["passemble"], "-r", "all"]

    def gfsconf(self, config: Path | str) -> Words:
        return [self.programs["gfsconf"], "-c", str(config)]

    def mkfs_gfs(self, *, protocol: str, table: str, journals: int, journal_mib: int, device: str) -> Words:
        sizes = ["-j", str(journals), "-J", str(journal_mib)]
        return [self.programs["mkfs_gfs"], "-p", protocol, "-t", table, *sizes, "-i", device]

    def mount(self, device: str, folder: Path | str, host: str) -> Words:
        return ["mount", "-t", "gfs", "-o", f"hostdata={host}", device, str(folder)]

    def umount(self, folder: Path | str) -> Words:
        return ["umount", str(folder)]

    @contextmanager
    def attached(self, images: Mapping[str, Path]) -> Iterator[None]:
        """Attach each loop device to its image; CommandError if a program fails."""
        with finish_before_exit(), ExitStack() as stack:
            for device, image in images.items():
                self._undoing(stack, self.losetup(device, image), self.losetup_remove(device))
            yield

    @contextmanager
    def assembled(self, images: Mapping[str, Path]) -> Iterator[None]:
        """As attached, and assemble the pools on them."""
        with self.attached(images), ExitStack() as stack:
            # A passemble that fails may have assembled some.
            stack.callback(call, self.passemble_remove())
            call(self.passemble())
            yield

    @contextmanager
    def mounted(self, device: str, folder: Path, host: str) -> Iterator[None]:
        """Mount an assembled pool's file system on *folder*, as the node with the address *host*."""
        with ExitStack() as stack:
            self._undoing(stack, self.mount(device, folder, host), self.umount(folder))
            yield

    @staticmethod
    def _undoing(stack: ExitStack, do: Words, undo: Words) -> None:
        call(do)
        stack.callback(call, undo)


def call(words: Sequence[str]) -> None:
    """Run one of the command lines; CommandError if it fails."""
    run(words, timeout_s=TIMEOUT_S)
