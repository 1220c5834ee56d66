"""The fenced blocks of the documents: a reader types them, saves them as a file, or only reads them."""

import os
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE: Final = re.compile(r"# ([\w./-]+)")  # the first line of a block to be saved
# The languages of blocks, and what the reader does.
TYPED: Final = "sh"  # types the whole block
SESSION: Final = "console"  # types the text behind "$ "; the other lines are the output
SAVED: Final = ("yaml", "conf")  # saves it as the file that its first line names
SHOWN: Final = ("text", "python")  # reads it
# "…" stands for lines, or for a part of a line, that are left out.
LEFT_OUT: Final = "…"
# These commands change nothing and can be repeated until they print the state that the document shows.
_SHOWS_STATE: Final = "./run ssi-status"
STATE_LIMIT_S: Final = 60.0


@dataclass(frozen=True)
class Block:
    document: str
    language: str
    text: str

    @property
    def name(self) -> str:
        """The document and the first line, without an explanation behind it."""
        first = re.split(r"\n|  ", self.text, maxsplit=1)[0]
        return f"{self.document}: {first.removeprefix('$ ')}"

    @property
    def file(self) -> str | None:
        """The path under which the reader saves the block; None for other blocks."""
        match = _FILE.match(self.text)
        return match[1] if match else None


def blocks_of(project: Path, document: str) -> list[Block]:
    text = (project / document).read_text(encoding="utf-8")
    found = [Block(document, match[1], match[2]) for match in _FENCE.finditer(text)]
    assert text.count("```") == 2 * len(found), f"{document}: a fence that is not closed, or indented"
    return found


@dataclass(frozen=True)
class Shell:
    """The shell of a reader: its folder and environment, and the time limit of a command."""

    folder: Path
    environ: Mapping[str, str]
    limit_s: float

    def type(self, line: str) -> str:
        """Type lines at the shell. Return the output. The test fails unless all lines succeed."""
        done = subprocess.run(
            ["bash", "-e", "-c", line],
            cwd=self.folder,
            env={**os.environ, **self.environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=self.limit_s,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}"
        return done.stdout

    def play(self, session: str) -> None:
        """Type the commands of a session. The test fails unless the shown lines come; numbers may differ."""
        for part in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
            line, *shown = part.splitlines()
            end = time.monotonic() + STATE_LIMIT_S
            while missing := lines_missing(shown, output := self.type(line)):
                may_come = line.startswith(_SHOWS_STATE) and time.monotonic() < end
                assert may_come, f"{line}\n{output}\nlacks: {missing}"
                time.sleep(0.5)


def lines_missing(shown: list[str], output: str) -> list[str]:
    """Return the lines of *shown*, from a document, whose shape no line of *output* has."""
    lines = [" ".join(line.split()) for line in output.splitlines()]
    return [
        each
        for each in shown
        if each != LEFT_OUT and not any(re.fullmatch(_shape(each), line) for line in lines)
    ]


def _shape(shown: str) -> str:
    """Return the pattern of a line: any numbers, any unit of a size, any text for "…"."""
    pattern = re.escape(" ".join(shown.split()))
    pattern = re.sub(r"(?<![a-z])\d+(?:\\\.\d+)?", r"[\\d.,]+", pattern)
    return re.sub(r"\b[KMG]iB\b", "[KMG]iB", pattern).replace(LEFT_OUT, ".*")
