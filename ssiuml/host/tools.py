"""Programs of the host that the build needs, and the Debian packages that have them."""

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.host.progress import say
from ssiuml.host.run import find_tool, run

APT_TIMEOUT_S: Final = 1800.0
# Tasks run at the same time, and a second apt-get does not wait for the first.
_installing: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class HostTool:
    """A program (or a file, by its absolute path), the Debian package that has it, and its purpose."""

    name: str
    package: str
    purpose: str

    def is_there(self) -> bool:
        return Path(self.name).exists() if self.name.startswith("/") else find_tool(self.name) is not None


HOST_TOOLS: Final = (
    HostTool("apt-get", "apt", "download packages"),
    HostTool("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring", "verify packages"),
    HostTool("dpkg-deb", "dpkg", "unpack the kernel package"),
    HostTool("apt-ftparchive", "apt-utils", "list the packages of the base for mmdebstrap"),
    HostTool("mmdebstrap", "mmdebstrap", "install the base"),
    HostTool("fakechroot", "fakechroot", "install the base as an ordinary user"),
    HostTool("fakeroot", "fakeroot", "install the base as an ordinary user"),
    HostTool("newuidmap", "uidmap", "install the base as an ordinary user"),
    HostTool("mkfs.gfs2", "gfs2-utils", "format and check the root image"),
    HostTool("debugfs", "e2fsprogs", "make the RAM disk of Linux 2.4"),
    HostTool("make", "make", "install the cluster tools"),
    HostTool("ip", "iproute2", "connect the nodes of a cluster"),
    HostTool("nft", "nftables", "cut the network of a cluster"),
    HostTool("taskset", "util-linux", "run each node on one processor"),
    HostTool("ssh", "openssh-client", "enter a node"),
    HostTool("ssh-keygen", "openssh-client", "make a cluster's keys"),
)
KERNEL_TOOLS: Final = (
    HostTool("gcc", "gcc", "compile the kernel"),
    HostTool("/usr/include/stdio.h", "libc6-dev", "compile the kernel's programs"),
    HostTool("flex", "flex", "compile the kernel's programs"),
    HostTool("bison", "bison", "compile the kernel's programs"),
    HostTool("bc", "bc", "compile the kernel"),
    HostTool("patch", "patch", "apply the kernel's patches"),
    HostTool("perl", "perl-base", "compile the kernel"),
    HostTool("xz", "xz-utils", "unpack the kernel's source"),
    HostTool("depmod", "kmod", "list the dependencies of the kernel's modules"),
)
# Programs for compressed archives of users. Python's own library reads bzip2 and gzip.
UNPACKERS: Final = {
    "zstd": HostTool("zstd", "zstd", "unpack an archive"),
    "lz4": HostTool("lz4", "lz4", "unpack an archive"),
    "lzip": HostTool("lzip", "lzip", "unpack an archive"),
    "lzop": HostTool("lzop", "lzop", "unpack an archive"),
    "xz": HostTool("xz", "xz-utils", "unpack an archive"),
    "compress": HostTool("gzip", "gzip", "unpack an archive"),
}
OLD_KERNEL_TOOLS: Final = (HostTool("patch", "patch", "apply the kernel's patches"),)
SWITCH: Final = HostTool("uml_switch", "uml-utilities", "connect nodes of Linux 2.4")
SANDBOX_TOOLS: Final = (
    HostTool("bwrap", "bubblewrap", "run the compiler of 2002"),
    HostTool("setarch", "util-linux", "run the compiler of 2002"),
)
GIT: Final = HostTool("git", "git", "find the commit of a release")
GPG: Final = HostTool("gpg", "gpg", "sign releases")
PANDOC: Final = HostTool("pandoc", "pandoc", "make the manual pages")
LINT_TOOLS: Final = (HostTool("shellcheck", "shellcheck", "check shell scripts"),)
TEST_TOOLS: Final = (
    *KERNEL_TOOLS,
    *SANDBOX_TOOLS,
    SWITCH,
    HostTool("slirp4netns", "slirp4netns", "give nodes a way out"),
    HostTool("pgrep", "procps", "find processes"),
    HostTool("cpio", "cpio", "read the RAM disk in tests"),
    HostTool("qemu-i386-static", "qemu-user-static", "run 32-bit programs in the appliance"),
    HostTool("file", "file", "recognise images"),
    HostTool("pvs", "lvm2", "recognise pool labels"),
    *(tool for form, tool in UNPACKERS.items() if form != "xz"),  # the kernel's source needs it too
    HostTool("bzip2", "bzip2", "unpack the archives of tests"),
    HostTool("lbzip2", "lbzip2", "compress releases"),
    HostTool("bsdtar", "libarchive-tools", "read the tarballs of releases"),
    GPG,
    HostTool("gpg-agent", "gpg-agent", "keep the keys that gpg signs with"),
    GIT,
    HostTool("diffoscope", "diffoscope-minimal", "compare two releases"),
    # /usr/bin/python3 alone may be python3-minimal's, which lacks modules.
    HostTool("/usr/bin/pydoc3", "python3", "run the commands as installed"),
    HostTool("dot", "graphviz", "draw the steps"),
    PANDOC,
    HostTool("mandoc", "mandoc", "check the manual pages"),
    HostTool("groff", "groff-base", "print the manual pages"),
    HostTool("lexgrog", "man-db", "read the names of manual pages"),
    HostTool("zsh", "zsh", "complete command lines"),
    HostTool("/usr/include/linux/gfs2_ondisk.h", "linux-libc-dev", "check structures against it"),
)


def missing(tools: Iterable[HostTool]) -> list[HostTool]:
    """Return those of *tools* that are not on this machine."""
    return [tool for tool in tools if not tool.is_there()]


def require(tools: Iterable[HostTool]) -> None:
    """Install missing *tools*, if this process may (as root, on Debian).

    Raise SsiumlError, with the command to run, if one is still missing.
    """
    with _installing:
        _require(tools)


def _require(tools: Iterable[HostTool]) -> None:
    absent = missing(tools)
    if not absent:
        return
    packages = sorted({tool.package for tool in absent})
    if os.geteuid() == 0 and find_tool("apt-get"):
        install(packages)
        absent = missing(absent)
    if absent:
        names = ", ".join(f"{tool.name} (to {tool.purpose})" for tool in absent)
        raise SsiumlError(
            f"missing on this machine: {names}",
            hint=f"run sudo apt-get install --no-install-recommends {' '.join(packages)}",
        )


def install(packages: Iterable[str]) -> None:
    """Install Debian packages on the host, as root, and print their names."""
    names = list(packages)
    say(f"installing on this machine: {' '.join(names)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-q"], timeout_s=APT_TIMEOUT_S, env=quiet)
    run(
        ["apt-get", "install", "-q", "-y", "--no-install-recommends", *names],
        timeout_s=APT_TIMEOUT_S,
        env=quiet,
    )
