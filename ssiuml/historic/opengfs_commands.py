"""The commands of an OpenGFS installation on loop devices: the HOWTO's own command lines (5.2, 5.7).

They need root, OpenGFS's kernel modules, and the devices that the pools' configuration files name. All that
was set up is taken down again in reverse order, also after a failure: umount, passemble -r all, losetup -d.
The programs of OpenGFS are called by their absolute paths; losetup, mount and umount are those of the system.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ssiuml.host.run import run
from ssiuml.host.session import finish_before_exit

TIMEOUT_S: Final = 3600.0


@dataclass(frozen=True, kw_only=True)
class OpenGfsCommands:
    """Command lines, each a list of words. *programs* maps the name of each program to its absolute path."""

    programs: Mapping[str, str]

    def losetup(self, device: str, image: Path | str) -> list[str]:
        return ["losetup", device, str(image)]

    def losetup_remove(self, device: str) -> list[str]:
        return ["losetup", "-d", device]

    def ptool(self, config: Path | str) -> list[str]:
        return [self.programs["ptool"], str(config)]

    def passemble(self) -> list[str]:
        return [self.programs["passemble"]]

    def passemble_remove(self) -> list[str]:
        return [self.programs["passemble"], "-r", "all"]

    def gfsconf(self, config: Path | str) -> list[str]:
        return [self.programs["gfsconf"], "-c", str(config)]

    def mkfs_gfs(
        self, *, protocol: str, table: str, journals: int, journal_mib: int, device: str
    ) -> list[str]:
        sizes = ["-j", str(journals), "-J", str(journal_mib)]
        return [self.programs["mkfs_gfs"], "-p", protocol, "-t", table, *sizes, "-i", device]

    def mount(self, device: str, folder: Path | str, host: str) -> list[str]:
        return ["mount", "-t", "gfs", "-o", f"hostdata={host}", device, str(folder)]

    def umount(self, folder: Path | str) -> list[str]:
        return ["umount", str(folder)]

    @contextmanager
    def attached(self, images: Mapping[str, Path]) -> Iterator[None]:
        """Attach each loop device to its image until the block ends.

        Raise CommandError if a program fails.
        """
        with finish_before_exit(), ExitStack() as stack:
            for device, image in images.items():
                self._run_with_undo(stack, self.losetup(device, image), self.losetup_remove(device))
            yield

    @contextmanager
    def assembled(self, images: Mapping[str, Path]) -> Iterator[None]:
        """Attach the loop devices and assemble the pools on them until the block ends.

        Raise CommandError if a program fails.
        """
        with self.attached(images), ExitStack() as stack:
            # A passemble that fails may have assembled some pools.
            stack.callback(run_checked, self.passemble_remove())
            run_checked(self.passemble())
            yield

    @contextmanager
    def mounted(self, device: str, folder: Path, host: str) -> Iterator[None]:
        """Mount the file system of an assembled pool on *folder* until the block ends.

        *host* is the address of the node as which it is mounted. Raise CommandError if a program fails.
        """
        with ExitStack() as stack:
            self._run_with_undo(stack, self.mount(device, folder, host), self.umount(folder))
            yield

    @staticmethod
    def _run_with_undo(stack: ExitStack, do: Sequence[str], undo: Sequence[str]) -> None:
        run_checked(do)
        stack.callback(run_checked, undo)


def run_checked(words: Sequence[str]) -> None:
    """Run one of the command lines. Raise CommandError if it fails."""
    run(words, timeout_s=TIMEOUT_S)
