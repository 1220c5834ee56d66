"""The ssh keys of a cluster, made at its first start, and the initrd that takes them to the nodes."""

import os
import pwd
import shutil
from pathlib import Path
from typing import Final

from ssiuml.cluster.paths import ClusterFolder
from ssiuml.cluster.ssh import HOST_ALIAS
from ssiuml.errors import UsageError
from ssiuml.host.files import replacing, write_text
from ssiuml.host.run import run
from ssiuml.tree.cpio import write_segment
from ssiuml.tree.tree import Literal, Meta, Tree, directory, file

KEYGEN_LIMIT_S: Final = 60.0
GUEST_FOLDER: Final = "etc/ssi/ssh"
_CPIO_ALIGN: Final = 4


def require_user() -> None:
    """Raise UsageError if ssh and ssh-keygen refuse to work for this user."""
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        raise UsageError(
            f"user {os.getuid()} has no entry in the password database, and ssh, which leads to the nodes, "
            "refuses to work for such a user",
            hint="add an entry for this user to /etc/passwd, or run the command as another user",
        ) from None


def keygen_command(path: Path, comment: str) -> list[str]:
    """Return the command line that makes a key without a passphrase."""
    return ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]


def make_keys(folder: ClusterFolder) -> None:
    """Make the host key of all nodes and the user's key, unless they exist, and write known_hosts."""
    for name in ("host_key", "user_key"):
        path = folder.keys / name
        if not (path.is_file() and path.with_suffix(".pub").is_file()):
            path.unlink(missing_ok=True)
            path.with_suffix(".pub").unlink(missing_ok=True)
            run(keygen_command(path, f"ssiuml-{folder.name}"), timeout_s=KEYGEN_LIMIT_S)
            path.chmod(0o600)
    write_text(folder.keys / "known_hosts", f"{HOST_ALIAS} {_public(folder, 'host_key')}")


def make_initrd(folder: ClusterFolder, image_initrd: Path) -> None:
    """Write the image's initrd with one more segment that holds the keys. Only its owner may read it."""
    segment = folder.keys / "segment.cpio.gz"
    write_segment(segment, _keys_tree(folder))
    with replacing(folder.initrd) as part:
        part.touch(mode=0o600)
        with part.open("wb") as target:
            for source in (image_initrd, segment):
                # The kernel finds an uncompressed header only at multiples of four, a compressed segment
                # anywhere.
                target.write(bytes(-target.tell() % _CPIO_ALIGN))
                with source.open("rb") as stream:
                    shutil.copyfileobj(stream, target)
    segment.unlink()


def _keys_tree(folder: ClusterFolder) -> Tree:
    tree = Tree(Meta(mode=0o755, mtime_ns=0))
    tree.add("etc", directory(Meta(mode=0o755, mtime_ns=0)))
    tree.add("etc/ssi", directory(Meta(mode=0o755, mtime_ns=0)))
    tree.add(GUEST_FOLDER, directory(Meta(mode=0o700, mtime_ns=0)))
    files = {
        "host_key": (folder.keys / "host_key").read_text(),
        "host_key.pub": _public(folder, "host_key"),
        "authorized_keys": _public(folder, "user_key"),
    }
    for name, text in files.items():
        tree.add(f"{GUEST_FOLDER}/{name}", file(Literal(text.encode()), Meta(mode=0o600, mtime_ns=0)))
    return tree


def _public(folder: ClusterFolder, name: str) -> str:
    return (folder.keys / f"{name}.pub").read_text()
