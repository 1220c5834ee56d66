"""Programs that do nothing but write down how they were called: stand-ins for an OpenGFS installation's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

NAMES: Final = ("ptool", "passemble", "gfsconf", "mkfs_gfs", "losetup", "mount", "umount")
_ANY: Final = "any"
_SCRIPT: Final = """#!/bin/sh
# Writes down its arguments; fails when it is told to.
here=$(dirname "$0")
name=$(basename "$0")
printf '%s\\0' "$(($# + 1))" "$name" "$@" >>"$here/calls"
for key in "$name" any; do
    echo >>"$here/count.$key"
    [ -f "$here/fail.$key" ] || continue
    if [ "$(wc -l <"$here/count.$key")" -eq "$(cat "$here/fail.$key")" ]; then
        echo "$name: told to fail" >&2
        exit 1
    fi
done
"""


@dataclass(frozen=True)
class RecordingTools:
    """The programs in one folder."""

    folder: Path

    def program(self, name: str) -> Path:
        """The absolute path of a program."""
        return self.folder.absolute() / name

    def calls(self) -> list[list[str]]:
        """What was called, in order: name and arguments."""
        log = self.folder / "calls"
        words = log.read_text().split("\0")[:-1] if log.exists() else []
        found = []
        while words:
            count = int(words.pop(0))
            found.append(words[:count])
            del words[:count]
        return found

    def fail(self, name: str = _ANY, *, at: int = 1) -> None:
        """From now on call number *at* of the program, or of all together, fails with status 1."""
        for key in (name, _ANY):
            (self.folder / f"count.{key}").unlink(missing_ok=True)
        (self.folder / f"fail.{name}").write_text(f"{at}\n")


def make_recording_tools(target: Path) -> RecordingTools:
    """Make the folder *target* with a program for each of NAMES."""
    target.mkdir(parents=True)
    for name in NAMES:
        (target / name).write_text(_SCRIPT)
        (target / name).chmod(0o755)
    return RecordingTools(target)
