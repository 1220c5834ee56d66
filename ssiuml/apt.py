"""Debian packages without being root: an apt with package lists, cache and trust of its own.

Nothing of the host's package state is read or changed. Signatures are checked against Debian's keyring
of the host (package debian-archive-keyring) by apt itself.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from filelock import FileLock

from ssiuml.atomic import write_text
from ssiuml.errors import SsiumlError
from ssiuml.recipe import PackagesDistribution
from ssiuml.run import CommandError, run

KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
TIMEOUT_S: Final = 3600.0
SNAPSHOT_URL: Final = "http://snapshot.debian.org/archive"

# What apt-get says of a package that the lists do not have (apt-private/private-cacheset.cc).
_UNKNOWN: Final = re.compile(
    r"E: (?:Unable to locate package (\S+)|Package '(\S+)' has no installation candidate"
    r"|Couldn't find any package by (?:glob|regex) '(\S+)')"
)


class NoPackageError(SsiumlError):
    """Packages do not exist in the distribution; ``names`` has them."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(f"no such package: {', '.join(names)}")
        self.names = names


class NoVersionError(SsiumlError):
    """A package does not exist in the version wanted; ``there`` says in which it does."""

    def __init__(self, package: str, version: str, there: str) -> None:
        super().__init__(f"{package} is not there in version {version}")
        self.there = there


class NetworkError(SsiumlError):
    """A mirror cannot be reached or does not have what it should."""


def sources_list(distribution: PackagesDistribution) -> str:
    """The sources.list of a distribution: release, updates and security, or a snapshot of them."""
    keyring, suite = f"[signed-by={KEYRING}]", distribution.suite
    components = " ".join(distribution.components)
    mirror, security = str(distribution.mirror), distribution.security_mirror
    if distribution.snapshot is not None:
        mirror = f"{SNAPSHOT_URL}/debian/{distribution.snapshot}"
        security = security and f"{SNAPSHOT_URL}/debian-security/{distribution.snapshot}"
    lines = [f"deb {keyring} {mirror} {name} {components}" for name in (suite, f"{suite}-updates")]
    if security is not None:
        lines.append(f"deb {keyring} {security} {suite}-security {components}")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Apt:
    """An apt of its own in *folder*, for the packages of *distribution* and one architecture."""

    folder: Path
    distribution: PackagesDistribution
    architecture: str = "amd64"

    @property
    def archives(self) -> Path:
        """Where downloaded packages lie."""
        return self.folder / "archives"

    def update(self) -> None:
        """Fetch the package lists; NetworkError if a mirror does not answer or cannot be trusted."""
        self._prepare()
        try:
            self._apt_get("update", "-o", "APT::Update::Error-Mode=any")
        except CommandError as error:
            raise NetworkError(
                f"the package lists of {self.distribution.suite} cannot be fetched: {_last_error(error)}",
                hint=f"is there a network, and is {self.distribution.mirror} the right mirror?",
            ) from error

    def download_with_dependencies(self, packages: Iterable[str]) -> None:
        """Fetch packages and all they need into ``archives``, as for an empty system."""
        # The pattern for essential packages is the one that mmdebstrap installs first.
        self._download("install", "--download-only", "-y", "?essential", "apt", *packages)

    def download(self, package: str, version: str | None = None) -> Path:
        """Fetch one package without what it depends on; return the file.

        NoPackageError if there is none, NoVersionError if not in that version.
        """
        if version is None:
            self._download("download", package)
        else:
            self._require_version(package, version)
            self._download("download", f"{package}={version}")
        # A colon in a version is written %3a in the name of the file.
        pattern = f"{package}_{version.replace(':', '%3a') if version else '*'}_*.deb"
        found = sorted(self.archives.glob(pattern), key=lambda path: path.stat().st_mtime)
        if not found:
            raise NetworkError(f"{package}: apt-get download left no file in {self.archives}")
        return found[-1]

    def _download(self, *words: str) -> None:
        try:
            self._apt_get(*words)
        except CommandError as error:
            unknown = [next(filter(None, groups)) for groups in _UNKNOWN.findall(error.output)]
            if unknown:
                raise NoPackageError(unknown) from error
            raise NetworkError(f"packages cannot be fetched: {_last_error(error)}") from error

    def _require_version(self, package: str, version: str) -> None:
        printed = run(["apt-cache", "madison", package], timeout_s=TIMEOUT_S, env=self._environment)
        versions = [line.split("|")[1].strip() for line in printed.splitlines() if line.count("|") == 2]
        if not versions:
            raise NoPackageError([package])
        if version not in versions:
            raise NoVersionError(package, version, ", ".join(dict.fromkeys(versions)))

    @property
    def _environment(self) -> dict[str, str]:
        return {"APT_CONFIG": str(self.folder / "apt.conf"), "LC_ALL": "C.UTF-8"}

    def _apt_get(self, *words: str) -> None:
        # apt gives up at once when another apt works in its folders; builds of other recipes may.
        with FileLock(self.folder / ".lock", timeout=TIMEOUT_S):
            run(
                ["apt-get", "-q", *words],
                timeout_s=TIMEOUT_S,
                cwd=self.archives,
                env=self._environment,
            )

    def _prepare(self) -> None:
        for name in ("archives/partial", "state/lists/partial", "etc/apt.conf.d", "etc/preferences.d"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        write_text(self.folder / "sources.list", sources_list(self.distribution))
        write_text(self.folder / "status", "")
        options = {
            "Dir::Etc": f"{self.folder}/etc",
            "Dir::Etc::sourcelist": f"{self.folder}/sources.list",
            "Dir::State": f"{self.folder}/state",
            "Dir::State::status": f"{self.folder}/status",
            "Dir::Cache": str(self.folder),
            "APT::Architecture": self.architecture,
            "APT::Architectures": self.architecture,
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "root",  # the folder is private, the user _apt could not write to it
            "APT::Keep-Downloaded-Packages": "true",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            # A snapshot's lists are past their date by nature; their signatures still count.
            "Acquire::Check-Valid-Until": "false" if self.distribution.snapshot else "true",
        }
        text = "".join(f'{key} "{value}";\n' for key, value in options.items())
        write_text(self.folder / "apt.conf", text)


def _last_error(error: CommandError) -> str:
    lines = [line[3:] for line in error.output.splitlines() if line.startswith("E: ")]
    return lines[0] if lines else str(error)
