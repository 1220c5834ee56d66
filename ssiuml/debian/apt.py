"""Ask Debian's mirrors for packages, without root: an apt with package lists and settings of its own.

It neither reads nor changes the packages of the host. apt checks signatures with the host's copy of Debian's
keyring (package debian-archive-keyring).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from filelock import FileLock

from ssiuml.debian.deb import Deb, Selection, paragraphs
from ssiuml.errors import SsiumlError
from ssiuml.host.files import write_text
from ssiuml.host.neutral_names import neutral_name
from ssiuml.host.run import CommandError, run
from ssiuml.recipe.distribution import PackagesDistribution

KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
TIMEOUT_S: Final = 3600.0
_STATUS: Final = "status"  # what is installed: nothing
SNAPSHOT_URL: Final = "http://snapshot.debian.org/archive"

# apt-get's messages about a package that the lists do not have (apt-private/private-cacheset.cc).
_UNKNOWN: Final = re.compile(
    r"E: (?:Unable to locate package (\S+)|Package '(\S+)' has no installation candidate"
    r"|Couldn't find any package by (?:glob|regex) '(\S+)')"
)
# What apt-get says if a proxy, or the page of a hotel, answers in place of the mirror.
_PROXY: Final = re.compile(r"\b407\b|does the network require authentication")
# The line of `apt-get --simulate` for each package to install: name, [installed version], (new version.
_CHOSEN: Final = re.compile(r"^Inst (\S+) (?:\[\S+\] )?\((\S+) ", re.MULTILINE)


class NoPackageError(SsiumlError):
    """Packages do not exist in the distribution. *names* has them."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(f"no such package: {', '.join(names)}")
        self.names = names


class NoVersionError(SsiumlError):
    """A package does not exist in the version wanted. *there* has the versions that exist."""

    def __init__(self, package: str, version: str, there: str) -> None:
        super().__init__(f"{package} is not there in version {version}")
        self.there = there


def archives(distribution: PackagesDistribution) -> list[str]:
    """Return the URLs of a distribution's archives: mirror and security mirror, or their snapshots."""
    if distribution.snapshot is not None:
        return snapshots(distribution, distribution.snapshot)
    return [each for each in (distribution.mirror, distribution.security_mirror) if each is not None]


def snapshots(distribution: PackagesDistribution, time: str) -> list[str]:
    """Return the URLs of the archives as they were at *time* (20260101T000000Z), for ever."""
    names = ["debian"] if distribution.security_mirror is None else ["debian", "debian-security"]
    return [f"{SNAPSHOT_URL}/{name}/{time}" for name in names]


def sources_list(distribution: PackagesDistribution, only_suite: str | None = None) -> str:
    """Return the sources.list of a distribution: release, updates and security, or a snapshot of them.

    With *only_suite* the list has only that suite of the mirror, such as backports.
    """
    keyring, suite = f"[signed-by={KEYRING}]", distribution.suite
    components = " ".join(distribution.components)
    mirror, *security = archives(distribution)
    if only_suite is not None:
        return f"deb {keyring} {mirror} {only_suite} {components}\n"
    lines = [f"deb {keyring} {mirror} {name} {components}" for name in (suite, f"{suite}-updates")]
    lines += [f"deb {keyring} {each} {suite}-security {components}" for each in security]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Apt:
    """An apt of its own in *folder*, for the packages of *distribution* and one architecture.

    With *only_suite* it has the packages of that suite of the mirror, and no others.
    """

    folder: Path
    distribution: PackagesDistribution
    architecture: str = "amd64"
    only_suite: str | None = None

    def update(self) -> None:
        """Fetch the package lists. Raise SsiumlError if a mirror does not answer or cannot be trusted."""
        self._prepare()
        try:
            self._run("apt-get", "-q", "update", "-o", "APT::Update::Error-Mode=any")
        except CommandError as error:
            cause, mirror = _cause(error), self.distribution.mirror
            suite = self.only_suite or self.distribution.suite
            variable = f"{mirror.partition(':')[0]}_proxy"
            raise SsiumlError(
                f"the package lists of {suite} cannot be fetched: {cause}",
                hint=f"set {variable} to http://USER:PASSWORD@HOST:PORT, if the proxy there wants a password"
                if _PROXY.search(cause)
                else f"check the network, and whether {mirror} is the right mirror",
            ) from error

    def resolve(self, packages: Iterable[str]) -> Selection:
        """Return what must be installed into an empty system for *packages*, as the lists are now.

        apt chooses once, what Debian requires together with *packages*. If it chose essential packages first,
        it would take usrmerge for their `usrmerge | usr-is-merged`, and perl with it, whatever *packages*
        have. Raise NoPackageError if there is no such package, SsiumlError if apt cannot choose.
        """
        suite = self.distribution.suite
        ours = f"?or(?archive(^{suite}$),?codename(^{suite}$)),?architecture({self.architecture})"
        required = [f"?narrow({ours},{each})" for each in ("?essential", "?priority(required)")]
        records = self._choose(*packages, *required)
        return Selection(
            required=sorted(record["Package"] for record in records if _is_required(record)),
            packages=dict(sorted((record["Package"], _deb(record)) for record in records)),
        )

    def find(self, package: str, version: str | None = None) -> Deb:
        """Return one package without its dependencies: in *version*, or the newest.

        Raise NoPackageError if there is no such package, NoVersionError if it is not there in that version.
        """
        printed = self._run("apt-cache", "madison", package)
        versions = [line.split("|")[1].strip() for line in printed.splitlines() if line.count("|") == 2]
        if not versions:
            raise NoPackageError([package])
        if version is None:
            return _deb(next(paragraphs(self._run("apt-cache", "show", "--no-all-versions", package))))
        if version not in versions:
            raise NoVersionError(package, version, ", ".join(dict.fromkeys(versions)))
        return _deb(next(paragraphs(self._run("apt-cache", "show", f"{package}={version}"))))

    def names(self, beginning: str) -> list[str]:
        """Return the names of the packages with this *beginning*, sorted."""
        return sorted(self._run("apt-cache", "pkgnames", beginning).split())

    def _choose(self, *wanted: str) -> list[dict[str, str]]:
        """Return the records of what apt would install for *wanted* into an empty system."""
        try:
            printed = self._run("apt-get", "-q", "install", "--simulate", "-y", *wanted)
        except CommandError as error:
            unknown = [next(filter(None, groups)) for groups in _UNKNOWN.findall(error.output)]
            if unknown:
                raise NoPackageError(unknown) from error
            raise SsiumlError(f"packages cannot be chosen: {_cause(error)}") from error
        versions = dict(_CHOSEN.findall(printed))
        if not versions:
            return []
        shown = self._run("apt-cache", "show", *map("=".join, versions.items()))
        records = {record["Package"]: record for record in paragraphs(shown)}
        return [records[name] for name in versions]

    def _run(self, *words: str) -> str:
        """Run a program of apt. Return its output."""
        # apt fails at once when another apt uses its folders, and builds of other recipes may do so.
        with FileLock(self.folder / ".lock", timeout=TIMEOUT_S), neutral_name(self.folder) as folder:
            write_text(self.folder / "apt.conf", self._configuration(folder))
            # LANGUAGE takes precedence over LC_ALL=C.UTF-8 in glibc before 2.41, and errors are read here.
            environment = {"APT_CONFIG": str(folder / "apt.conf"), "LC_ALL": "C.UTF-8", "LANGUAGE": "C"}
            return run(words, timeout_s=TIMEOUT_S, env=environment)

    def _prepare(self) -> None:
        for name in ("state/lists/partial", "etc/apt.conf.d", "etc/preferences.d"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        write_text(self.folder / "sources.list", sources_list(self.distribution, self.only_suite))
        write_text(self.folder / _STATUS, "")

    def _configuration(self, folder: Path) -> str:
        options = {
            "Dir::Etc": f"{folder}/etc",
            "Dir::Etc::sourcelist": f"{folder}/sources.list",
            "Dir::State": f"{folder}/state",
            "Dir::State::status": f"{folder}/{_STATUS}",
            "Dir::Cache": str(folder),
            "APT::Architecture": self.architecture,
            "APT::Architectures": self.architecture,
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "root",  # the user _apt could not write to this private folder
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            # The lists of a snapshot have expired; their signatures are checked all the same.
            "Acquire::Check-Valid-Until": "false" if self.distribution.snapshot else "true",
        }
        return "".join(f'{key} "{value}";\n' for key, value in options.items())


def _cause(error: CommandError) -> str:
    """Return apt's own words for what is wrong: a list that did not arrive before what follows from that."""
    lines = [line[3:] for line in error.output.splitlines() if line.startswith("E: ")]
    # A list that no server gave "is not signed", too, and apt sorts these lines by chance.
    first = next((line for line in lines if line.startswith("Failed to fetch ")), None)
    return first or (lines[0] if lines else str(error))


def _is_required(record: dict[str, str]) -> bool:
    return record.get("Priority") == "required" and record.get("Essential") != "yes"


def _deb(record: dict[str, str]) -> Deb:
    return Deb(
        version=record["Version"],
        architecture=record["Architecture"],
        size=int(record["Size"]),
        sha256=record["SHA256"],
        file=record["Filename"],
    )
