"""Files to release, and the programs that judge them, for the tests of releases."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

MIB: Final = 1 << 20
NOBODY: Final = 65534
AS_NOBODY: Final = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")
LIMIT_S: Final = 60.0


def output_of(*words: str | Path, **more: str) -> str:
    """Run a program, which must succeed; return its output. *more* is added to the environment."""
    process = subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=LIMIT_S, env={**os.environ, **more}
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def sha256sum(path: Path) -> str:
    return output_of("sha256sum", "--", path).split()[0].removeprefix("\\")


def du_bytes(path: Path) -> int:
    """Return the bytes that *path* occupies on the disk."""
    return int(output_of("du", "--block-size=1", "--summarize", path).split()[0])


def write_files(folder: Path, files: Mapping[str, bytes], mode: int = 0o644) -> Path:
    """Make *folder* with these files and return it; files in bin/ become executable."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode | (0o111 & mode >> 2) if name.startswith("bin/") else mode)
    return folder


def listing(folder: Path) -> list[str]:
    """Return kind, permissions and path of everything below *folder*."""
    return sorted(output_of("find", folder, "-mindepth", "1", "-printf", "%y %m %P\\n").splitlines())


def same_files(one: Path, other: Path) -> bool:
    return subprocess.run(["diff", "-r", one, other], capture_output=True, check=False).returncode == 0


def ssh_key(path: Path, password: str = "") -> Path:
    """Make an ssh key with its public half beside it; return its path."""
    output_of("ssh-keygen", "-q", "-t", "ed25519", "-N", password, "-C", "", "-f", path)
    return path


def signers_file(path: Path, **keys: Path) -> Path:
    """Write an allowed-signers file (ssh-keygen(1)) with the signers' names and keys; return its path."""
    lines = [f"{who}@example.org {key.with_suffix('.pub').read_text()}" for who, key in keys.items()]
    path.write_text("".join(lines))
    return path


@contextmanager
def gpg_home(folder: Path) -> Iterator[dict[str, str]]:
    """Make an empty key ring and yield the environment with which gpg uses it. End gpg's agent afterwards."""
    folder.mkdir(mode=0o700)
    environ = {"GNUPGHOME": str(folder)}
    try:
        yield environ
    finally:
        output_of("gpgconf", "--kill", "all", **environ)


def gpg_key(environ: Mapping[str, str], who: str, password: str = "") -> str:
    """Make a key for *who* and return its fingerprint."""
    quiet = ("gpg", "--quiet", "--batch", "--pinentry-mode=loopback", f"--passphrase={password}")
    output_of(*quiet, "--quick-generate-key", who, "ed25519", "sign", "never", **environ)
    found = output_of("gpg", "--batch", "--list-keys", "--with-colons", f"={who}", **environ)
    return next(line.split(":")[9] for line in found.splitlines() if line.startswith("fpr:"))
