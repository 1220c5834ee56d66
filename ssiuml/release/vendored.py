"""Pure Python packages that the utils tarball brings along: pinned wheels, fetched and unpacked."""

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
class Pin:
    """A line of vendored.txt."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Wheel:
    """A verified wheel, with what its metadata say.

    Source: binary distribution format, packaging.python.org.
    """

    path: Path
    name: str
    version: str
    licence: str
    sha256: str

    def unpack(self, target: Path, licences: Path) -> None:
        """Put its Python modules into *target* and its licences into *licences*/NAME.

        Raise SsiumlError if a member's path leads out of the wheel.
        """
        with zipfile.ZipFile(self.path) as archive:
            for name in archive.namelist():
                parts = PurePosixPath(name).parts
                if ".." in parts or name.startswith("/"):
                    raise SsiumlError(f"{self.path}: holds '{name}', a path that leads out of it")
                if name.endswith(".py"):
                    self._write(archive, name, target / name)
                elif parts[0].endswith(".dist-info") and parts[-1].upper().startswith(("LICEN", "COPYING")):
                    self._write(archive, name, licences / self.name / parts[-1])

    def _write(self, archive: zipfile.ZipFile, name: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(archive.read(name))


def read_pins(requirements: Path = REQUIREMENTS) -> list[Pin]:
    """Return the pins of vendored.txt. Raise SsiumlError, with the number of the line, for any other line."""
    found = []
    for number, line in enumerate(requirements.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise SsiumlError(
                f"{requirements}:{number}: '{line}' is not a pin",
                hint="write NAME==VERSION --hash=sha256:DIGEST",
            )
        found.append(Pin(*match.groups()))
    return found


def fetch_wheels(folder: Path, *, offline: bool, requirements: Path = REQUIREMENTS) -> list[Wheel]:
    """Return the pinned wheels. pip fetches those that *folder* lacks into it, and verifies their digests.

    Raise SsiumlError if pip cannot fetch a wheel, if one is missing and *offline* is set, or if one is not
    pure Python.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = read_pins(requirements)
    there = _by_sha256(folder.glob("*.whl"))
    if any(one.sha256 not in there for one in wanted):
        if offline:
            raise SsiumlError(
                f"{folder}: lacks packages of {requirements.name}, and offline is set",
                hint="run ./run release once without --offline",
            )
        _download(folder, requirements)
        there = _by_sha256(folder.glob("*.whl"))
    absent = [one.name for one in wanted if one.sha256 not in there]
    if absent:
        raise SsiumlError(f"pip fetched no wheel of {', '.join(absent)} with the digest in {requirements}")
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
            f"pip cannot fetch the packages in {requirements.name}: {error}", hint="check the network"
        ) from error


def _read(path: Path, wanted: Pin) -> Wheel:
    with zipfile.ZipFile(path) as archive:
        info = f"{wanted.name}-{wanted.version}.dist-info"
        about = email.message_from_bytes(archive.read(f"{info}/METADATA"))
        wheel = email.message_from_bytes(archive.read(f"{info}/WHEEL"))
    if wheel["Root-Is-Purelib"] != "true":
        raise SsiumlError(f"{path}: is not pure Python")
    licence = about["License-Expression"] or about["License"] or "unknown"
    return Wheel(path, wanted.name, wanted.version, licence, wanted.sha256)
