"""A small mirror like Debian's: dpkg-deb makes packages, apt-ftparchive their indices, gpg signs them."""

import hashlib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from http_server import Web

SUITES = ("bookworm", "bookworm-updates", "bookworm-backports")
# The folder with the packages of each suite. Debian has all of them in one, and lists them by suite.
POOLS = {"bookworm": "pool", "bookworm-backports": "backports"}


@dataclass
class LocalMirror:
    """A mirror that serves *folder* as /debian. ``publish`` puts the current packages there."""

    folder: Path
    web: Web
    packages: dict[str, Path] = field(default_factory=dict)  # the newest file of each package of bookworm

    @property
    def url(self) -> str:
        return self.web.url("/debian")

    def __post_init__(self) -> None:
        # gpg's agent listens on a socket in its folder, and the path of a socket may not be long.
        self._short = Path(tempfile.mkdtemp(prefix="gpg."))
        (self._short / "home").symlink_to(self.folder / "gnupg")
        self.packages.update(
            {path.name.partition("_")[0]: path for path in self.folder.glob("pool/**/*.deb")}
        )

    @property
    def keyring(self) -> Path:
        return self.folder / "keyring.gpg"

    def make(self, name: str, version: str, **fields: str) -> Path:
        """Make a package that takes the place of its earlier version. It is not published yet.

        Its control file has *fields*, and the other fields of the earlier version. Return its path.
        """
        path = self._build(name, version, "bookworm", {**self._fields_before(name), **fields})
        if name in self.packages:
            self.packages[name].unlink()
        self.packages[name] = path
        return path

    def take(self, package: Path, version: str) -> Path:
        """Take a package that is made already, in place of its earlier version. Return its path here."""
        name = package.stem.partition("_")[0]
        path = self.folder / "pool" / "main" / name[0] / name / f"{name}_{version}_all.deb"
        path.parent.mkdir(parents=True, exist_ok=True)
        package.rename(path)
        if name in self.packages:
            self.packages[name].unlink()
        self.packages[name] = path
        return path

    def make_backport(self, name: str, version: str) -> Path:
        """Make a package of bookworm-backports, beside that of bookworm. Return its path."""
        return self._build(name, version, "bookworm-backports", {})

    def _build(self, name: str, version: str, suite: str, fields: dict[str, str]) -> Path:
        root = self.folder / "roots" / f"{name}_{version}"
        (root / "DEBIAN").mkdir(parents=True)
        values = {
            "Package": name,
            "Version": version,
            "Architecture": "amd64",
            "Maintainer": "Nobody <nobody@localhost>",
            "Description": "for a test",
            **fields,
        }
        text = "".join(f"{key}: {value}\n" for key, value in values.items())
        (root / "DEBIAN" / "control").write_text(text)
        pool = self.folder / POOLS[suite] / "main" / name[0] / name
        pool.mkdir(parents=True, exist_ok=True)
        path = pool / f"{name}_{version.rpartition(':')[2]}_amd64.deb"
        subprocess.run(
            ["dpkg-deb", "--build", "--root-owner-group", root, path], check=True, stdout=subprocess.DEVNULL
        )
        return path

    def _fields_before(self, name: str) -> dict[str, str]:
        if name not in self.packages:
            return {}
        path = self.packages[name]
        text = self._run("dpkg-deb", "--field", str(path), "Essential", "Priority", "Depends").decode()
        return dict(line.split(": ", 1) for line in text.splitlines())

    def publish(self) -> None:
        """Serve the newest packages, with new indices, and no earlier ones."""
        for served in [served for served in self.web.paths if served.startswith("/debian/")]:
            del self.web.paths[served]
        for suite in SUITES:
            self._write_indices(suite)
        self.serve()

    def serve(self) -> None:
        """Serve the packages and indices that are in the folder."""
        pools = (path for pool in POOLS.values() for path in self.folder.glob(f"{pool}/**/*.deb"))
        for path in (*pools, *self.folder.glob("dists/**/*")):
            if path.is_file():
                self.web.serve(f"/debian/{path.relative_to(self.folder)}", path.read_bytes())

    def _write_indices(self, suite: str) -> None:
        binary = self.folder / "dists" / suite / "main" / "binary-amd64"
        shutil.rmtree(self.folder / "dists" / suite, ignore_errors=True)
        binary.mkdir(parents=True)
        pool = POOLS.get(suite)
        there = pool is not None and (self.folder / pool).is_dir()
        index = self._run("apt-ftparchive", "packages", str(pool)) if there else b""
        (binary / "Packages").write_bytes(index)
        values = {"Codename": suite, "Suite": suite, "Components": "main", "Architectures": "amd64"}
        options = [f"-oAPT::FTPArchive::Release::{key}={value}" for key, value in values.items()]
        release = self._run("apt-ftparchive", *options, "release", f"dists/{suite}")
        (self.folder / "dists" / suite / "InRelease").write_bytes(self._signed(release))

    def _signed(self, text: bytes) -> bytes:
        if not self.keyring.exists():
            (self.folder / "gnupg").mkdir(mode=0o700)
            words = ("--passphrase", "", "--quick-generate-key", "test@localhost", "ed25519", "sign", "never")
            self._gpg(*words)
            self.keyring.write_bytes(self._gpg("--export"))
        return self._gpg("--clearsign", stdin=text)

    def _gpg(self, *words: str, stdin: bytes = b"") -> bytes:
        return self._run(
            "gpg", "--homedir", str(self._short / "home"), "--batch", "--quiet", *words, stdin=stdin
        )

    def _run(self, *words: str, stdin: bytes = b"") -> bytes:
        return subprocess.run(words, cwd=self.folder, input=stdin, stdout=subprocess.PIPE, check=True).stdout

    def close(self) -> None:
        """End the processes of gpg, and remove its folder."""
        if self.keyring.exists():
            self._run("gpgconf", "--homedir", str(self._short / "home"), "--kill", "all")
        shutil.rmtree(self._short)


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
