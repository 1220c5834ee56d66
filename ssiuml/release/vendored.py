"""The pure Python packages that the utils tarball brings along: pinned wheels, fetched and unpacked."""

import email
import re
import sys
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.host.digests import file_sha256
from ssiuml.host.progress import say
from ssiuml.host.run import CommandError, run

REQUIREMENTS: Final = Path(__file__).with_name("vendored.txt")
LIMIT_S: Final = 1800.0
_LINE: Final = re.compile(r"([A-Za-z0-9_.-]+)==(\S+) --hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Pinned:
    """A line of vendored.txt."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Wheel:
    """A verified wheel (binary distribution format, packaging.python.org) and what it says of itself."""

    path: Path
    name: str
    version: str
    licence: str
    sha256: str

    def unpack(self, target: Path, licences: Path) -> None:
        """Put its Python modules into *target*, its licences into *licences*/NAME."""
        with zipfile.ZipFile(self.path) as archive:
            for name in archive.namelist():
                parts = PurePosixPath(name).parts
                if ".." in parts or name.startswith("/"):
                    raise SsiumlError(f"{self.path}: holds '{name}', a path out of it")
                if name.endswith(".py"):
                    self._write(archive, name, target / name)
                elif parts[0].endswith(".dist-info") and parts[-1].upper().startswith(("LICEN", "COPYING")):
                    self._write(archive, name, licences / self.name / parts[-1])

    def _write(self, archive: zipfile.ZipFile, name: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(archive.read(name))


def pinned(requirements: Path = REQUIREMENTS) -> list[Pinned]:
    """What is pinned; SsiumlError, with the line, for anything else."""
    found = []
    for number, line in enumerate(requirements.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise SsiumlError(
                f"{requirements}:{number}: '{line}' is no pin", hint="NAME==VERSION --hash=sha256:DIGEST"
            )
        found.append(Pinned(*match.groups()))
    return found


def get_wheels(folder: Path, *, offline: bool, requirements: Path = REQUIREMENTS) -> list[Wheel]:
    """The pinned wheels, from *folder* or fetched into it by pip, which holds them against their digests.

    SsiumlError if one cannot be had, or is not pure Python.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = pinned(requirements)
    there = _by_sha256(folder.glob("*.whl"))
    if any(one.sha256 not in there for one in wanted):
        if offline:
            raise SsiumlError(
                f"{folder}: not all of the packages in {requirements.name} are there, and offline is set",
                hint="once without: ./run release",
            )
        _download(folder, requirements)
        there = _by_sha256(folder.glob("*.whl"))
    absent = [one.name for one in wanted if one.sha256 not in there]
    if absent:
        raise SsiumlError(f"pip left no wheel of {', '.join(absent)} with the digest of {requirements}")
    return [_read(there[one.sha256], one) for one in wanted]


def _by_sha256(paths: Iterable[Path]) -> dict[str, Path]:
    return {file_sha256(path): path for path in paths}


def _download(folder: Path, requirements: Path) -> None:
    say("release: fetching Python packages")
    words = ["download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    words += ["--require-hashes", "--dest", str(folder), "--requirement", str(requirements)]
    try:
        run([sys.executable, "-m", "pip", *words], timeout_s=LIMIT_S)
    except CommandError as error:
        raise SsiumlError(
            f"the packages in {requirements.name} cannot be fetched: {error}", hint="is there a network?"
        ) from error


def _read(path: Path, wanted: Pinned) -> Wheel:
    with zipfile.ZipFile(path) as archive:
        info = f"{wanted.name}-{wanted.version}.dist-info"
        about = email.message_from_bytes(archive.read(f"{info}/METADATA"))
        wheel = email.message_from_bytes(archive.read(f"{info}/WHEEL"))
    if wheel["Root-Is-Purelib"] != "true":
        raise SsiumlError(f"{path}: is not pure Python")
    licence = about["License-Expression"] or about["License"] or "unknown"
    return Wheel(path, wanted.name, wanted.version, licence, wanted.sha256)
