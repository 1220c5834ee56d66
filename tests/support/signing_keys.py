"""Keys of ssh and gpg that sign releases, made by their own programs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from programs import output_of


def ssh_key(path: Path, password: str = "") -> Path:
    """Make an ssh key at *path*, with its public half beside it. Return *path*."""
    output_of("ssh-keygen", "-q", "-t", "ed25519", "-N", password, "-C", "", "-f", path)
    return path


def signers_file(path: Path, **keys: Path) -> Path:
    """Write an allowed-signers file (ssh-keygen(1)) with the ssh key of each person. Return *path*."""
    lines = [f"{who}@example.org {key.with_suffix('.pub').read_text()}" for who, key in keys.items()]
    path.write_text("".join(lines))
    return path


@contextmanager
def gpg_home(folder: Path) -> Iterator[dict[str, str]]:
    """Yield the environment that makes gpg use an empty key ring in *folder*. Its agent ends, too."""
    folder.mkdir(mode=0o700)
    environ = {"GNUPGHOME": str(folder)}
    try:
        yield environ
    finally:
        output_of("gpgconf", "--kill", "all", **environ)


def gpg_key(environ: Mapping[str, str], who: str, password: str = "") -> str:
    """Make a key for *who*. Return its fingerprint."""
    quiet = ("gpg", "--quiet", "--batch", "--pinentry-mode=loopback", f"--passphrase={password}")
    output_of(*quiet, "--quick-generate-key", who, "ed25519", "sign", "never", **environ)
    found = output_of("gpg", "--batch", "--list-keys", "--with-colons", f"={who}", **environ)
    return next(line.split(":")[9] for line in found.splitlines() if line.startswith("fpr:"))
