"""The fenced blocks of the documents, and what a reader does with them: type, save, or only read them."""

import os
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE: Final = re.compile(r"# ([\w./-]+)")  # the first line of a block that is a file
# What a block's language means.
TYPED: Final = "sh"  # all of it is typed
SESSION: Final = "console"  # what stands behind "$ " is typed, the rest is what comes of it
SAVED: Final = ("yaml", "conf")  # a file, named in its first line
SHOWN: Final = "text"
# "…" stands for lines, or for a part of a line, that are left out.
LEFT_OUT: Final = "…"
# These only look. What they say may come true a moment later.
_LOOKS: Final = "./run ssi-status"
COMES_TRUE_LIMIT_S: Final = 60.0


@dataclass(frozen=True)
class Block:
    document: str
    language: str
    text: str

    @property
    def name(self) -> str:
        """The document, and the first line without what explains it."""
        first = re.split(r"\n|  ", self.text, maxsplit=1)[0]
        return f"{self.document}: {first.removeprefix('$ ')}"

    @property
    def file(self) -> str | None:
        """Under which name the block is saved."""
        match = _FILE.match(self.text)
        return match[1] if match else None


def blocks_of(project: Path, document: str) -> list[Block]:
    text = (project / document).read_text(encoding="utf-8")
    found = [Block(document, match[1], match[2]) for match in _FENCE.finditer(text)]
    assert text.count("```") == 2 * len(found), f"{document}: a fence that is not closed, or indented"
    return found


@dataclass(frozen=True)
class Shell:
    """Where a reader types: a folder, and the environment."""

    folder: Path
    environ: Mapping[str, str]
    limit_s: float

    def type(self, line: str) -> str:
        """Type lines at the shell; what was printed. The test fails unless all of them succeed."""
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
        """Type what the session types; the lines it shows have to come, whatever numbers are in them."""
        for part in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
            line, *shown = part.splitlines()
            end = time.monotonic() + COMES_TRUE_LIMIT_S
            while missing := lines_missing(shown, said := self.type(line)):
                may_come = line.startswith(_LOOKS) and time.monotonic() < end
                assert may_come, f"{line}\n{said}\nlacks: {missing}"
                time.sleep(0.5)


def lines_missing(shown: list[str], said: str) -> list[str]:
    """Those of the lines that a document shows that no line of *said* has the shape of."""
    lines = [" ".join(line.split()) for line in said.splitlines()]
    return [
        each
        for each in shown
        if each != LEFT_OUT and not any(re.fullmatch(_shape(each), line) for line in lines)
    ]


def _shape(shown: str) -> str:
    """The pattern of a line: any numbers, any unit of a size, anything for what is left out."""
    pattern = re.escape(" ".join(shown.split()))
    pattern = re.sub(r"(?<![a-z])\d+(?:\\\.\d+)?", r"[\\d.,]+", pattern)
    return re.sub(r"\b[KMG]iB\b", "[KMG]iB", pattern).replace(LEFT_OUT, ".*")
