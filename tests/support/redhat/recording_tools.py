"""Programs that only record how they were called: stand-ins for the programs of an OpenGFS installation."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

NAMES: Final = ("ptool", "passemble", "gfsconf", "mkfs_gfs", "losetup", "mount", "umount")
_ANY: Final = "any"
_SCRIPT: Final = """#!/bin/sh
# Records its arguments. Fails if the file fail.NAME names this call.
here=$(dirname "$0")
name=$(basename "$0")
printf '%s\\0' "$(($# + 1))" "$name" "$@" >>"$here/calls"
for key in "$name" any; do
    echo >>"$here/count.$key"
    [ -f "$here/fail.$key" ] || continue
    if [ "$(wc -l <"$here/count.$key")" -eq "$(cat "$here/fail.$key")" ]; then
        echo "$name: fails as the test asks" >&2
        exit 1
    fi
done
"""


@dataclass(frozen=True)
class RecordingTools:
    """The recording programs, all in one folder."""

    folder: Path

    def program(self, name: str) -> Path:
        """Return the absolute path of a program."""
        return self.folder.absolute() / name

    def calls(self) -> list[list[str]]:
        """Return the calls in order, each with name and arguments."""
        log = self.folder / "calls"
        words = log.read_text().split("\0")[:-1] if log.exists() else []
        found = []
        while words:
            count = int(words.pop(0))
            found.append(words[:count])
            del words[:count]
        return found

    def fail(self, name: str = _ANY, *, at: int = 1) -> None:
        """Let call number *at* from now on fail with status 1, of the program *name* or of all together."""
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
